# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Draining: when an amphora drains, when it has, and when it may not.

Layer: planning. Pure. One path for an amphora that an operator takes out of
service and for one that leaves (failover, scale in): announced with
GRACEFUL_SHUTDOWN (RFC 8326) until nothing is left or the deadline, then
withdrawn. Its data path stays whole all the time: what still arrives is
served (ADR 0078).

:func:`wish` and :func:`obstacle` are for those who ask: what is planned
depends on what is seen at that moment.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from octavia_anycast.model.actions import FinishConnections
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    Desired,
    DrainLimits,
    DrainMark,
    drain_of,
)
from octavia_anycast.model.registration import AmphoraRegistration
from octavia_anycast.model.wire import (
    DesiredState,
    Intent,
    PathState,
    Report,
    RescueState,
)
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Group,
    holds_revision,
    is_announcing_any,
)

# Of what has no connections that a longer drain would keep.
SHORT_DRAIN_SECONDS = 5.0
# Without a packet of a UDP or SCTP listener for so long, nothing goes on. The
# ends of an SCTP association say that they live each 30 seconds and a bit (RFC
# 9260, HB.interval).
LVS_QUIET_SECONDS = 10.0
ASSOCIATION_QUIET_SECONDS = 35.0


def wish(
    asked_of: AmphoraRecord | AmphoraRegistration,
    timeout: float | None,
    limits: DrainLimits,
    now: datetime,
) -> dict[str, datetime]:
    """Name -> value of the fields that ask for a drain; idempotent.

    :param timeout: seconds from when it begins, or, of the paths of a
        registration, from when it was first asked for; None: as it was, or the
        limits' ``drain_timeout``; of the paths of a registration, whose
        amphora stays where it is, five seconds. A distributor's own, through
        which nobody's connections go, has no more than these.
    """
    since = asked_of.drain_wanted_since or now
    deadline = asked_of.drain_deadline
    if timeout is not None or deadline is None:
        seconds = timeout
        if seconds is None:
            seconds = limits.drain_timeout
            if isinstance(asked_of, AmphoraRegistration):
                seconds = min(seconds, SHORT_DRAIN_SECONDS)
        if asked_of.load_balancer_id is None:
            seconds = min(seconds, SHORT_DRAIN_SECONDS)
        deadline = since + timedelta(seconds=seconds)
    return {"drain_wanted_since": since, "drain_deadline": deadline}


def obstacle(
    amphora_id: str,
    announced: Mapping[str, frozenset[IPAddress]],
    minimum: int,
) -> str:
    """Why an amphora cannot be drained (invariant 1); empty if it can.

    :param announced: amphora_id -> the VIPs that it announces, of this
        amphora and of those that stay in service beside it
    :param minimum: the cluster's min_size
    """
    least = max(1, minimum)
    others = [vips for i, vips in announced.items() if i != amphora_id]
    if not others:
        return "it is the only one of its cluster in service"
    for vip in sorted(announced.get(amphora_id, ()), key=str):
        count = sum(1 for vips in others if vip in vips)
        if not count:
            return f"it is the last one that announces {vip}"
        if count < least:
            return (
                f"only {count} others announce {vip}, and min_size is {least}"
            )
    if len(others) < least:
        return (
            f"only {len(others)} others would be in service, and min_size "
            f"is {least}"
        )
    return ""


def intent_by_wish(group: Group, member: Assessment) -> Intent:
    """What one in service does with its VIPs: ADVERTISE, if nobody asked.

    One that cannot be missed goes on as it is (invariant 1). Once withdrawn
    it stays so: whoever took it out of service had a reason.
    """
    record = member.amphora.record
    if record.drain_wanted_since is None:
        return Intent.ADVERTISE
    if record.drained_at is not None:
        return Intent.WITHDRAW
    if not _can_be_missed(group, member):
        has_begun = record.draining_since is not None
        return Intent.DRAIN if has_begun else Intent.ADVERTISE
    return Intent.WITHDRAW if is_over(group, member) else Intent.DRAIN


def drained_since(
    group: Group, member: Assessment, since: datetime | None, seconds: float
) -> Intent:
    """WITHDRAW; before that DRAIN for some seconds, if it announces.

    :param since: when its reason to withdraw was recorded; None: not yet
    """
    if not is_announcing_any(group.desired, member.amphora):
        return Intent.WITHDRAW
    if since is None or group.now < since + timedelta(seconds=seconds):
        return Intent.DRAIN
    return Intent.WITHDRAW


def is_over(group: Group, member: Assessment) -> bool:
    """Whether it has drained, or has nothing to: it may withdraw."""
    record, report = member.amphora.record, member.amphora.report
    if record.drained_at is not None or report is None:
        return True
    if not is_announcing_any(group.desired, member.amphora):
        return True
    if record.leaving_since is None and record.draining_since is None:
        return False  # its time begins when it begins
    drain = drain_of(record, _seconds(group, report))
    if drain is None or group.now >= drain.deadline:
        return True
    return (
        _has_converged(group, record, report)
        and connections_left(report) == 0
        and is_quiet(group.desired, report)
    )


