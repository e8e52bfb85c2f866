# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The text of ``/metrics``.

It is made once in a few seconds, for all who ask. While the database does not
answer it has what this process knows.

Layer: controller.
"""

import gzip
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata

from prometheus_client import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)

from octavia_anycast.controller.engine.daemon import Clock
from octavia_anycast.controller.engine.work_queue import Backlog
from octavia_anycast.controller.metrics import families
from octavia_anycast.controller.metrics.deployment import Deployment, read
from octavia_anycast.controller.metrics.families import Family, Type
from octavia_anycast.controller.metrics.kept import Bounded
from octavia_anycast.controller.metrics.process import ProcessMetrics
from octavia_anycast.controller.metrics.rescue_counts import RescueCounts
from octavia_anycast.controller.metrics.tallies import (
    Values,
    shown_names,
    values_of,
)
from octavia_anycast.controller.ports import World

PATIENCE_SECONDS = 5.0
DISTRIBUTION = "octavia-anycast"


@dataclass(frozen=True, slots=True)
class Text:
    """A text, and the same as gzip packs it."""

    plain: bytes
    packed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Collected:
    """All of the deployment's metrics, and how long their reading took."""

    values: tuple[tuple[Family, Values], ...]
    seconds: float


class Exposition:
    """Collects everything.

    :param backlogs: kind of work -> what is to be done now
    :param troubles: check -> what is wrong; empty: nothing
    :param patience: seconds that a scrape waits for the database
    """

    def __init__(
        self,
        world: World,
        process: ProcessMetrics,
        *,
        backlogs: Callable[[], Mapping[str, Backlog]],
        troubles: Callable[[], Mapping[str, str]],
        clock: Clock,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._world = world
        self._process = process
        self._backlogs = backlogs
        self._troubles = troubles
        self._clock = clock
        self._rescue = RescueCounts()
        self._collected = Bounded(
            "Collecting metrics", self._collect, patience
        )

    def text(self) -> Text:
        """Make the text anew."""
        plain = generate_latest(self)
        return Text(plain, gzip.compress(plain, compresslevel=1))

    def collect(self) -> Iterable[Metric]:
        """Every metric, in the order of its declaration."""
        found = self._collected.get()
        for family, values in (*_of(found), *self._own()):
            yield metric_of(family, values)
        yield from self._process.collect()

    def _collect(self) -> _Collected:
        began = self._clock()
        found = read(self._world)
        values = (
            *values_of(found),
            self._rescued(found),
            self._session_changes(found),
        )
        return _Collected(values=values, seconds=self._clock() - began)

    def _rescued(self, found: Deployment) -> tuple[Family, Values]:
        counts = self._rescue.look(found.rows)
        return families.RESCUE, {(event,): n for event, n in counts.items()}

    def _session_changes(self, found: Deployment) -> tuple[Family, Values]:
        names = shown_names(set(found.peer_names.values()))
        counts = self._process.session_changes.by_name(
            {peer_id: names[x] for peer_id, x in found.peer_names.items()}
        )
        return families.SESSION_CHANGES, {(x,): n for x, n in counts.items()}

    def _own(self) -> Iterable[tuple[Family, Values]]:
        """What this process knows, without a database."""
        backlogs, troubles = self._backlogs(), self._troubles()
        yield families.BUILD, {(version(),): 1}
        yield (
            families.CHECK,
            {(check,): float(not why) for check, why in troubles.items()},
        )
        yield (
            families.QUEUE_DUE,
            {(kind,): one.due for kind, one in backlogs.items()},
        )
        yield (
            families.QUEUE_BUSY,
            {(kind,): one.busy for kind, one in backlogs.items()},
        )
        yield (
            families.QUEUE_OLDEST,
            {(kind,): one.oldest_seconds for kind, one in backlogs.items()},
        )
        at_rest = self._world.at_rest.amphorae()
        yield families.AT_REST, {(): len(at_rest)}


def _of(found: _Collected | None) -> Iterable[tuple[Family, Values]]:
    yield families.DATABASE_UP, {(): float(found is not None)}
    if found is not None:
        yield families.COLLECTION_SECONDS, {(): found.seconds}
        yield from found.values


def metric_of(family: Family, values: Values) -> Metric:
    """Make a metric of a declaration and its values."""
    made: CounterMetricFamily | GaugeMetricFamily
    if family.type is Type.COUNTER:
        made = CounterMetricFamily(
            family.name, family.text, labels=family.label_names
        )
    else:
        made = GaugeMetricFamily(
            family.name, family.text, labels=family.label_names
        )
    for labels, value in values.items():
        made.add_metric(labels, value)
    return made


def version() -> str:
    """The version of the package that runs."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"
