# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The planner: ``plan(desired, observed, now)`` -> actions.

Layer: planning. Pure. Create, update, failover, scaling, replacement and
deletion are this one function; a converged cluster plans nothing.

Invariants (tests/unit/planning hold them as properties):

1. the last announcing amphora of a load balancer that stays is never told
   to withdraw or to leave, and never deleted;
2. only VIPs of the load balancer are ever announced;
3. announced only after the data path is ready, withdrawn before it goes;
4. a deleted load balancer leaves nothing;
5. a converged cluster plans nothing, and any fault followed by silence
   converges.
"""

import uuid
from datetime import datetime, timedelta

from octavia_anycast.model.actions import (
    Action,
    BootAmphora,
    DeleteAmphora,
    FailAmphora,
    PrepareLoadBalancer,
    RemoveLoadBalancer,
    SetAgentState,
    StartLeaving,
)
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ComputeState,
    DesiredCluster,
    ObservedCluster,
)
from octavia_anycast.model.distributor import Zone
from octavia_anycast.model.wire import Intent
from octavia_anycast.planning.agent_state import Configuration, agent_state
from octavia_anycast.planning.assessment import (
    Assessment,
    Cluster,
    Phase,
    is_announcing_any,
)
from octavia_anycast.planning.bring_up import bring_up
from octavia_anycast.planning.placement import leaving_order, place
from octavia_anycast.planning.rollout import is_in_force, keeping_speakers


def plan(
    desired: DesiredCluster, observed: ObservedCluster, now: datetime
) -> tuple[Action, ...]:
    """Decide what is to be done for one load balancer, now."""
    cluster = Cluster(desired, observed, now)
    if desired.is_deleted:
        return _take_down(cluster)
    actions: list[Action] = []
    if observed.prepared_revision != desired.revision:
        actions.append(
            PrepareLoadBalancer(
                load_balancer_id=desired.load_balancer_id,
                revision=desired.revision,
            )
        )
    for member in cluster.live:
        actions += bring_up(cluster, member)
    actions += _boot_missing(cluster, observed, now)
    actions += _dismiss_surplus(cluster)
    for member in cluster.of(Phase.LEAVING):
        actions += _see_off(cluster, member, now)
    for member in cluster.of(Phase.FAILED, Phase.SILENT, Phase.SICK):
        actions += _bury(cluster, member)
    return tuple(actions)


def _take_down(cluster: Cluster) -> tuple[Action, ...]:
    """Withdraw and delete every amphora, then what they shared."""
    actions: list[Action] = []
    for member in cluster.members:
        if is_announcing_any(cluster.desired, member.amphora):
            actions += _set_intent(cluster, member, Intent.WITHDRAW, "deleted")
        actions.append(_delete(member, "the load balancer is deleted"))
    if not actions:
        actions.append(
            RemoveLoadBalancer(
                load_balancer_id=cluster.desired.load_balancer_id
            )
        )
    return tuple(actions)


def _boot_missing(
    cluster: Cluster, observed: ObservedCluster, now: datetime
) -> tuple[Action, ...]:
    """Boot what is missing, and one more while a failover replaces."""
    desired = cluster.desired
    wanted = desired.size.desired + (1 if cluster.outdated() else 0)
    missing = wanted - len(cluster.live)
    if missing <= 0 or _backs_off(cluster, observed, now):
        return ()
    if _may_be_cut_off(cluster):
        # One new amphora tells a dead cluster from a dead management network.
        missing = min(missing, 1 - len(cluster.of(Phase.BOOTING)))
    return tuple(
        _boot(desired, zone, now, index)
        for index, zone in enumerate(place(cluster, missing))
    )


def _may_be_cut_off(cluster: Cluster) -> bool:
    """Whether every amphora that once answered fell silent together."""
    silent = cluster.of(Phase.SILENT)
    answering = [m for m in cluster.members if m.amphora.report is not None]
    return bool(silent) and not answering


def _backs_off(
    cluster: Cluster, observed: ObservedCluster, now: datetime
) -> bool:
    """Whether boots failed so lately that the next one has to wait."""
    if any(_fails_now(member) for member in cluster.of(Phase.FAILED)):
        return True
    failures = observed.recent_failures
    if not failures:
        return False
    policy = cluster.desired.policy
    doublings = min(len(failures) - 1, 16)
    wait = min(policy.backoff_base * 2**doublings, policy.backoff_max)
    return now < max(failures) + timedelta(seconds=wait)


def _fails_now(member: Assessment) -> bool:
    """Whether it failed before it ever served, and this is news."""
    record = member.amphora.record
    is_news = record.status not in (
        AmphoraStatus.ERROR,
        AmphoraStatus.PENDING_DELETE,
    )
    return is_news and not record.applied_revision


def _boot(
    desired: DesiredCluster, zone: Zone, now: datetime, index: int
) -> BootAmphora:
    amphora_id = str(
        uuid.uuid5(
            uuid.NAMESPACE_OID,
            f"{desired.load_balancer_id} {now.isoformat()} {index}",
        )
    )
    record = AmphoraRecord(
        id=amphora_id,
        load_balancer_id=desired.load_balancer_id,
        status=AmphoraStatus.BOOTING,
        status_since=now,
        availability_zone=zone.availability_zone,
    )
    return BootAmphora(
        amphora_id=amphora_id,
        load_balancer_id=desired.load_balancer_id,
        zone=zone,
        generation=desired.failover_generation,
        first_state=agent_state(
            desired,
            record,
            intent=Intent.WITHDRAW,
            configuration=Configuration(),
        ),
    )


def _dismiss_surplus(cluster: Cluster) -> tuple[Action, ...]:
    """Tell amphorae to leave that are one too many.

    One at a time: what an amphora's leaving does to the others is seen
    before the next one goes.
    """
    if cluster.of(Phase.LEAVING):
        return ()
    surplus = len(cluster.live) - cluster.desired.size.desired
    if surplus <= 0:
        return ()
    member = leaving_order(cluster)[0]
    outdated = cluster.outdated()
    if outdated and member not in outdated:
        return ()
    if member.phase is Phase.BOOTING:
        return (_delete(member, "one amphora too many"),)
    needed = cluster.desired.size.desired
    if cluster.is_guarded(member) or cluster.others_ready(member.id) < needed:
        return ()
    reason = "failover" if outdated else "one amphora too many"
    return (StartLeaving(amphora_id=member.id, reason=reason),)


def _see_off(
    cluster: Cluster, member: Assessment, now: datetime
) -> tuple[Action, ...]:
    """Drain, withdraw, linger, delete."""
    if cluster.is_guarded(member):
        return ()
    since = member.amphora.record.leaving_since
    assert since is not None
    policy = cluster.desired.policy
    left = (now - since).total_seconds()
    is_announced = is_announcing_any(cluster.desired, member.amphora)
    if left < policy.drain_timeout and is_announced:
        return _set_intent(cluster, member, Intent.DRAIN, "leaving")
    actions = _set_intent(cluster, member, Intent.WITHDRAW, "leaving")
    # Measured from the end of the drain; a withdrawal that came late shows
    # up as a path that is still there.
    if is_announced or left < policy.drain_timeout + policy.withdraw_linger:
        return actions
    return (*actions, _delete(member, member.reason))


def _bury(cluster: Cluster, member: Assessment) -> tuple[Action, ...]:
    """Give up an amphora that failed, when it can be missed.

    A server that is known to be gone, or that never served, goes at once.
    One that is only silent may still carry traffic: a replacement has to
    announce first.
    """
    record = member.amphora.record
    actions: list[Action] = []
    if _fails_now(member):
        actions.append(FailAmphora(amphora_id=record.id, reason=member.reason))
    if _can_be_missed(cluster, member):
        actions.append(_delete(member, member.reason))
    return tuple(actions)


def _can_be_missed(cluster: Cluster, member: Assessment) -> bool:
    is_gone = member.amphora.report is None and (
        member.amphora.compute_state in (ComputeState.GONE, ComputeState.ERROR)
    )
    if is_gone or not member.amphora.record.applied_revision:
        return True
    return not cluster.is_guarded(member) and cluster.is_replaced(member)


def _set_intent(
    cluster: Cluster, member: Assessment, intent: Intent, why: str
) -> tuple[Action, ...]:
    """Set one intent for all VIPs, if the agent has another one.

    One on its way out keeps the BGP speakers that it has.
    """
    report = member.amphora.report
    if report is None:
        return ()
    state = agent_state(
        cluster.desired,
        member.amphora.record,
        intent=intent,
        configuration=Configuration.of(report),
    )
    state = keeping_speakers(state, report)
    if is_in_force(state, report):
        return ()
    return (SetAgentState(amphora_id=member.id, state=state, why=why),)


def _delete(member: Assessment, reason: str) -> DeleteAmphora:
    return DeleteAmphora(amphora_id=member.id, reason=reason)
