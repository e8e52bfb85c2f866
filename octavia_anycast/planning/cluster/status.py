# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Statuses of a load balancer, from its cluster.

Layer: planning. Pure. Octavia's names; the thresholds are design.md's: all
announce is ONLINE, at least min_size is DEGRADED, fewer ERROR, none OFFLINE.
And DEGRADED if all announce, but boots fail: of a spare, or in a failover.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from octavia_anycast.model.cluster import (
    AmphoraStatus,
    DesiredCluster,
    ObservedAmphora,
    ObservedCluster,
)
from octavia_anycast.planning.amphora import backoff, draining, failures
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Cluster,
    Phase,
    holds_partially,
    holds_revision,
    is_announcing,
    is_announcing_any,
    is_configured,
    is_new_to_announcing,
    is_ready,
    stopped_since,
)
from octavia_anycast.planning.amphora.failures import Patience
from octavia_anycast.planning.amphora.rollout import is_rolled_out
from octavia_anycast.planning.amphora.scaling import (
    boots,
    coming_up,
    has_trouble,
)
from octavia_anycast.planning.cluster.lvs import is_at_rest, is_settling
from octavia_anycast.planning.cluster.refusal import complaint
from octavia_anycast.planning.cluster.spare import ready_spares, standing_by

# They serve what they hold, whatever else is wrong with them.
_HOLDERS = (Phase.SERVING, Phase.SICK, Phase.MUTE)
# Characters; the compute service's words may be many more.
REMARK_LENGTH = 240
DISABLED = "the load balancer is disabled"
# Seconds. So long a change is PENDING_* for a secret that cannot be read;
# then its owner can change other things, and only the listener is.
UNREAD_PATIENCE = 30.0


class OperatingStatus(StrEnum):
    """Octavia's operating statuses, as far as a cluster has them."""

    ONLINE = "ONLINE"
    DEGRADED = "DEGRADED"
    ERROR = "ERROR"
    OFFLINE = "OFFLINE"


class ProvisioningVerdict(StrEnum):
    """What becomes of a load balancer in PENDING_*, or in ERROR."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    DELETED = "DELETED"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingVerdict:
    """An operating status and the sentence that explains it."""

    status: OperatingStatus
    reason: str


def operating_verdict(
    desired: DesiredCluster,
    observed: ObservedCluster,
    now: datetime,
    *,
    was_online: bool = False,
) -> OperatingVerdict:
    """Say how the cluster serves, and why.

    :param was_online: a change is under way, and before it the status was
        not OFFLINE: it is not while the first listener comes
    """
    cluster = Cluster(desired, observed, now)
    if desired.should_announce:
        test, verb = is_announcing, "announcing"
    else:
        test, verb = is_configured, "ready, nothing to announce"
    count = _count(cluster, test)
    reason = f"{count} of {desired.size.desired} amphorae {verb}"
    if not count and was_online:
        count = _count(cluster, is_new_to_announcing)
    return OperatingVerdict(
        status=_status_of(count, cluster, observed),
        reason="; ".join(
            shortened(remark)
            for remark in (
                *(() if desired.is_enabled else (DISABLED,)),
                reason,
                *_remarks(cluster, observed),
                *failures.remarks(observed.failures),
                *_complaints(cluster),
            )
        ),
    )


def worse_of(cluster: OperatingStatus, below: str) -> OperatingStatus:
    """The load balancer's status: how it serves, and what with.

    :param below: what its pools and listeners leave of it
    """
    statuses = list(OperatingStatus)  # from the best to the worst
    return max(cluster, OperatingStatus(below), key=statuses.index)


def _count(
    cluster: Cluster, test: Callable[[DesiredCluster, ObservedAmphora], bool]
) -> int:
    return sum(
        1
        for member in cluster.members
        if member.phase is not Phase.FAILED
        and test(cluster.desired, member.amphora)
    )


def _status_of(
    count: int, cluster: Cluster, observed: ObservedCluster
) -> OperatingStatus:
    size = cluster.desired.size
    if not cluster.desired.is_enabled:
        return OperatingStatus.OFFLINE
    if count >= size.desired:
        # Of a spare or a failover that does not boot nobody would hear.
        has_failed = has_trouble(cluster) or any(
            failure.is_refused for failure in observed.failures
        )
        return (
            OperatingStatus.DEGRADED if has_failed else OperatingStatus.ONLINE
        )
    if count >= size.minimum:
        return OperatingStatus.DEGRADED
    return OperatingStatus.ERROR if count else OperatingStatus.OFFLINE


def shortened(remark: str) -> str:
    """One remark, such that another service's words leave room for others."""
    if len(remark) <= REMARK_LENGTH:
        return remark
    return remark[: REMARK_LENGTH - 3] + "..."


