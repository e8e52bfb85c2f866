# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling: measures each observed cluster and changes its wanted size.

Layer: controller. It reads what heartbeats brought to whichever controller,
and the CPU times in the agents' reports. What it has read it keeps in
memory: after a restart, or when another controller takes over, a cluster is
not made smaller before it was looked at for long enough again.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from oslo_log import log as logging

from octavia_anycast.controller.cluster.observe import Observation
from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphora_statistics
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.autoscale import (
    Autoscale,
    LoadCount,
    Metric,
    Reading,
    Sample,
)
from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.options import Settings
from octavia_anycast.planning.cluster.assessment import (
    Assessment,
    Cluster,
    Phase,
    is_announcing,
)
from octavia_anycast.planning.cluster.autoscale import (
    Decision,
    Scaling,
    decide,
)
from octavia_anycast.planning.cluster.load import Carrier, Timing, take_reading

LOG = logging.getLogger(__name__)
_PERCENT = 100


@dataclass(slots=True)
class _History:
    """What was measured of one cluster; of amphorae since they announced."""

    metric: Metric
    serving_since: dict[str, datetime] = field(default_factory=dict)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)


class Autoscaler:
    """Looks at clusters; the caller holds the lock of each."""

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

    def scale(self, observation: Observation) -> Observation:
        """Measure, and change the size if need be; with the new size."""
        desired = observation.desired
        if (
            desired.autoscale is None
            or desired.is_deleted
            or not desired.is_managed
            or not desired.should_announce
        ):
            self.forget(desired.load_balancer_id)
            return observation
        decision = self._decide(desired.autoscale, observation)
        if not decision.reason or not self._store(observation, decision):
            return observation
        size = replace(desired.size, desired=decision.size)
        LOG.info(
            "Load balancer %s is %s.",
            desired.load_balancer_id,
            decision.reason,
        )
        return replace(
            observation,
            desired=replace(
                desired,
                size=size,
                scaled_at=observation.now,
                is_autoscaled=True,
                grown_by=max(0, size.desired - desired.size.desired),
            ),
        )

    def _history(self, load_balancer_id: str, metric: Metric) -> _History:
        with self._lock:
            found = self._histories.get(load_balancer_id)
            if found is None or found.metric is not metric:
                found = self._histories[load_balancer_id] = _History(metric)
            return found

    def _decide(
        self, settings: Autoscale, observation: Observation
    ) -> Decision:
        desired, now = observation.desired, observation.now
        history = self._history(desired.load_balancer_id, settings.metric)
        stay = Decision(size=desired.size.desired)
        if history.readings and now - history.readings[-1].at < self._spacing:
            return stay
        cluster = Cluster(desired, observation.observed, now)
        carriers = self._measure(history, cluster, now)
        history.readings.append(take_reading(carriers, now, self._timing))
        _prune(history, now, settings.scale_in_delay + self._timing.gap)
        return decide(
            Scaling(
                settings=settings,
                size=desired.size,
                cooldown_seconds=desired.cooldown_seconds,
                scaled_at=desired.scaled_at,
                out_of_service=len(_drained(cluster)),
            ),
            history.readings,
            now,
            gap_seconds=self._timing.gap,
        )

    def _measure(
        self, history: _History, cluster: Cluster, now: datetime
    ) -> list[Carrier]:
        """Take a sample of each amphora that may carry traffic."""
        members = _carrying(cluster)
        serving = {m.id for m in members if _is_serving(cluster, m)}
        history.serving_since = {
            i: history.serving_since.get(i, now) for i in sorted(serving)
        }
        known = {m.id for m in members}
        history.samples = {
            i: taken for i, taken in history.samples.items() if i in known
        }
        for amphora_id, sample in self._samples(
            history.metric, cluster, members, now
        ).items():
            if amphora_id in serving or amphora_id in history.samples:
                taken = history.samples.setdefault(amphora_id, [])
                if not taken or sample.at > taken[-1].at:
                    taken.append(sample)
        return [
            Carrier(
                serving_since=history.serving_since.get(m.id),
                samples=history.samples.get(m.id, ()),
            )
            for m in members
        ]

    def _samples(
        self,
        metric: Metric,
        cluster: Cluster,
        members: Iterable[Assessment],
        now: datetime,
    ) -> dict[str, Sample]:
        if metric is Metric.CPU:
            return _of_processors(members, now)
        desired = cluster.desired
        listener_ids = {s.listener_id for s in desired.listeners}
        with self._world.database.transaction() as session:
            counts = amphora_statistics.loads(
                session,
                sorted(m.id for m in members),
                sorted(listener_ids.union(desired.lvs_listener_ids)),
            )
        return {i: _sample(metric, count) for i, count in counts.items()}

    def _store(self, observation: Observation, decision: Decision) -> bool:
        """Write the size, unless its user has changed anything meanwhile."""
        seen = observation.cluster
        with self._world.database.transaction() as session:
            stored = clusters.lock(session, seen.load_balancer_id)
            if stored is None or (
                stored.size,
                stored.autoscale,
                stored.is_enabled,
            ) != (seen.size, seen.autoscale, seen.is_enabled):
                return False
            clusters.update(
                session,
                seen.load_balancer_id,
                size=ClusterSize(
                    desired=decision.size,
                    minimum=stored.size.minimum,
                    maximum=stored.size.maximum,
                ),
                scaled_at=observation.now,
                scaling_reason=decision.reason[:255],
            )
        return True


