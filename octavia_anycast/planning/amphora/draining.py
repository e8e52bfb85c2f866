# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Draining: when an amphora drains, when it has, and when it may not.

Layer: planning. Pure. One path for an amphora that an operator takes out of
service and for one that leaves (failover, scale in): announced with
GRACEFUL_SHUTDOWN (RFC 8326) until nothing is left or the deadline, then
withdrawn. Its data path stays whole all the time: what still arrives is
served (ADR 0078).
"""

from datetime import timedelta

from octavia_anycast.model.cluster import (
    AmphoraRecord,
    DesiredCluster,
    DrainMark,
    drain_of,
)
from octavia_anycast.model.wire import DesiredState, Intent, PathState, Report
from octavia_anycast.planning.cluster.assessment import (
    Assessment,
    Cluster,
    Phase,
    holds_revision,
    is_announcing_any,
)


def intent_by_wish(cluster: Cluster, member: Assessment) -> Intent:
    """What one in service does with its VIPs: ADVERTISE, if not drained.

    One that cannot be missed goes on as it is (invariant 1). Once withdrawn
    it stays so: whoever took it out of service had a reason.
    """
    record = member.amphora.record
    if member.phase is not Phase.DRAINED:
        return Intent.ADVERTISE
    if record.drained_at is not None:
        return Intent.WITHDRAW
    if not _can_be_missed(cluster, member):
        has_begun = record.draining_since is not None
        return Intent.DRAIN if has_begun else Intent.ADVERTISE
    return Intent.WITHDRAW if is_over(cluster, member) else Intent.DRAIN


def is_over(cluster: Cluster, member: Assessment) -> bool:
    """Whether it has drained, or has nothing to: it may withdraw."""
    record, report = member.amphora.record, member.amphora.report
    policy = cluster.desired.policy
    if record.drained_at is not None or report is None:
        return True
    if not is_announcing_any(cluster.desired, member.amphora):
        return True
    drain = drain_of(record, policy.drain_timeout)
    if drain is None or cluster.now >= drain.deadline:
        return True
    return _has_converged(cluster, record, report) and (
        connections_left(cluster.desired, report) == 0
    )


def is_gone(cluster: Cluster, member: Assessment) -> bool:
    """Whether the fabric has forgotten one that leaves: it may be deleted.

    Measured from its withdrawal; without an answer from when that had to be.
    One with an old configuration that announces although it was told to
    withdraw, whose disk is full for instance, is not waited for.
    """
    record, policy = member.amphora.record, cluster.desired.policy
    if record.stale_since is None and is_announcing_any(
        cluster.desired, member.amphora
    ):
        return False
    since = record.drained_at
    if since is None:
        drain = drain_of(record, policy.drain_timeout)
        if drain is None:
            return False
        since = drain.deadline
    linger = timedelta(seconds=policy.withdraw_linger)
    return cluster.now >= since + linger


def connections_left(desired: DesiredCluster, report: Report) -> int | None:
    """How many established connections it has; None: that is not known.

    UDP and SCTP have none that could be counted.
    """
    if desired.lvs_listener_ids:
        return None
    counts = [report.connections.get(str(vip)) for vip in report.announced()]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def mark(record: AmphoraRecord, state: DesiredState) -> DrainMark | None:
    """What telling this state is in a drain, if that is to be recorded."""
    if record.drain_wanted_since is None and record.leaving_since is None:
        return None
    intents = {vip.intent for vip in state.vips}
    if Intent.DRAIN in intents:
        return DrainMark.BEGUN if record.draining_since is None else None
    if intents == {Intent.WITHDRAW}:
        return DrainMark.ENDED if record.drained_at is None else None
    return None


def is_settled(desired: DesiredCluster, member: Assessment) -> bool:
    """Whether one out of service is as it is to stay."""
    return member.amphora.record.drained_at is not None and holds_revision(
        desired, member.amphora
    )


def _can_be_missed(cluster: Cluster, member: Assessment) -> bool:
    """Whether enough others go on; also before it announces anything."""
    if not cluster.desired.should_announce:
        return True
    least = max(1, cluster.desired.size.minimum)
    is_served = cluster.others_ready(member.id) >= least
    return is_served and not cluster.is_guarded(member)


def _has_converged(
    cluster: Cluster, record: AmphoraRecord, report: Report
) -> bool:
    """Whether the fabric knows of the drain, and had time to act on it."""
    if record.draining_since is None:
        return False
    if any(path.state is PathState.ADVERTISED for path in report.paths):
        return False
    linger = timedelta(seconds=cluster.desired.policy.withdraw_linger)
    return cluster.now >= record.draining_since + linger
