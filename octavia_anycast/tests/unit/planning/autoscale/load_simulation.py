# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A cluster under load, simulated: amphorae come late and go late.

What the planner sees are samples, as it would of heartbeats; what it decides
happens after a while. The load is spread evenly over those that announce.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from octavia_anycast.model.autoscale import Autoscale, Reading, Sample
from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.planning.cluster.autoscale.decision import Scaling, decide
from octavia_anycast.planning.cluster.autoscale.load import (
    Carrier,
    Timing,
    take_reading,
)

START = datetime(2026, 11, 23, tzinfo=UTC)
TIMING = Timing(fresh=25.0, span=10.0, warm_up=10.0, gap=35.0)
STEP_SECONDS = 5
BOOT_SECONDS = 30
LEAVE_SECONDS = 12

Curve = Callable[[float], float]
Loss = Callable[[int, int], bool]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the size that is wanted; ``at`` in seconds."""

    at: float
    before: int
    after: int


@dataclass(slots=True)
class _Amphora:
    joins_at: float
    leaves_at: float | None = None
    samples: list[Sample] = field(default_factory=list)


@dataclass(slots=True)
class Simulation:
    """One cluster; ``run`` moves it on."""

    scaling: Scaling
    curve: Curve
    is_lost: Loss = lambda step, index: False
    seconds: float = 0.0
    amphorae: list[_Amphora] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    loads: list[tuple[float, int, float]] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.seconds + seconds
        while self.seconds < end:
            self._step()
            self.seconds += STEP_SECONDS

    @property
    def size(self) -> int:
        """What is wanted now."""
        return self.scaling.size.desired

    def _step(self) -> None:
        self._move()
        now = START + timedelta(seconds=self.seconds)
        serving = [a for a in self.amphorae if a.joins_at <= self.seconds]
        load = self.curve(self.seconds)
        self._measure(now, serving, load)
        self.loads.append((self.seconds, self.size, load))
        carriers = [
            Carrier(
                serving_since=START + timedelta(seconds=a.joins_at),
                samples=a.samples,
            )
            for a in serving
        ]
        self.readings.append(take_reading(carriers, now, TIMING))
        decision = decide(
            self.scaling, self.readings, now, gap_seconds=TIMING.gap
        )
        if decision.size != self.size:
            assert decision.reason
            self._scale(decision.size, now)

    def _move(self) -> None:
        """Boot what is missing, dismiss one too many at a time."""
        self.amphorae = [
            a
            for a in self.amphorae
            if a.leaves_at is None or a.leaves_at > self.seconds
        ]
        staying = [a for a in self.amphorae if a.leaves_at is None]
        for _ in range(self.size - len(staying)):
            boot = BOOT_SECONDS if self.seconds else 0
            self.amphorae.append(_Amphora(joins_at=self.seconds + boot))
        if len(staying) > self.size and len(staying) == len(self.amphorae):
            staying[-1].leaves_at = self.seconds + LEAVE_SECONDS

    def _measure(
        self, now: datetime, serving: list[_Amphora], load: float
    ) -> None:
        step = int(self.seconds // STEP_SECONDS)
        for index, amphora in enumerate(serving):
            if not self.is_lost(step, index):
                amphora.samples.append(
                    Sample(at=now, count=load / len(serving))
                )

    def _scale(self, wanted: int, now: datetime) -> None:
        self.changes.append(Change(self.seconds, self.size, wanted))
        self.scaling = replace(
            self.scaling,
            size=replace(self.scaling.size, desired=wanted),
            scaled_at=now,
        )


def simulate(
    settings: Autoscale,
    size: ClusterSize,
    curve: Curve,
    *,
    seconds: float,
    cooldown_seconds: float = 0.0,
    is_lost: Loss = lambda step, index: False,
) -> Simulation:
    """Run a cluster under a curve of load from the beginning."""
    simulation = Simulation(
        scaling=Scaling(
            settings=settings, size=size, cooldown_seconds=cooldown_seconds
        ),
        curve=curve,
        is_lost=is_lost,
    )
    simulation.run(seconds)
    return simulation
