# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The load of autoscaled clusters: measured with each look, and remembered.

Layer: controller. It reads what heartbeats brought to whichever controller,
and the CPU times in the agents' reports. Readings are kept in memory: after
a restart, or when another controller takes over, a cluster is not made
smaller before it was measured for long enough again.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphora_statistics
from octavia_anycast.model.autoscale import (
    MeasuredLoad,
    Metric,
    Reading,
    Sample,
)
from octavia_anycast.model.cluster import DesiredCluster, ObservedCluster
from octavia_anycast.options import Settings
from octavia_anycast.planning.amphora.assessment import Assessment, Cluster
from octavia_anycast.planning.cluster.autoscale.decision import is_scalable
from octavia_anycast.planning.cluster.autoscale.load import (
    Carrier,
    Timing,
    carrying,
    cpu_samples,
    is_serving,
    sample_of,
    take_reading,
)

_SAMPLES_KEPT = timedelta(seconds=300)


@dataclass(slots=True)
class _History:
    """What was measured of one cluster; of amphorae since they announced."""

    metric: Metric
    serving_since: dict[str, datetime] = field(default_factory=dict)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)


class LoadMeter:
    """Measures clusters; the caller holds the lock of each."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._timing = timing_of(world.settings)
        self._spacing = timedelta(
            seconds=world.settings.heartbeat_interval / 2
        )
        self._histories: dict[str, _History] = {}
        self._lock = threading.Lock()

    def forget(self, load_balancer_id: str) -> None:
        """Forget a load balancer that is gone or not autoscaled."""
        with self._lock:
            self._histories.pop(load_balancer_id, None)

    def measure(
        self, desired: DesiredCluster, observed: ObservedCluster, now: datetime
    ) -> MeasuredLoad | None:
        """Take a reading, if it is time for one; None: not autoscaled."""
        settings = desired.autoscale
        if settings is None or not is_scalable(desired):
            self.forget(desired.load_balancer_id)
            return None
        history = self._history(desired.load_balancer_id, settings.metric)
        readings = history.readings
        if not readings or now - readings[-1].at >= self._spacing:
            carriers = self._carriers(history, Cluster(desired, observed, now))
            readings.append(take_reading(carriers, now, self._timing))
            keep = settings.scale_in_delay + self._timing.gap
            _drop_before(readings, now - timedelta(seconds=keep))
        return MeasuredLoad(
            readings=tuple(readings), gap_seconds=self._timing.gap
        )

    def _history(self, load_balancer_id: str, metric: Metric) -> _History:
        with self._lock:
            found = self._histories.get(load_balancer_id)
            if found is None or found.metric is not metric:
                found = self._histories[load_balancer_id] = _History(metric)
            return found

    def _carriers(self, history: _History, cluster: Cluster) -> list[Carrier]:
        members = carrying(cluster)
        serving = {m.id for m in members if is_serving(cluster, m)}
        history.serving_since = {
            i: history.serving_since.get(i, cluster.now)
            for i in sorted(serving)
        }
        new = self._samples(history.metric, cluster, members)
        carriers = []
        samples = {}
        for member in members:
            taken = history.samples.get(member.id)
            if taken is None and member.id in serving:
                taken = []
            if taken is not None:
                _add(taken, new.get(member.id))
                _drop_before(taken, cluster.now - _SAMPLES_KEPT)
                samples[member.id] = taken
            carriers.append(
                Carrier(
                    serving_since=history.serving_since.get(member.id),
                    samples=taken or (),
                )
            )
        history.samples = samples
        return carriers

    def _samples(
        self, metric: Metric, cluster: Cluster, members: list[Assessment]
    ) -> dict[str, Sample]:
        if metric is Metric.CPU:
            return cpu_samples(members, cluster.now)
        desired = cluster.desired
        listener_ids = {s.listener_id for s in desired.listeners}
        with self._world.database.transaction() as session:
            counts = amphora_statistics.loads(
                session,
                sorted(m.id for m in members),
                sorted(listener_ids.union(desired.lvs_listener_ids)),
            )
        return {i: sample_of(metric, count) for i, count in counts.items()}


def timing_of(settings: Settings) -> Timing:
    """How old measurements may be, from how often there are new ones."""
    beat = float(settings.heartbeat_interval)
    return Timing(
        fresh=3 * beat + 1,
        span=4 * beat,
        warm_up=3 * beat,
        gap=3 * (settings.resync_interval + beat),
    )


def _add(taken: list[Sample], sample: Sample | None) -> None:
    if sample is not None and (not taken or sample.at > taken[-1].at):
        taken.append(sample)


def _drop_before(items: list[Sample] | list[Reading], limit: datetime) -> None:
    """Drop old ones but the last of them: it is what a window begins with."""
    old = sum(1 for item in items if item.at < limit)
    del items[: max(0, old - 1)]
