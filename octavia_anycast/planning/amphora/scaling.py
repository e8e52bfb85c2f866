# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Scaling: how many amphorae boot now, and which one leaves.

Layer: planning. Pure. Creation, scaling out, the replacement of what is lost
and failover are all "some are missing"; scaling in and the end of a failover
are "one is too many". New before old, one at a time; old before new only
where the compute service has no room for one more and min_size holds.

Replacements are limited in the whole cloud. When a rack goes, hundreds of
clusters miss amphorae at once; they share a bounded number of boots, and the
compute, network and image services stay usable for everybody else. Who is
next is decided in :mod:`claims`. What users ask for, a new load balancer or a
larger one, is not held up, nor what autoscaling adds.
"""

from dataclasses import dataclass
from datetime import timedelta

from octavia_anycast.planning.amphora import backoff, claims
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Group,
    Phase,
    is_announcing_any,
)
from octavia_anycast.planning.amphora.placement import leaving_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Boots:
    """How many boot now, and why not more, as a sentence or nothing.

    ``held``: so many more would, were fewer under way in the cloud.
    """

    count: int = 0
    is_replacement: bool = False
    held: int = 0
    reason: str = ""

    @property
    def is_limited(self) -> bool:
        """Whether some wait for replacements of others."""
        return self.held > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissal:
    """Who leaves, and why."""

    member: Assessment
    reason: str


NOT_MANAGED = "the cluster manager is off (enabled is false)"


def boots(group: Group) -> Boots:
    """Say how many amphorae are to boot now."""
    missing = _wanted(group) - len(group.live)
    if not group.desired.is_managed:
        return Boots(reason=NOT_MANAGED)
    if missing <= 0:
        return Boots(reason=_trial(group))
    if backoff.has_news(group):
        return Boots(reason=f"{missing} to boot after a failure")
    failures = backoff.streak(group)
    due = backoff.waits_until(group)
    if due is not None:
        return Boots(
            reason=f"{missing} to boot, not before {due:%H:%M:%S} UTC: "
            f"{len(failures)} boots failed: {failures[-1].reason}"
        )
    booting = coming_up(group)
    count = missing
    reason = ""
    if failures:
        count = min(missing, max(0, 1 - booting))
        reason = f"one boot at a time after: {failures[-1].reason}"
    if may_be_cut_off(group):
        # One new amphora tells a dead cluster from a dead management network.
        count = min(count, max(0, 1 - booting))
        reason = "one boot at a time: no amphora answers"
    grown_by = group.desired.grown_by
    if grown_by:
        # What is lost beside that is replaced in the next look.
        return Boots(count=min(count, grown_by), reason=reason)
    if not _is_replacement(group):
        is_held = bool(failures) or count < missing
        return Boots(count=count, reason=reason if is_held else "")
    room = _room(group)
    held = max(0, count - room)
    if held:
        count, reason = room, _limit_reason(group, missing - room)
    return Boots(
        count=count,
        is_replacement=True,
        held=held,
        reason=reason if failures or count < missing else "",
    )


def _is_replacement(group: Group) -> bool:
    """Whether what boots now takes the place of something.

    It does not while the load balancer is created, nor shortly after its
    user changed its size. Autoscaling changes many sizes and often: of these
    only what is added at once is free, :attr:`DesiredCluster.grown_by`.
    """
    desired = group.desired
    if desired.is_new:
        return False
    if desired.is_autoscaled:
        return True
    window = timedelta(seconds=desired.policy.boot_timeout)
    return desired.scaled_at is None or group.now - desired.scaled_at >= window


def _room(group: Group) -> int:
    limit = group.desired.policy.replacement_limit
    taken = group.observed.replacements_under_way + claims.ahead(group)
    return max(0, limit - taken)


def _limit_reason(group: Group, waiting: int) -> str:
    limit = group.desired.policy.replacement_limit
    if group.observed.replacements_under_way < limit:
        return (
            f"{waiting} to boot, held by the replacement limit: clusters that "
            "lost more, or wait longer, boot theirs first"
        )
    return (
        f"{waiting} to boot, held by the replacement limit: {limit} "
        "replacements are under way in the cloud"
    )


def has_trouble(group: Group) -> bool:
    """Whether boots failed, and what was to boot is not there yet.

    True through all of the tries, until one comes up or none is wanted.
    """
    if not group.desired.is_managed:
        return False
    is_unfinished = (
        coming_up(group) > 0
        or bool(group.outdated())
        or _wanted(group) > len(group.live)
    )
    return is_unfinished and (
        backoff.has_news(group) or bool(backoff.streak(group))
    )


def _trial(group: Group) -> str:
    """What is being tried, where boots failed and another one is under way."""
    failures = backoff.streak(group)
    if not failures or not coming_up(group):
        return ""
    return f"one boots again after: {failures[-1].reason}"


def dismissal(group: Group) -> Dismissal | None:
    """Say who leaves now, if anybody.

    One at a time: what an amphora's leaving does to the others is seen
    before the next one goes.
    """
    if group.of(Phase.LEAVING) or not group.desired.is_managed:
        return None
    outdated = group.outdated()
    if len(group.live) <= group.total:
        first = _gives_way(group)
        if first is None:
            return None
        return Dismissal(
            member=first, reason="failover, without room for one more"
        )
    member = leaving_order(group)[0]
    if outdated and member not in outdated:
        return None
    reason = "failover" if outdated else "one amphora too many"
    # Those that are out of service by wish are missed anyway.
    needed = group.desired.wanted - group.drained(member.id)
    is_free = member.phase is Phase.BOOTING or _can_leave(
        group, member, needed
    )
    return Dismissal(member=member, reason=reason) if is_free else None


def _wanted(group: Group) -> int:
    """How many there are to be now: one more while a failover replaces.

    One that leaves has its server still: it is the one more. One more too,
    if all that live are out of service by wish: nobody would announce.
    """
    total = group.total
    if _are_all_drained(group):
        total = max(total, len(group.live) + 1)
    if not group.outdated():
        return total
    if backoff.has_no_room(group.observed):
        if group.of(Phase.LEAVING):
            return len(group.live)  # its place is free when it is gone
        if len(group.live) < total or _gives_way(group):
            return total
    return total if group.of(Phase.LEAVING) else total + 1


def _are_all_drained(group: Group) -> bool:
    return (
        group.desired.should_announce
        and bool(group.live)
        and all(
            member.amphora.record.drained_at is not None
            for member in group.live
        )
    )


def _gives_way(group: Group) -> Assessment | None:
    """Who leaves before its successor boots: there is no room for both."""
    total = group.total
    if len(group.live) != total or not backoff.has_no_room(group.observed):
        return None
    # All the others serve: not even one that comes up is counted on.
    needed = max(
        group.desired.minimum, min(group.desired.wanted, len(group.live) - 1)
    )
    for member in leaving_order(group):
        if member not in group.outdated():
            return None
        if _can_leave(group, member, needed):
            return member
    return None


def _can_leave(group: Group, member: Assessment, needed: int) -> bool:
    """Whether so many others serve what it serves.

    VIP by VIP: a new amphora that is ready but that the fabric does not hear
    takes nobody's place.
    """
    if group.is_guarded(member) or group.others_ready(member.id) < needed:
        return False
    if not group.desired.should_announce:
        return True
    report = member.amphora.report
    if report is None and member.amphora.record.was_configured:
        # It may serve all the same: nobody knows.
        return group.is_replaced(member)
    if report is None or not is_announcing_any(group.desired, member.amphora):
        return True
    return all(
        group.others_announcing(member.id, path) >= needed
        for path in group.announced(member.amphora)
    )


def may_be_cut_off(group: Group) -> bool:
    """Whether no agent of those that once answered does any more."""
    lost = group.of(Phase.SILENT, Phase.MUTE)
    answering = [
        m
        for m in group.members
        if m.amphora.report is not None and not m.amphora.is_agent_mute
    ]
    return bool(lost) and not answering


def coming_up(group: Group) -> int:
    """How many boot, or run and hold no configuration yet."""
    return len(group.of(Phase.BOOTING)) + sum(
        1
        for member in group.of(Phase.SERVING)
        if not member.amphora.record.was_configured
    )