def _remarks(cluster: Cluster, observed: ObservedCluster) -> list[str]:
    """What is left out, how far a failover and the spares are, and boots."""
    wanted = cluster.desired.spare_count
    remarks = list(cluster.desired.refusals)
    outdated = len(cluster.outdated())
    if outdated:
        remarks.append(f"failover: {outdated} to be replaced")
    if wanted:
        ready = min(ready_spares(cluster), wanted)
        remarks.append(f"{ready} of {wanted} spares ready")
    waits = boots(cluster).reason
    return [*remarks, waits] if waits else remarks


def _complaints(cluster: Cluster) -> list[str]:
    found = (
        (
            member.id,
            member.reason
            or complaint(cluster, member)
            or _mute(cluster.desired, member)
            or member.amphora.heartbeat_trouble,
        )
        for member in cluster.members
        if member.phase is not Phase.LEAVING
    )
    return [f"{id_}: {reason}" for id_, reason in found if reason]


def _mute(desired: DesiredCluster, member: Assessment) -> str:
    """That one which was configured does not answer, or refuses its peers."""
    amphora = member.amphora
    if amphora.report is not None and amphora.report.refusal:
        return f"keeps its BGP peers: {amphora.report.refusal}"
    if amphora.record.applied_at is None:
        return ""
    if amphora.report is not None and not amphora.is_agent_mute:
        return ""
    words = ["its agent does not answer"]
    if amphora.report is not None:
        words.append("its speakerd does")
    if not holds_revision(desired, amphora):
        words.append("it has an old configuration")
    return ", ".join(words)


def provisioning_verdict(
    desired: DesiredCluster,
    observed: ObservedCluster,
    now: datetime,
    *,
    pending_since: datetime,
    patience: Patience,
) -> ProvisioningVerdict:
    """Say whether the change is done, as far as the cluster goes.

    An amphora that cannot be reached does not keep a change from being done
    as long as min_size others hold it. Neither does a secret that cannot be
    read, for longer than UNREAD_PATIENCE. A failover may take as long as it
    goes on. What is refused ends in ERROR after ``refused_after``, what
    fails otherwise, or does not end, after ``error_after``; servers that
    boot for the first time have ``boot_timeout`` in addition.
    """
    waited = (now - pending_since).total_seconds()
    cluster = Cluster(desired, observed, now)
    is_hopeless = waited >= patience.refused_after and (
        failures.is_refused(observed.failures, now, patience)
        or failures.are_boots_hopeless(cluster)
        or failures.is_kept_from_booting(cluster)
    )
    limit = patience.error_after + failures.boot_seconds(cluster)
    is_over = is_hopeless or waited > limit
    if desired.is_deleted:
        # The rows go when RemoveLoadBalancer was carried out, by its doer.
        return _pending(is_over=is_over)
    holders = _holders(cluster, is_patience_over=waited > UNREAD_PATIENCE)
    if len(holders) < desired.minimum or not _is_prepared(desired, observed):
        return _pending(is_over=is_over)
    if desired.is_managed and cluster.failing_over():
        return _failover_verdict(
            cluster, observed, pending_since, patience, is_hopeless=is_hopeless
        )
    if is_settling(cluster):
        return _pending(is_over=is_over)
    announcing = sum(1 for m in holders if is_announcing(desired, m.amphora))
    if not desired.should_announce or announcing >= desired.minimum:
        return ProvisioningVerdict.ACTIVE
    if any(f.is_refused and not f.is_aside for f in observed.failures):
        return _pending(is_over=is_over)
    moments = [m.amphora.record.applied_at for m in holders]
    since = min((at for at in moments if at), default=pending_since)
    if (now - since).total_seconds() >= patience.announce_wait:
        return ProvisioningVerdict.ACTIVE
    return ProvisioningVerdict.PENDING


