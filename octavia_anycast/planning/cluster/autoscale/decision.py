# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling: how many amphorae a cluster is to have under its load.

Layer: planning. Pure. The load is the whole cluster's, so its size does not
change it; what is compared is the load over an amphora.

It grows at once, to as many as the target asks for, when there is more than
the target and the tolerance. It shrinks by one, when one fewer would have
been below the target by the tolerance, all the time for ``scale_in_delay``.
Between the two nothing happens, and they never overlap: what made it grow
forbids to shrink and the other way round. Nothing happens either while it
cools down, or is on its way from one size to another.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from octavia_anycast.model.actions import ScaleCluster
from octavia_anycast.model.autoscale import Autoscale, Reading
from octavia_anycast.model.cluster import (
    ClusterSize,
    DesiredCluster,
    ObservedCluster,
)
from octavia_anycast.planning.amphora.assessment import Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A cluster's size and what its change is bound to.

    :param scaled_at: when its size last changed, by whomever
    :param out_of_service: amphorae that count as its own and are to carry
        nothing, such as drained ones
    """

    settings: Autoscale
    size: ClusterSize
    cooldown_seconds: float = 0.0
    scaled_at: datetime | None = None
    out_of_service: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The size that a cluster is to have, and why; no reason: as it is."""

    size: int
    reason: str = ""


def is_scalable(desired: DesiredCluster) -> bool:
    """Whether the load decides on the cluster's size."""
    return (
        desired.autoscale is not None
        and desired.is_managed
        and desired.should_announce
    )


def scaling_of(
    cluster: Cluster, observed: ObservedCluster
) -> ScaleCluster | None:
    """Say which size the cluster is to have; None: the one that it has."""
    desired = cluster.desired
    load, settings = observed.load, desired.autoscale
    if load is None or settings is None or not is_scalable(desired):
        return None
    decision = decide(
        Scaling(
            settings=settings,
            size=desired.size,
            cooldown_seconds=desired.cooldown_seconds,
            scaled_at=desired.scaled_at,
            out_of_service=sum(
                member.amphora.record.drain_wanted_since is not None
                for member in cluster.live
            ),
        ),
        load.readings,
        cluster.now,
        gap_seconds=load.gap_seconds,
    )
    if not decision.reason:
        return None
    return ScaleCluster(
        load_balancer_id=desired.load_balancer_id,
        size=decision.size,
        reason=decision.reason,
    )


def scaled(
    desired: DesiredCluster, action: ScaleCluster, now: datetime
) -> DesiredCluster:
    """What is wanted when the cluster has its new size."""
    return replace(
        desired,
        size=replace(desired.size, desired=action.size),
        scaled_at=now,
        is_autoscaled=True,
        grown_by=max(0, action.size - desired.size.desired),
    )


def decide(
    scaling: Scaling,
    readings: Sequence[Reading],
    now: datetime,
    *,
    gap_seconds: float,
) -> Decision:
    """Say how large a cluster is to be.

    :param readings: of the cluster's load, oldest first
    :param gap_seconds: older than that, or with a longer pause between
        them, readings say nothing
    """
    stay = Decision(size=scaling.size.desired)
    if not readings or _is_cooling(scaling, readings[-1], now):
        return stay
    last = readings[-1]
    if (now - last.at).total_seconds() > gap_seconds:
        return stay
    working = scaling.size.desired - scaling.out_of_service
    if last.serving < working:
        return stay  # on its way, or it cannot get what it wants
    if last.load > _most(scaling.settings, working):
        return _grown(scaling, last.load)
    if last.serving > working or scaling.size.desired <= scaling.size.minimum:
        return stay
    since = now - timedelta(seconds=scaling.settings.scale_in_delay)
    window = _window(readings, since, gap_seconds)
    if not window or working <= 1:
        return stay
    most = max(reading.load for reading in window)
    least = _least(scaling.settings, working - 1)
    if not all(r.is_complete for r in window) or most > least:
        return stay
    return _shrunk(scaling, most)


def _is_cooling(scaling: Scaling, last: Reading, now: datetime) -> bool:
    if scaling.scaled_at is None:
        return False
    if last.at <= scaling.scaled_at:
        return True  # it is of another size
    waited = (now - scaling.scaled_at).total_seconds()
    return waited < scaling.cooldown_seconds


def _most(settings: Autoscale, count: int) -> float:
    """What so many amphorae may carry before they are too few."""
    return count * settings.target * (1 + settings.tolerance)


def _least(settings: Autoscale, count: int) -> float:
    """What so many amphorae may carry to be seen as enough."""
    return count * settings.target * (1 - settings.tolerance)


def _window(
    readings: Sequence[Reading], since: datetime, gap_seconds: float
) -> Sequence[Reading]:
    """All readings from ``since`` on and the one before; () with gaps."""
    window = [readings[-1]]
    for reading in reversed(readings[:-1]):
        if window[-1].at <= since:
            break
        if (window[-1].at - reading.at).total_seconds() > gap_seconds:
            return ()
        window.append(reading)
    return window if window[-1].at <= since else ()


def _grown(scaling: Scaling, load: float) -> Decision:
    now_wanted = scaling.size.desired
    target = scaling.settings.target
    wanted = min(
        math.ceil(load / target) + scaling.out_of_service, scaling.size.maximum
    )
    if wanted <= now_wanted:
        return Decision(size=now_wanted)
    return Decision(
        size=wanted,
        reason=f"scaled out from {now_wanted} to {wanted}: "
        f"{_said(scaling.settings, load)}",
    )


def _shrunk(scaling: Scaling, load: float) -> Decision:
    wanted = scaling.size.desired - 1
    return Decision(
        size=wanted,
        reason=f"scaled in from {wanted + 1} to {wanted}: at most "
        f"{_said(scaling.settings, load)} for "
        f"{scaling.settings.scale_in_delay} s",
    )


def _said(settings: Autoscale, load: float) -> str:
    return (
        f"{settings.metric} {load:.0f} in all, the target is "
        f"{settings.target} for each"
    )
