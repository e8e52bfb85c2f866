# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The planner: ``plan(desired, observed, now)`` -> actions.

Layer: planning. Pure. Create, update, failover, scaling, replacement and
deletion are this one function; a converged cluster plans nothing. The life of
its amphorae is that of all (:mod:`octavia_anycast.planning.amphora.life`);
here is what they do for a load balancer.

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

from datetime import datetime, timedelta
from functools import partial

from octavia_anycast.model.actions import (
    Action,
    ConfigureHaproxy,
    PlugFrontend,
    PlugMemberNetworks,
    PrepareLoadBalancer,
    RemoveLoadBalancer,
    SetAgentState,
    SetRole,
)
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    DesiredCluster,
    ObservedCluster,
)
from octavia_anycast.model.wire import (
    DesiredState,
    FlowRescue,
    Intent,
    Report,
    TenantMetrics,
)
from octavia_anycast.planning.amphora.agent_state import (
    Configuration,
    agent_state,
)
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Cluster,
    Phase,
    holds_revision,
    is_announcing_any,
    stopped_since,
)
from octavia_anycast.planning.amphora.draining import (
    drained_since,
    finishing,
    intent_by_wish,
    mark,
)
from octavia_anycast.planning.amphora.life import Life, Work
from octavia_anycast.planning.amphora.placement import candidate_zones
from octavia_anycast.planning.amphora.rollout import (
    is_in_force,
    starts_transition,
    with_allowed_speakers,
)
from octavia_anycast.planning.cluster.autoscale import decision
from octavia_anycast.planning.cluster.lvs import (
    has_healed,
    leave_out,
    left_out,
    left_to_others,
    servable,
    stands_back,
)
from octavia_anycast.planning.cluster.peer_groups import wanted_peers
from octavia_anycast.planning.cluster.refusal import (
    follow_up,
    may_be_given,
    serves_the_rest,
)
from octavia_anycast.planning.cluster.rescue import may_begin, wanted_rescue
from octavia_anycast.planning.cluster.spare import intent_of, standing_by
from octavia_anycast.planning.cluster.tenant_metrics import wanted_metrics


def plan(
    desired: DesiredCluster, observed: ObservedCluster, now: datetime
) -> tuple[Action, ...]:
    """Decide what is to be done for one load balancer, now."""
    cluster = Cluster(desired, observed, now)
    if desired.is_deleted:
        return _life(cluster).plan() or (
            RemoveLoadBalancer(load_balancer_id=desired.load_balancer_id),
        )
    scaling = decision.scaling_of(cluster, observed)
    if scaling is None:
        return _converge(cluster)
    grown = decision.scaled(desired, scaling, now)
    return scaling, *_converge(Cluster(grown, observed, now))


def _converge(cluster: Cluster) -> tuple[Action, ...]:
    actions, desired = _life(cluster).plan(), cluster.desired
    if cluster.observed.prepared_revision != desired.revision:
        prepare = PrepareLoadBalancer(
            load_balancer_id=desired.load_balancer_id,
            revision=desired.revision,
        )
        actions = (prepare, *actions)
    return (*actions, *follow_up(cluster), *leave_out(cluster))


def _life(cluster: Cluster) -> Life:
    desired = cluster.desired
    work = Work(
        noun="load balancer",
        zones=candidate_zones(desired),
        first_state=partial(_first_state, desired),
        state=partial(_kept_state, cluster),
        next_steps=partial(_next_steps, cluster),
    )
    return Life(cluster, work)


def _first_state(
    desired: DesiredCluster, record: AmphoraRecord
) -> DesiredState:
    return agent_state(
        desired, record, intent=Intent.WITHDRAW, configuration=Configuration()
    )


def _kept_state(
    cluster: Cluster,
    record: AmphoraRecord,
    report: Report,
    intent: Intent,
) -> DesiredState:
    return agent_state(
        cluster.desired,
        record,
        intent=intent,
        configuration=Configuration.of(report),
        flow_rescue=wanted_rescue(cluster, record, report),
        tenant_metrics=wanted_metrics(cluster, record, report),
    )


def _next_steps(cluster: Cluster, member: Assessment) -> tuple[Action, ...]:
    """The next steps of one that answers (design, section 5).

    Front end plugged, member networks, HAProxy configuration, VIP on the
    loopback, health gate, announcement.
    """
    amphora, record = member.amphora, member.amphora.record
    assert amphora.report is not None
    if record.frontend is None and not amphora.is_agent_mute:
        return (_plug_frontend(cluster.desired, record),)
    steps: list[Action] = [*_role(cluster, member)]
    state = with_allowed_speakers(
        cluster, member, _interim_state(cluster, member, amphora.report)
    )
    if not is_in_force(state, amphora.report) or mark(record, state):
        steps.append(_set(cluster, member, state, "prepare"))
    if amphora.is_agent_mute:
        return tuple(steps)  # its speakerd takes no more than a state
    if not amphora.report.frontend_is_up and not record.was_configured:
        return tuple(steps)  # members' networks come after the front end
    wanted = cluster.desired.member_network_ids
    if record.member_network_ids != wanted:
        steps.append(
            PlugMemberNetworks(amphora_id=record.id, network_ids=wanted)
        )
    push = ConfigureHaproxy(
        amphora_id=record.id,
        revision=cluster.desired.revision,
        peer_ids=wanted_peers(cluster, member),
        left_out_ids=left_out(cluster.desired, amphora),
    )
    if holds_revision(cluster.desired, amphora):
        if _is_due_again(cluster, member, push):
            steps.append(push)
        elif member.phase is Phase.DRAINED:
            steps += finishing(cluster, member)
        return tuple(steps)
    if not may_be_given(cluster, member):
        return tuple(steps)
    steps.append(push)
    state = with_allowed_speakers(
        cluster, member, _final_state(cluster, member)
    )
    steps.append(_set(cluster, member, state, "configured"))
    return tuple(steps)


