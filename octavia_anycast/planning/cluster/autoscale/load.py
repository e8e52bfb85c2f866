# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A cluster's load, from what was measured of its amphorae.

What grows, such as the number of connections ever opened, is looked at as
its growth over time, or over CPU time.

Layer: planning. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from octavia_anycast.model.autoscale import LoadCount, Metric, Reading, Sample
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Cluster,
    Phase,
    is_announcing,
)

_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How old a measurement may be; seconds.

    :param fresh: a sample says nothing afterwards
    :param span: what is counted is looked at over at least that long
    :param warm_up: an amphora that announces for less has just joined
    :param gap: between two samples or two readings; with a longer one
        nobody knows what was in between
    """

    fresh: float
    span: float
    warm_up: float
    gap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """An amphora that may carry traffic.

    :param serving_since: when it was first seen to announce; None: it does
        not
    :param samples: oldest first
    """

    serving_since: datetime | None
    samples: Sequence[Sample] = ()


def carrying(cluster: Cluster) -> list[Assessment]:
    """Amphorae that may carry traffic: configured, and not known as gone."""
    return [
        m
        for m in cluster.members
        if m.phase not in (Phase.BOOTING, Phase.FAILED)
        and m.amphora.record.was_configured
        and m.amphora.record.spare_since is None
    ]


def is_serving(cluster: Cluster, member: Assessment) -> bool:
    """Whether it announces, and is to go on."""
    return (
        member.phase is Phase.SERVING
        and member.amphora.record.drain_wanted_since is None
        and is_announcing(cluster.desired, member.amphora)
    )


def sample_of(metric: Metric, count: LoadCount) -> Sample:
    """Take a sample of what an amphora counted for its listeners."""
    seconds = count.counted_at.timestamp()
    if metric is Metric.CONNECTIONS:
        return Sample(at=count.counted_at, count=count.connections)
    grown = (
        count.connection_count
        if metric is Metric.SESSION_RATE
        else count.byte_count
    )
    return Sample(at=count.counted_at, count=grown, over=seconds)


def cpu_samples(
    members: Iterable[Assessment], now: datetime
) -> dict[str, Sample]:
    """amphora_id -> percent of CPU time, of those that answered just now."""
    return {
        member.id: Sample(
            at=now,
            count=_PERCENT * report.cpu.busy_seconds,
            over=report.cpu.total_seconds,
        )
        for member in members
        if (report := member.amphora.report) and report.cpu
    }


def take_reading(
    carriers: Iterable[Carrier], now: datetime, timing: Timing
) -> Reading:
    """Add up what the amphorae of a cluster carry.

    One that has just joined does not count, for it has not got its share
    yet; nor one whose samples are missing or stale. Without either the sum
    is a lower bound and says so.
    """
    total, serving, is_complete = 0.0, 0, True
    for carrier in carriers:
        serving += carrier.serving_since is not None
        load = None
        if not _has_just_joined(carrier, now, timing):
            load = load_of(carrier.samples, now, timing)
        if load is None:
            is_complete = False
        else:
            total += load
    return Reading(
        at=now, load=total, serving=serving, is_complete=is_complete
    )


def load_of(
    samples: Sequence[Sample], now: datetime, timing: Timing
) -> float | None:
    """What one amphora carries, in the unit of its samples; None: unknown."""
    if not samples:
        return None
    last = samples[-1]
    if (now - last.at).total_seconds() > timing.fresh:
        return None
    if last.over is None:
        return last.count
    first = _first(samples, timing)
    if first is None or first.over is None or last.over <= first.over:
        return None
    if last.count < first.count:
        return None  # it began anew
    return (last.count - first.count) / (last.over - first.over)


def _first(samples: Sequence[Sample], timing: Timing) -> Sample | None:
    """The latest sample that is far enough from the last one.

    Across a gap nobody knows what was counted and lost.
    """
    later = samples[-1]
    for sample in reversed(samples[:-1]):
        if (later.at - sample.at).total_seconds() > timing.gap:
            return None
        if (samples[-1].at - sample.at).total_seconds() >= timing.span:
            return sample
        later = sample
    return None


def _has_just_joined(carrier: Carrier, now: datetime, timing: Timing) -> bool:
    since = carrier.serving_since
    return since is not None and (now - since).total_seconds() < timing.warm_up