def _holders(cluster: Cluster, *, is_patience_over: bool) -> list[Assessment]:
    """Those that have what is wanted; in part, if no longer is waited."""
    return [
        m
        for m in cluster.members
        if (m.phase in _HOLDERS or _is_to_drain(m))
        and m.amphora.record.status is AmphoraStatus.ALLOCATED
        and (
            holds_revision(cluster.desired, m.amphora)
            or (
                is_patience_over
                and holds_partially(cluster.desired, m.amphora)
            )
        )
    ]


def _is_prepared(desired: DesiredCluster, observed: ObservedCluster) -> bool:
    is_known = all(
        f.is_aside or f.action != failures.OBSERVE for f in observed.failures
    )
    return is_known and observed.prepared_revision == desired.revision


def _pending(*, is_over: bool) -> ProvisioningVerdict:
    if is_over:
        return ProvisioningVerdict.ERROR
    return ProvisioningVerdict.PENDING


def unread_listeners(
    desired: DesiredCluster, observed: ObservedCluster
) -> frozenset[str]:
    """The listeners that are as they were, for secrets that are not read."""
    return frozenset(
        listener_id
        for amphora in observed.amphorae
        if holds_partially(desired, amphora)
        for listener_id in amphora.record.unread_listener_ids
    )


def _failover_verdict(
    cluster: Cluster,
    observed: ObservedCluster,
    pending_since: datetime,
    patience: Patience,
    *,
    is_hopeless: bool,
) -> ProvisioningVerdict:
    """Say what becomes of a failover while min_size amphorae serve.

    It is done when the old amphorae are gone. It is never late as a whole:
    one amphora after the other may take long. It is when a step, a boot and a
    drain, does. Neither waiting for the replacement limit is a failure, nor
    an old amphora that was replaced and cannot be deleted; the load balancer
    need not be locked for them.
    """
    if is_hopeless:
        return ProvisioningVerdict.ERROR
    policy = cluster.desired.policy
    since = _last_step(cluster, pending_since)
    waited = (cluster.now - since).total_seconds()
    limit = patience.error_after + policy.drain_timeout
    if coming_up(cluster) and not backoff.streak(cluster):
        limit += policy.boot_timeout
    if waited <= limit:
        return ProvisioningVerdict.PENDING
    if boots(cluster).is_limited or not cluster.outdated():
        return ProvisioningVerdict.ACTIVE
    return ProvisioningVerdict.ERROR


def _last_step(cluster: Cluster, pending_since: datetime) -> datetime:
    """When the last new amphora was configured, or the last old one left.

    A boot does not count: it may be one of many that fail. Nor does one that
    was configured again and does not run with it.
    """
    amphorae = [member.amphora for member in cluster.members]
    wanted = cluster.desired.failover_generation
    moments = [
        amphora.record.applied_at
        for amphora in amphorae
        if amphora.record.generation >= wanted
        and stopped_since(amphora) is None
    ]
    moments += [amphora.record.leaving_since for amphora in amphorae]
    return max([pending_since, *(moment for moment in moments if moment)])


def _is_to_drain(member: Assessment) -> bool:
    record = member.amphora.record
    return member.phase is Phase.DRAINED and record.drained_at is None


def _is_settled(
    desired: DesiredCluster, member: Assessment, *, stands_by: bool
) -> bool:
    if member.phase is Phase.DRAINED:
        return draining.is_settled(desired, member)
    is_loud = is_announcing(desired, member.amphora)
    return is_ready(desired, member.amphora) and (
        is_loud or stands_by or not desired.should_announce
    )


def is_settled(
    desired: DesiredCluster, observed: ObservedCluster, now: datetime
) -> bool:
    """Whether nothing is under way: the next look may take its time."""
    if desired.is_deleted:
        return False
    cluster = Cluster(desired, observed, now)
    spares = standing_by(cluster)
    return (
        len(cluster.live) == len(cluster.members) == cluster.total
        and not cluster.outdated()
        and not any(m.amphora.record.agent_update_wanted for m in cluster.live)
        and is_rolled_out(cluster)
        and all(
            is_at_rest(cluster, m)
            or _is_settled(desired, m, stands_by=m.id in spares)
            for m in cluster.live
        )
        and not any(
            is_announcing_any(desired, m.amphora)
            for m in cluster.live
            if m.id in spares
        )
    )