def _is_due_again(
    cluster: Cluster, member: Assessment, push: ConfigureHaproxy
) -> bool:
    """Whether it is to be given the revision that it holds once more.

    Who its peers are is no other revision: it serves either way.
    """
    amphora = member.amphora
    is_due = (
        amphora.record.peer_amphora_ids != push.peer_ids
        or has_healed(cluster.desired, amphora)
        or _has_lost_it(cluster, member)
    )
    return is_due and may_be_given(cluster, member)


def _has_lost_it(cluster: Cluster, member: Assessment) -> bool:
    """Whether it was given a configuration and does not run with it.

    Keys and certificates are gone with a reboot where they are on a RAM disk
    (Octavia's element certs-ramfs). Where others serve, it is replaced.
    """
    applied_at = member.amphora.record.applied_at
    stopped_at = stopped_since(member.amphora)
    if applied_at is None or stopped_at is None:
        return False
    waited = cluster.now - max(stopped_at, applied_at)
    return waited > timedelta(seconds=cluster.desired.policy.gate_timeout)


def _plug_frontend(
    desired: DesiredCluster, record: AmphoraRecord
) -> PlugFrontend:
    zones = candidate_zones(desired)
    zone = next(
        (z for z in zones if z.availability_zone == record.availability_zone),
        zones[0],
    )
    primary = desired.vips[0]
    network_id = zone.frontend_network_id or primary.network_id or ""
    subnet_ids = zone.frontend_subnet_ids
    if not subnet_ids and network_id == primary.network_id:
        subnet_ids = tuple(
            vip.subnet_id for vip in desired.vips if vip.subnet_id
        )
    return PlugFrontend(
        amphora_id=record.id,
        network_id=network_id,
        subnet_ids=subnet_ids,
        ip_versions=tuple(
            sorted({vip.ip_address.version for vip in desired.vips})
        ),
    )


def _role(cluster: Cluster, member: Assessment) -> tuple[Action, ...]:
    is_spare = member.id in standing_by(cluster)
    if is_spare is (member.amphora.record.spare_since is not None):
        return ()
    return (SetRole(amphora_id=member.id, is_spare=is_spare),)


def _intent(cluster: Cluster, member: Assessment) -> Intent:
    """What is to become of its VIPs: as a wish, or as its role, has it."""
    if stands_back(cluster, member) or not may_begin(cluster, member):
        return Intent.WITHDRAW
    is_asked = member.amphora.record.drain_wanted_since is not None
    if is_asked and cluster.desired.should_announce:
        return intent_by_wish(cluster, member)
    return intent_of(cluster, member)


def _final_state(cluster: Cluster, member: Assessment) -> DesiredState:
    return agent_state(
        cluster.desired,
        member.amphora.record,
        intent=_intent(cluster, member),
        configuration=servable(cluster.desired, member.amphora),
        flow_rescue=_rescue(cluster, member),
        tenant_metrics=_metrics(cluster, member),
        withdrawn=left_to_others(cluster, member),
    )


def _rescue(cluster: Cluster, member: Assessment) -> FlowRescue | None:
    record, report = member.amphora.record, member.amphora.report
    return wanted_rescue(cluster, record, report)


def _metrics(cluster: Cluster, member: Assessment) -> TenantMetrics | None:
    record, report = member.amphora.record, member.amphora.report
    return wanted_metrics(cluster, record, report)


def _interim_state(
    cluster: Cluster, member: Assessment, report: Report
) -> DesiredState:
    """The state that goes with the configuration it holds now.

    With another than the current one it is not announced, unless it is and
    too few others are (invariant 1); its gate then watches only the listeners
    that both configurations have, so that the change itself does not close
    it. It drains before it withdraws, so that routers that lose a path know
    another one already.
    """
    desired = cluster.desired
    record = member.amphora.record
    if holds_revision(desired, member.amphora):
        return _final_state(cluster, member)
    the_rest = serves_the_rest(cluster, member)
    if the_rest is not None:
        return agent_state(
            desired,
            record,
            intent=_intent(cluster, member),
            configuration=the_rest,
            flow_rescue=_rescue(cluster, member),
            tenant_metrics=_metrics(cluster, member),
            withdrawn=left_to_others(cluster, member),
        )
    may_stay = is_announcing_any(desired, member.amphora) and (
        cluster.is_guarded(member) or not _is_left_behind(cluster, member)
    )
    if not desired.should_announce:
        intent = Intent.WITHDRAW
    elif may_stay:
        intent = _intent(cluster, member)
    else:
        since, linger = record.stale_since, desired.policy.withdraw_linger
        intent = drained_since(cluster, member, since, linger)
    return agent_state(
        desired,
        record,
        intent=intent,
        configuration=Configuration.of(report).kept_by(
            Configuration.of(desired)
        ),
        flow_rescue=_rescue(cluster, member),
        tenant_metrics=_metrics(cluster, member),
        withdrawn=left_to_others(cluster, member),
    )


def _is_left_behind(cluster: Cluster, member: Assessment) -> bool:
    """Whether others got the current configuration and it did not."""
    return any(
        holds_revision(cluster.desired, other.amphora)
        for other in cluster.live
        if other.id != member.id and other.amphora.report is not None
    )


def _set(
    cluster: Cluster, member: Assessment, state: DesiredState, why: str
) -> SetAgentState:
    return SetAgentState(
        amphora_id=member.id,
        state=state,
        why=why,
        is_transition=starts_transition(cluster, member, state),
        drain=mark(member.amphora.record, state),
    )