def timing_of(settings: Settings) -> Timing:
    """How old measurements may be, from how often there are new ones."""
    beat = float(settings.heartbeat_interval)
    return Timing(
        fresh=3 * beat + 1,
        span=4 * beat,
        warm_up=3 * beat,
        gap=3 * (settings.resync_interval + beat),
    )


def _carrying(cluster: Cluster) -> list[Assessment]:
    """Amphorae that may carry traffic: configured, and not known as gone."""
    return [
        m
        for m in cluster.members
        if m.phase not in (Phase.BOOTING, Phase.FAILED)
        and m.amphora.record.was_configured
        and m.amphora.record.spare_since is None
    ]


def _drained(cluster: Cluster) -> list[Assessment]:
    """Those that their user took out of service."""
    return [
        m
        for m in cluster.live
        if m.amphora.record.drain_wanted_since is not None
    ]


def _is_serving(cluster: Cluster, member: Assessment) -> bool:
    return (
        member.phase is Phase.SERVING
        and member.amphora.record.drain_wanted_since is None
        and is_announcing(cluster.desired, member.amphora)
    )


def _sample(metric: Metric, count: LoadCount) -> Sample:
    seconds = count.counted_at.timestamp()
    if metric is Metric.SESSION_RATE:
        return Sample(
            at=count.counted_at, count=count.connection_count, over=seconds
        )
    if metric is Metric.BYTES:
        return Sample(
            at=count.counted_at, count=count.byte_count, over=seconds
        )
    return Sample(at=count.counted_at, count=count.connections)


def _of_processors(
    members: Iterable[Assessment], now: datetime
) -> dict[str, Sample]:
    """Percent of CPU time, of those whose agents answered just now."""
    samples: dict[str, Sample] = {}
    for member in members:
        report = member.amphora.report
        if report is not None and report.cpu is not None:
            samples[member.id] = Sample(
                at=now,
                count=_PERCENT * report.cpu.busy_seconds,
                over=report.cpu.total_seconds,
            )
    return samples


def _prune(history: _History, now: datetime, keep_seconds: float) -> None:
    """Forget what no decision looks at any more, but for one before."""
    limit = now - timedelta(seconds=keep_seconds)
    _drop_before(history.readings, limit)
    for taken in history.samples.values():
        _drop_before(taken, now - timedelta(seconds=300))


def _drop_before(items: list[Sample] | list[Reading], limit: datetime) -> None:
    old = sum(1 for item in items if item.at < limit)
    del items[: max(0, old - 1)]
