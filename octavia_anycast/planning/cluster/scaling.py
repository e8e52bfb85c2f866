# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Scaling: how many amphorae boot now, and which one leaves.

Layer: planning. Pure. Creation, scaling out, the replacement of what is lost
and failover are all "some are missing"; scaling in and the end of a failover
are "one is too many". New before old, one at a time; old before new only
where the compute service has no room for one more and min_size holds.
"""

from dataclasses import dataclass

from octavia_anycast.model.cluster import ObservedCluster
from octavia_anycast.planning.amphora import backoff, replacement_limit
from octavia_anycast.planning.amphora.placement import leaving_order
from octavia_anycast.planning.cluster.assessment import (
    Assessment,
    Cluster,
    Phase,
    is_announcing_any,
)
from octavia_anycast.planning.cluster.spare import wanted_total


@dataclass(frozen=True, slots=True, kw_only=True)
class Boots:
    """How many boot now, and why not more, as a sentence or nothing.

    ``is_limited``: more would, were fewer under way in the cloud.
    """

    count: int = 0
    is_replacement: bool = False
    is_limited: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissal:
    """Who leaves, and why."""

    member: Assessment
    reason: str


NOT_MANAGED = "the cluster manager is off (enabled is false)"


def boots(cluster: Cluster, observed: ObservedCluster) -> Boots:
    """Say how many amphorae are to boot now."""
    missing = _wanted(cluster, observed) - len(cluster.live)
    if not cluster.desired.is_managed:
        return Boots(reason=NOT_MANAGED)
    if missing <= 0:
        return Boots(reason=_trial(cluster, observed))
    if backoff.has_news(cluster):
        return Boots(reason=f"{missing} to boot after a failure")
    failures = backoff.streak(cluster, observed)
    due = backoff.waits_until(cluster, observed)
    if due is not None:
        return Boots(
            reason=f"{missing} to boot, not before {due:%H:%M:%S} UTC: "
            f"{len(failures)} boots failed: {failures[-1].reason}"
        )
    booting = coming_up(cluster)
    count = missing
    reason = ""
    if failures:
        count = min(missing, max(0, 1 - booting))
        reason = f"one boot at a time after: {failures[-1].reason}"
    if may_be_cut_off(cluster):
        # One new amphora tells a dead cluster from a dead management network.
        count = min(count, max(0, 1 - booting))
        reason = "one boot at a time: no amphora answers"
    grown_by = cluster.desired.grown_by
    if grown_by:
        # What is lost beside that is replaced in the next look.
        return Boots(count=min(count, grown_by), reason=reason)
    if not replacement_limit.is_replacement(cluster):
        is_held = bool(failures) or count < missing
        return Boots(count=count, reason=reason if is_held else "")
    room = replacement_limit.room(cluster, observed)
    is_limited = room < count
    if is_limited:
        count, reason = room, replacement_limit.reason(cluster, missing - room)
    return Boots(
        count=count,
        is_replacement=True,
        is_limited=is_limited,
        reason=reason if failures or count < missing else "",
    )


def has_trouble(cluster: Cluster, observed: ObservedCluster) -> bool:
    """Whether boots failed, and what was to boot is not there yet.

    True through all of the tries, until one comes up or none is wanted.
    """
    if not cluster.desired.is_managed:
        return False
    is_unfinished = (
        coming_up(cluster) > 0
        or bool(cluster.outdated())
        or _wanted(cluster, observed) > len(cluster.live)
    )
    return is_unfinished and (
        backoff.has_news(cluster) or bool(backoff.streak(cluster, observed))
    )


def _trial(cluster: Cluster, observed: ObservedCluster) -> str:
    """What is being tried, where boots failed and another one is under way."""
    failures = backoff.streak(cluster, observed)
    if not failures or not coming_up(cluster):
        return ""
    return f"one boots again after: {failures[-1].reason}"


def dismissal(cluster: Cluster, observed: ObservedCluster) -> Dismissal | None:
    """Say who leaves now, if anybody.

    One at a time: what an amphora's leaving does to the others is seen
    before the next one goes.
    """
    if cluster.of(Phase.LEAVING) or not cluster.desired.is_managed:
        return None
    outdated = cluster.outdated()
    if len(cluster.live) <= wanted_total(cluster.desired):
        first = _gives_way(cluster, observed)
        if first is None:
            return None
        return Dismissal(
            member=first, reason="failover, without room for one more"
        )
    member = leaving_order(cluster)[0]
    if outdated and member not in outdated:
        return None
    reason = "failover" if outdated else "one amphora too many"
    # Those that are out of service by wish are missed anyway.
    needed = cluster.desired.size.desired - cluster.drained(member.id)
    is_free = member.phase is Phase.BOOTING or _can_leave(
        cluster, member, needed
    )
    return Dismissal(member=member, reason=reason) if is_free else None


def _wanted(cluster: Cluster, observed: ObservedCluster) -> int:
    """How many there are to be now: one more while a failover replaces.

    One that leaves has its server still: it is the one more. One more too,
    if all that live are out of service by wish: nobody would announce.
    """
    total = wanted_total(cluster.desired)
    if _are_all_drained(cluster):
        total = max(total, len(cluster.live) + 1)
    if not cluster.outdated():
        return total
    if backoff.has_no_room(observed):
        if cluster.of(Phase.LEAVING):
            return len(cluster.live)  # its place is free when it is gone
        if len(cluster.live) < total or _gives_way(cluster, observed):
            return total
    return total if cluster.of(Phase.LEAVING) else total + 1


def _are_all_drained(cluster: Cluster) -> bool:
    """Whether whoever lives was withdrawn by wish."""
    return (
        cluster.desired.should_announce
        and bool(cluster.live)
        and all(
            member.amphora.record.drained_at is not None
            for member in cluster.live
        )
    )


def _gives_way(
    cluster: Cluster, observed: ObservedCluster
) -> Assessment | None:
    """Who leaves before its successor boots: there is no room for both."""
    total = wanted_total(cluster.desired)
    if len(cluster.live) != total or not backoff.has_no_room(observed):
        return None
    size = cluster.desired.size
    # All the others serve: not even one that comes up is counted on.
    needed = max(size.minimum, min(size.desired, len(cluster.live) - 1))
    for member in leaving_order(cluster):
        if member not in cluster.outdated():
            return None
        if _can_leave(cluster, member, needed):
            return member
    return None


def _can_leave(cluster: Cluster, member: Assessment, needed: int) -> bool:
    """Whether so many others serve what it serves.

    VIP by VIP: a new amphora that is ready but that the fabric does not hear
    takes nobody's place.
    """
    if cluster.is_guarded(member) or cluster.others_ready(member.id) < needed:
        return False
    if not cluster.desired.should_announce:
        return True
    report = member.amphora.report
    if report is None and member.amphora.record.was_configured:
        # It may serve all the same: nobody knows.
        return cluster.is_replaced(member)
    if report is None or not is_announcing_any(
        cluster.desired, member.amphora
    ):
        return True
    return all(
        cluster.others_announcing(member.id, vip.ip_address) >= needed
        for vip in cluster.desired.vips
        if report.is_announcing(vip.ip_address)
    )


def may_be_cut_off(cluster: Cluster) -> bool:
    """Whether no agent of those that once answered does any more."""
    lost = cluster.of(Phase.SILENT, Phase.MUTE)
    answering = [
        m
        for m in cluster.members
        if m.amphora.report is not None and not m.amphora.is_agent_mute
    ]
    return bool(lost) and not answering


def coming_up(cluster: Cluster) -> int:
    """How many boot, or run and hold no configuration yet."""
    return len(cluster.of(Phase.BOOTING)) + sum(
        1
        for member in cluster.of(Phase.SERVING)
        if not member.amphora.record.was_configured
    )
