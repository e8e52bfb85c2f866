# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What happened in this process since it started.

Layer: controller.
"""

from collections.abc import Iterable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    ProcessCollector,
)

from octavia_anycast.controller.meter import Boot, Ending
from octavia_anycast.controller.metrics import families
from octavia_anycast.controller.metrics.families import Family
from octavia_anycast.controller.metrics.session_changes import SessionChanges
from octavia_anycast.model.heartbeat import Refusal
from octavia_anycast.model.monitoring.event import Event, EventKind

# When a counter began is told by the counter itself, which falls to 0.
_CREATED = "_created"


class ProcessMetrics:
    """A meter that counts; safe for several threads.

    A counter whose labels are known begins with 0, so that its first
    increase is seen. ``session_changes`` are counted by peer, whose names
    only the database knows.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._received = self._counter(families.HEARTBEATS_RECEIVED)
        self._lost = self._counter(families.HEARTBEATS_LOST)
        self._refused = self._counter(families.HEARTBEATS_REFUSED)
        self._boots = self._counter(families.BOOTS)
        self._events = self._counter(families.EVENTS)
        self._reconciles = self._histogram(families.RECONCILES)
        self._statements = self._histogram(families.STATEMENTS)
        self._kinds: set[str] = set()
        self.session_changes = SessionChanges()
        for why in Refusal:
            self._refused.labels(_name_of(why))
        for what in Boot:
            self._boots.labels(what.value)
        for kind in EventKind:
            self._events.labels(kind.value)

    def _counter(self, family: Family) -> Counter:
        return Counter(
            family.name,
            family.text,
            family.label_names,
            registry=self._registry,
        )

    def _histogram(self, family: Family) -> Histogram:
        return Histogram(
            family.name,
            family.text,
            family.label_names,
            buckets=family.buckets,
            registry=self._registry,
        )

    def heartbeats_received(self, count: int) -> None:
        """Count them."""
        self._received.inc(count)

    def heartbeats_lost(self, count: int) -> None:
        """Count them."""
        self._lost.inc(count)

    def heartbeat_refused(self, why: Refusal) -> None:
        """Count it by its reason."""
        self._refused.labels(_name_of(why)).inc()

    def reconciled(self, kind: str, ending: Ending, seconds: float) -> None:
        """Count it, and how long it took."""
        if kind not in self._kinds:
            self._kinds.add(kind)
            for each in Ending:
                self._reconciles.labels(kind, each.value)
        self._reconciles.labels(kind, ending.value).observe(seconds)

    def boot(self, what: Boot) -> None:
        """Count it."""
        self._boots.labels(what.value).inc()

    def happened(self, events: Sequence[Event]) -> None:
        """Count them by kind."""
        for event in events:
            self._events.labels(event.kind.value).inc()
        self.session_changes.add(events)

    def statement(self, seconds: float) -> None:
        """Count a statement that a database answered."""
        self._statements.observe(seconds)

    def collect(self) -> Iterable[Metric]:
        """What was counted, and what the system says of the process."""
        for metric in self._registry.collect():
            metric.samples = [
                sample
                for sample in metric.samples
                if not sample.name.endswith(_CREATED)
            ]
            yield metric


def _name_of(why: Refusal) -> str:
    """A refusal as a label: its text is a sentence for people."""
    return why.name.lower()
