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
   converges;
6. an amphora begins to announce only when every member of its cluster knows
   it (flow rescue);
7. no amphora announces with an older configuration than min_size others for
   longer than ``dead_after``.
"""

from dataclasses import replace
from datetime import datetime

from octavia_anycast.model.actions import (
    Action,
    BootAmphora,
    DeleteAmphora,
    PrepareLoadBalancer,
    RemoveLoadBalancer,
    SetAgentState,
    StartLeaving,
)
from octavia_anycast.model.cluster import (
    ComputeState,
    DesiredCluster,
    ObservedCluster,
)
from octavia_anycast.model.distributor import Zone
from octavia_anycast.model.wire import Intent
from octavia_anycast.planning.amphora import draining, life
from octavia_anycast.planning.amphora.agent_state import (
    Configuration,
    agent_state,
)
from octavia_anycast.planning.amphora.bring_up import bring_up
from octavia_anycast.planning.amphora.placement import place
from octavia_anycast.planning.cluster import autoscale
from octavia_anycast.planning.cluster.assessment import (
    Assessment,
    Cluster,
    Phase,
    is_announcing_any,
    is_up_to_date,
)
from octavia_anycast.planning.cluster.refusal import follow_up
from octavia_anycast.planning.cluster.rescue import wanted_rescue
from octavia_anycast.planning.cluster.rollout import (
    is_in_force,
    keeping_speakers,
)
from octavia_anycast.planning.cluster.scaling import boots, dismissal


def plan(
    desired: DesiredCluster, observed: ObservedCluster, now: datetime
) -> tuple[Action, ...]:
    """Decide what is to be done for one load balancer, now."""
    cluster = Cluster(desired, observed, now)
    if desired.is_deleted:
        return _take_down(cluster, observed)
    scaling = autoscale.scaling_of(cluster, observed)
    if scaling is None:
        return _converge(cluster, observed)
    grown = autoscale.scaled(desired, scaling, now)
    return scaling, *_converge(Cluster(grown, observed, now), observed)


def _converge(
    cluster: Cluster, observed: ObservedCluster
) -> tuple[Action, ...]:
    desired = cluster.desired
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
    actions += follow_up(cluster)
    actions += _boot_missing(cluster, observed)
    actions += _dismiss_surplus(cluster, observed)
    for member in cluster.of(Phase.LEAVING):
        actions += _drain_and_delete(cluster, member)
    for member in cluster.of(Phase.FAILED, Phase.SILENT, Phase.SICK):
        actions += _replace_failed(cluster, member)
    for member in cluster.of(Phase.MUTE, Phase.STALE):
        # Until then it is tried again: one that was mute may answer.
        actions += _put_aside(cluster, member) or bring_up(cluster, member)
    return tuple(actions)


def _take_down(
    cluster: Cluster, observed: ObservedCluster
) -> tuple[Action, ...]:
    """Withdraw and delete every amphora, then what they shared.

    One that is told to withdraw in vain is deleted as it announces.
    """
    actions: list[Action] = []
    dead_after = cluster.desired.policy.dead_after
    for member in cluster.members:
        is_deaf = any(
            failure.action == SetAgentState.__name__
            and failure.amphora_id == member.id
            and (
                failure.is_refused
                or (cluster.now - failure.since).total_seconds() > dead_after
            )
            for failure in observed.failures
        )
        if not is_deaf and is_announcing_any(cluster.desired, member.amphora):
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
    cluster: Cluster, observed: ObservedCluster
) -> tuple[Action, ...]:
    """Boot what is missing, as far as it may boot now."""
    wanted = boots(cluster, observed)
    return tuple(
        replace(
            _boot(cluster.desired, zone, cluster.now, index),
            is_replacement=wanted.is_replacement,
        )
        for index, zone in enumerate(place(cluster, wanted.count))
    )


def _boot(
    desired: DesiredCluster, zone: Zone, now: datetime, index: int
) -> BootAmphora:
    owner_id = desired.load_balancer_id
    record = life.new_record(owner_id, owner_id, zone, now, index)
    return BootAmphora(
        amphora_id=record.id,
        load_balancer_id=owner_id,
        zone=zone,
        generation=desired.failover_generation,
        first_state=agent_state(
            desired,
            record,
            intent=Intent.WITHDRAW,
            configuration=Configuration(),
        ),
    )


def _dismiss_surplus(
    cluster: Cluster, observed: ObservedCluster
) -> tuple[Action, ...]:
    """Tell the one that is too many to leave; one that boots just goes."""
    found = dismissal(cluster, observed)
    if found is None:
        return ()
    return (life.dismiss(found.member, found.reason),)


def _drain_and_delete(
    cluster: Cluster, member: Assessment
) -> tuple[Action, ...]:
    """Drain, withdraw, linger, delete."""
    if cluster.is_guarded(member):
        return ()
    # What serves an old configuration does not drain: it stops.
    is_stale = member.amphora.record.stale_since is not None
    if not is_stale and not draining.is_over(cluster, member):
        return _set_intent(cluster, member, Intent.DRAIN, "leaving")
    actions = _set_intent(cluster, member, Intent.WITHDRAW, "leaving")
    if not draining.is_gone(cluster, member):
        return actions
    return (*actions, _delete(member, member.reason))


def _replace_failed(
    cluster: Cluster, member: Assessment
) -> tuple[Action, ...]:
    """Give up an amphora that failed, when it can be missed.

    A server that is known to be gone, or that never served, goes at once.
    One that is only silent may still carry traffic: a replacement has to
    announce first.
    """
    actions: list[Action] = [*life.failure(member)]
    if _can_be_missed(cluster, member):
        actions.append(_delete(member, member.reason))
    return tuple(actions)


def _put_aside(cluster: Cluster, member: Assessment) -> tuple[Action, ...]:
    """Replace one that lives and cannot be configured.

    One with an old configuration is withdrawn through its speakerd, whoever
    manages the cluster; if that does not answer either, its server goes: it
    must not announce for longer (invariant 7). One with the current
    configuration serves until others are as many as are wanted.
    """
    desired = cluster.desired
    if cluster.is_guarded(member) or not cluster.is_replaced(member):
        return ()
    is_current = is_up_to_date(desired, member.amphora)
    if is_current and cluster.others_ready(member.id) < desired.size.desired:
        return ()
    if member.amphora.report is None:
        is_managed = desired.is_managed
        return (_delete(member, member.reason),) if is_managed else ()
    actions: tuple[Action, ...] = ()
    if not is_current:
        actions = _set_intent(cluster, member, Intent.WITHDRAW, "fenced")
    if not desired.is_managed:
        return actions
    return (
        *actions,
        StartLeaving(amphora_id=member.id, reason=member.reason),
    )


def _can_be_missed(cluster: Cluster, member: Assessment) -> bool:
    """Whether nothing is lost with it.

    Where the manager is off, one that may come back is left alone.
    """
    is_gone = member.amphora.report is None and (
        member.amphora.compute_state in (ComputeState.GONE, ComputeState.ERROR)
    )
    if is_gone or not member.amphora.record.was_configured:
        return True
    if not cluster.desired.is_managed and member.phase is not Phase.FAILED:
        return False
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
        flow_rescue=wanted_rescue(cluster, member),
    )
    state = keeping_speakers(state, report)
    drain = draining.mark(member.amphora.record, state)
    if is_in_force(state, report) and drain is None:
        return ()
    return (
        SetAgentState(amphora_id=member.id, state=state, why=why, drain=drain),
    )


def _delete(member: Assessment, reason: str) -> DeleteAmphora:
    return DeleteAmphora(amphora_id=member.id, reason=reason)