def finishing(
    group: Group, member: Assessment
) -> tuple[FinishConnections, ...]:
    """Have HAProxy finish, as soon as the fabric sends it nothing new.

    Only where the others hand on the packets of its connections: elsewhere
    they are broken already, and nothing would be ended tidily.
    """
    record, report = member.amphora.record, member.amphora.report
    if record.finishing_since is not None or report is None:
        return ()
    if not report.listeners:
        return ()  # HAProxy does not run
    if not is_rescued(report) or not _has_converged(group, record, report):
        return ()
    return (FinishConnections(amphora_id=member.id),)


def is_rescued(report: Report) -> bool:
    """Whether other amphorae hand packets of its connections to it."""
    rescue = report.flow_rescue
    return rescue is not None and rescue.state is RescueState.ON


def is_gone(group: Group, member: Assessment) -> bool:
    """Whether the fabric has forgotten one that leaves: it may be deleted.

    Measured from its withdrawal; without an answer from when that had to be.
    One with an old configuration that announces although it was told to
    withdraw, whose disk is full for instance, is not waited for, and one of a
    distributor's own not for long.
    """
    record, desired = member.amphora.record, group.desired
    since = record.drained_at
    if since is None:
        drain = drain_of(record, _seconds(group, member.amphora.report))
        if drain is None:
            return False
        since = drain.deadline
    waited = (group.now - since).total_seconds()
    wait: float = desired.policy.withdraw_linger
    if record.stale_since is None and is_announcing_any(
        desired, member.amphora
    ):
        wait += desired.withdraw_patience
    return waited >= wait


def _seconds(group: Group, report: Report | None) -> float:
    """How long one drains that leaves.

    Plain ECMP forgets established connections at once, so without flow
    rescue nothing is kept by waiting.
    """
    seconds: float = group.desired.drain_seconds
    if report is not None and is_rescued(report):
        return seconds
    return min(seconds, SHORT_DRAIN_SECONDS)


def is_quiet(desired: Desired, report: Report) -> bool:
    """Whether nothing goes on at its UDP and SCTP listeners.

    UDP has no connections that could be counted, and those of SCTP that the
    fabric has sent elsewhere are counted for a quarter of an hour. So what
    tells is that no packet comes and goes. What is not known is not quiet.
    """
    if not desired.lvs_listener_ids:
        return True
    lvs = report.lvs
    if lvs is None:
        return False
    if lvs.lack:
        return True  # it never served them
    if lvs.quiet_seconds is None:
        return False
    least = (
        ASSOCIATION_QUIET_SECONDS if lvs.associations else LVS_QUIET_SECONDS
    )
    return lvs.quiet_seconds >= least


def connections_left(report: Report) -> int | None:
    """How many established TCP connections; None: that is not known."""
    counts = [report.connections.get(str(vip)) for vip in report.announced()]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def mark(
    record: AmphoraRecord, state: DesiredState, intent: Intent | None = None
) -> DrainMark | None:
    """What telling this state is in a drain, if that is to be recorded.

    :param intent: that of a distributor's own; its document does not have
        what it withdraws, and paths of others may drain in it
    """
    if record.drain_wanted_since is None and record.leaving_since is None:
        return None
    intents = {vip.intent for vip in state.vips}
    if state.is_distributor and intent is not None:
        intents = {intent}
    if Intent.DRAIN in intents:
        return DrainMark.BEGUN if record.draining_since is None else None
    if intents == {Intent.WITHDRAW}:
        return DrainMark.ENDED if record.drained_at is None else None
    return None


def is_settled(desired: Desired, member: Assessment) -> bool:
    """Whether one out of service is as it is to stay."""
    return member.amphora.record.drained_at is not None and holds_revision(
        desired, member.amphora
    )


def _can_be_missed(group: Group, member: Assessment) -> bool:
    """Whether enough others go on; also before it announces anything.

    One that wants a stand-in waits until as many serve as are wanted.
    """
    if not group.desired.should_announce:
        return True
    least = max(1, group.desired.minimum)
    if member.amphora.record.stand_in_wanted:
        least = max(least, group.desired.wanted)
    is_served = group.others_ready(member.id) >= least
    return is_served and not group.is_guarded(member)


def _has_converged(
    group: Group, record: AmphoraRecord, report: Report
) -> bool:
    """Whether the fabric knows of the drain, and had time to act on it."""
    if record.draining_since is None:
        return False
    if any(path.state is PathState.ADVERTISED for path in report.paths):
        return False
    linger = timedelta(seconds=group.desired.policy.withdraw_linger)
    return group.now >= record.draining_since + linger
