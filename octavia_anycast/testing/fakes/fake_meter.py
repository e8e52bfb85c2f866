# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A meter that remembers what it was told."""

from collections import Counter
from collections.abc import Sequence

from octavia_anycast.controller.meter import Boot, Ending
from octavia_anycast.model.heartbeat import Refusal
from octavia_anycast.model.monitoring.event import Event


class FakeMeter:
    """Counts by name, and keeps each reconcile."""

    def __init__(self) -> None:
        self.received = 0
        self.lost = 0
        self.refused: Counter[Refusal] = Counter()
        self.boots: list[Boot] = []
        self.events: list[Event] = []
        self.reconciles: list[tuple[str, Ending, float]] = []

    def heartbeats_received(self, count: int) -> None:
        """Count them."""
        self.received += count

    def heartbeats_lost(self, count: int) -> None:
        """Count them."""
        self.lost += count

    def heartbeat_refused(self, why: Refusal) -> None:
        """Count it."""
        self.refused[why] += 1

    def reconciled(self, kind: str, ending: Ending, seconds: float) -> None:
        """Keep it."""
        self.reconciles.append((kind, ending, seconds))

    def boot(self, what: Boot) -> None:
        """Keep it."""
        self.boots.append(what)

    def happened(self, events: Sequence[Event]) -> None:
        """Keep them."""
        self.events += events
