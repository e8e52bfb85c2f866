# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The planner of a distributor's own amphorae, which announce for others.

Layer: planning. Pure. Level-triggered like the planner of clusters; simpler,
as such an amphora has neither HAProxy nor front end, and all of them announce
the same next hops: while one does, the fabric has every route.

Invariants (tests/unit/planning/test_dedicated.py):

1. while the distributor stays, the last one that announces is never told to
   withdraw, nor deleted, but for a dead one;
2. only its external VIPs and registered paths are ever announced;
3. a deleted distributor leaves no amphora;
4. once all is well nothing is planned.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from octavia_anycast.model.actions import (
    AmphoraAction,
    BootAmphora,
    DeleteAmphora,
    SetAgentState,
    StartLeaving,
    UpdateAgent,
)
from octavia_anycast.model.bgp import SessionState, SpeakerDriver
from octavia_anycast.model.cluster import (
    ActionFailure,
    AmphoraRecord,
    AmphoraStatus,
    ClusterPolicy,
    ClusterSize,
    DesiredCluster,
    ObservedAmphora,
    ObservedCluster,
)
from octavia_anycast.model.distributor import Distributor, Zone
from octavia_anycast.model.registration import ExternalVip, RegisteredPath
from octavia_anycast.model.wire import (
    DesiredState,
    Intent,
    Report,
    VipState,
)
from octavia_anycast.planning import registration
from octavia_anycast.planning.amphora import (
    backoff,
    life,
    replacement_limit,
)
from octavia_anycast.planning.amphora.agent_state import (
    router_id,
    speakers_for,
)
from octavia_anycast.planning.amphora.failures import are_boots_refused
from octavia_anycast.planning.cluster.assessment import (
    Assessment,
    Cluster,
    Lapse,
    Phase,
    is_announcing_any,
    is_up_to_date,
    lapses,
)
from octavia_anycast.planning.cluster.rollout import (
    is_in_force,
    is_refused,
    keeping_speakers,
    wanted_digest,
)
from octavia_anycast.planning.cluster.scaling import coming_up, may_be_cut_off

_DEAD = (Phase.FAILED, Phase.SILENT)
_LAME = (Phase.MUTE, Phase.STALE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredDistributor:
    """What a distributor asks of its own amphorae.

    ``is_deleted``: it goes, or is gone, and none is to be left.
    ``vips_revision`` names the external VIPs and the registrations of
    amphorae; ``paths`` follow from these (:mod:`.registered`).
    """

    distributor: Distributor
    is_deleted: bool = False
    vips: tuple[ExternalVip, ...] = ()
    paths: tuple[RegisteredPath, ...] = ()
    vips_revision: int = 0
    policy: ClusterPolicy

    @property
    def wanted(self) -> int:
        """How many amphorae are to announce."""
        return 0 if self.is_deleted else self.distributor.dedicated_count

    def vip_states(self) -> tuple[VipState, ...]:
        """What an agent is told to announce: external VIPs, then paths.

        ExaBGP is told no paths: it announces one next hop of a VIP only.
        """
        external = tuple(
            VipState(
                vip_ip=vip.vip_ip,
                nexthop_ip=vip.nexthop_ip,
                load_balancer_id=None,
                intent=Intent.ADVERTISE,
                peer_ids=None if vip.peer_id is None else (vip.peer_id,),
            )
            for vip in self.vips
        )
        if self.distributor.driver is not SpeakerDriver.BIRD:
            return external
        return external + registration.vip_states(self.paths, self.distributor)


def plan_dedicated(
    desired: DesiredDistributor, observed: ObservedCluster, now: datetime
) -> tuple[AmphoraAction, ...]:
    """Decide what is to be done for one distributor's amphorae, now."""
    crew = _Crew(desired, observed, now)
    actions: list[AmphoraAction] = []
    actions += _dismiss_surplus(crew)
    # One that refuses what it is told leaves all the same.
    dismissed = {action.amphora_id for action in actions}
    for member in crew.live:
        if member.id not in dismissed:
            actions += _bring_up(crew, member)
    actions += _boot_missing(crew, observed)
    for member in crew.of(Phase.LEAVING):
        actions += _drain_and_delete(crew, member)
    for member in crew.of(*_DEAD):
        actions += _replace_failed(crew, member)
    for member in crew.of(*_LAME):
        # Until then it is tried again: one that was mute may answer.
        actions += _put_aside(crew, member) or _bring_up(crew, member)
    return tuple(actions)


def is_complete(
    desired: DesiredDistributor,
    observed: ObservedCluster,
    now: datetime,
) -> bool:
    """Whether as many as are wanted announce all, and no other is left."""
    crew = _Crew(desired, observed, now)
    ready = [m for m in crew.of(Phase.SERVING) if crew.is_ready(m)]
    return len(ready) == len(crew.members) == desired.wanted


def lapsed(
    desired: DesiredDistributor, observed: ObservedCluster, now: datetime
) -> dict[str, Lapse]:
    """amphora_id -> what is to be recorded of agents that fell behind."""
    return lapses(_as_cluster(desired), observed, now)


def with_held(amphora: ObservedAmphora, now: datetime) -> ObservedAmphora:
    """The amphora with what it says that it holds, as its record."""
    record, report = amphora.record, amphora.report
    if report is None or report.revision in ("", record.applied_revision):
        return amphora
    held = replace(record, applied_revision=report.revision, applied_at=now)
    return replace(amphora, record=held)


def boot_failures(
    desired: DesiredDistributor, observed: ObservedCluster, now: datetime
) -> tuple[ActionFailure, ...]:
    """The boots that failed since one came up, as one failure.

    Nothing, if as many as are wanted have come up all the same.
    """
    crew = _Crew(desired, observed, now)
    streak = backoff.streak(crew, observed)
    outdated = {member.id for member in crew.outdated()}
    there = [
        member
        for member in crew.live
        if member.amphora.record.was_configured and member.id not in outdated
    ]
    if not streak or len(there) >= desired.wanted:
        return ()
    return (
        ActionFailure(
            action=BootAmphora.__name__,
            reason=streak[-1].reason,
            since=streak[0].at,
            is_refused=are_boots_refused(crew, observed),
        ),
    )


def confirmed_paths(
    desired: DesiredDistributor, amphora: ObservedAmphora
) -> tuple[VipState, ...] | None:
    """The paths of registered amphorae that one was told, and confirms.

    None: it has not been told yet what is wanted now.
    """
    report = amphora.report
    if report is None:
        return None
    vips = desired.vip_states()
    state = _state(desired, amphora.record, vips)
    if not (
        is_in_force(state, report)
        or is_in_force(keeping_speakers(state, report), report)
    ):
        return None
    return tuple(vip for vip in vips if vip.amphora_id is not None)


def is_announcing(report: Report | None) -> bool:
    """Whether some peer has every path that it is to have from it."""
    if report is None:
        return False
    up = _established(report)
    sent = [c for c in report.path_counts if c.peer_id in up]
    return bool(sent) and all(c.advertised == c.wanted for c in sent)


def _established(report: Report | None) -> set[str]:
    """The peers whose sessions are Established."""
    return {
        session.peer_id
        for session in (report.sessions if report else ())
        if session.state is SessionState.ESTABLISHED
    }


def announces(report: Report, vip: ExternalVip) -> bool:
    """Whether this VIP has been sent to some peer, as far as was reported."""
    if not report.revision.isdigit():
        return False
    if int(report.revision) < vip.since_revision:
        return False
    return has_sent_all(report, vip.peer_id)


def has_sent_all(report: Report, peer_id: str | None) -> bool:
    """Whether this peer has all that it is to have; None: some peer has."""
    return any(
        bool(count.wanted) and count.advertised == count.wanted
        for count in report.path_counts
        if peer_id in (None, count.peer_id)
    )


class _Crew(Cluster):
    """A distributor's amphorae, assessed."""

    def __init__(
        self,
        own: DesiredDistributor,
        observed: ObservedCluster,
        now: datetime,
    ) -> None:
        super().__init__(_as_cluster(own), observed, now)
        self.own = own
        # One document for all of them: there may be thousands of VIPs.
        self.advertised = own.vip_states()

    def state(self, record: AmphoraRecord) -> DesiredState:
        """What the amphora is to be told in the end."""
        return _state(self.own, record, self.advertised)

    def is_ready(self, member: Assessment) -> bool:
        """Whether it announces all that is wanted, as it is wanted."""
        report = member.amphora.report
        return (
            report is not None
            and report.revision == self.desired.revision
            and report.are_speakers_loaded
            and is_announcing(report)
        )

    def ready_without(self, member: Assessment) -> int:
        return sum(
            1
            for other in self.of(Phase.SERVING)
            if other.id != member.id and self.is_ready(other)
        )

    def may_change_speakers(self, member: Assessment) -> bool:
        """One at a time: a wrong password must not silence all of them."""
        if not is_announcing(member.amphora.report):
            return True
        others = [m for m in self.live if m.id != member.id]
        if any(not is_announcing(m.amphora.report) for m in others):
            return False
        behind = {m.id for m in self.live if not self._has_speakers(m)}
        lacking = {m.id for m in self.live if self._lacks_a_session(m)}
        if lacking - behind - {member.id}:
            return False  # one tries it out, and is not back
        # One that lost a session has the least to lose.
        return min(behind & lacking or behind, default="") == member.id

    def _lacks_a_session(self, member: Assessment) -> bool:
        """Whether others have a session that it should have too."""
        elsewhere = {
            peer_id
            for other in self.live
            if other.id != member.id
            for peer_id in _established(other.amphora.report)
        }
        report = member.amphora.report
        wanted = {s.peer_id for s in report.sessions} if report else set()
        return bool(wanted & elsewhere - _established(report))

    def _has_speakers(self, member: Assessment) -> bool:
        report, record = member.amphora.report, member.amphora.record
        return report is not None and report.speakers_digest == wanted_digest(
            self.own.distributor, record
        )


def _as_cluster(desired: DesiredDistributor) -> DesiredCluster:
    """What the assessment of an amphora's life is made by."""
    return DesiredCluster(
        load_balancer_id=desired.distributor.id,
        is_deleted=desired.is_deleted,
        is_enabled=True,
        vips=(),
        revision=str(desired.vips_revision),
        listeners=(),
        member_network_ids=(),
        size=ClusterSize(desired=max(1, desired.wanted)),
        distributor=desired.distributor,
        policy=desired.policy,
    )


def _state(
    desired: DesiredDistributor,
    record: AmphoraRecord,
    vips: tuple[VipState, ...],
) -> DesiredState:
    return DesiredState(
        amphora_id=record.id,
        revision=str(desired.vips_revision),
        router_id=router_id(record.id),
        driver=desired.distributor.driver,
        speakers=speakers_for(
            desired.distributor, record.availability_zone, record.compute_host
        ),
        vips=vips,
        gate=desired.policy.gate,
        is_distributor=True,
    )


def _bring_up(crew: _Crew, member: Assessment) -> list[AmphoraAction]:
    amphora = member.amphora
    if amphora.record.status is AmphoraStatus.BOOTING:
        return [*life.allocation(amphora)]
    report = amphora.report
    if report is None:
        return []
    actions: list[AmphoraAction] = []
    state = crew.state(amphora.record)
    if is_refused(state, report) or not crew.may_change_speakers(member):
        state = keeping_speakers(state, report)
    if not is_in_force(state, report):
        actions.append(
            SetAgentState(amphora_id=member.id, state=state, why="external")
        )
    if amphora.record.agent_update_wanted and not amphora.is_agent_mute:
        actions.append(UpdateAgent(amphora_id=member.id))
    return actions


def _boot_missing(crew: _Crew, observed: ObservedCluster) -> list[BootAmphora]:
    """Boot what is missing, and one more while a failover replaces.

    The replacement limit holds it, unless the distributor has none at all:
    then it is new, most likely, and none of it is announced.
    """
    spare = 1 if crew.outdated() and crew.own.wanted else 0
    missing = crew.own.wanted + spare - len(crew.live)
    if (
        missing <= 0
        or backoff.has_news(crew)
        or backoff.waits_until(crew, observed) is not None
    ):
        return []
    if backoff.streak(crew, observed) or may_be_cut_off(crew):
        # One new amphora tells whether it works again; and dead ones from a
        # dead management network.
        missing = min(missing, max(0, 1 - coming_up(crew)))
    zones = crew.own.distributor.effective_zones()
    is_replacement = bool(crew.members)
    if is_replacement:
        missing = min(missing, replacement_limit.room(crew, observed))
    return [
        replace(_boot(crew, zone, index), is_replacement=is_replacement)
        for index, zone in enumerate(life.spread(zones, crew.live, missing))
    ]


def _boot(crew: _Crew, zone: Zone, index: int) -> BootAmphora:
    """Its first state has no VIP: the config drive is too small for many."""
    owner_id = crew.own.distributor.id
    record = life.new_record(owner_id, None, zone, crew.now, index)
    return BootAmphora(
        amphora_id=record.id,
        load_balancer_id="",
        zone=zone,
        generation=0,
        first_state=replace(_state(crew.own, record, ()), revision=""),
    )


def _dismiss_surplus(crew: _Crew) -> list[AmphoraAction]:
    """Tell one to leave that is one too many, when the others do."""
    wanted = crew.own.wanted
    surplus = len(crew.live) - wanted
    if surplus <= 0 or (wanted and crew.of(Phase.LEAVING)):
        return []
    outdated = {m.id for m in crew.outdated()}
    if not wanted:
        return [
            life.dismiss(member, "no longer wanted") for member in crew.live
        ]
    member = min(
        crew.live,
        key=lambda m: (
            m.id not in outdated,
            m.phase is not Phase.BOOTING,
            crew.is_ready(m),
            m.id,
        ),
    )
    if crew.ready_without(member) < wanted:
        return []
    reason = "failover" if member.id in outdated else "surplus"
    return [life.dismiss(member, reason)]


def _drain_and_delete(crew: _Crew, member: Assessment) -> list[AmphoraAction]:
    """Withdraw, wait for the fabric, delete.

    One that does not withdraw when it is told to is deleted all the same.
    """
    record, report = member.amphora.record, member.amphora.report
    assert record.leaving_since is not None
    left = (crew.now - record.leaving_since).total_seconds()
    policy = crew.desired.policy
    is_out = not is_announcing_any(crew.desired, member.amphora)
    is_late = left >= policy.withdraw_linger + policy.dead_after
    if not is_out and crew.ready_without(member) < min(1, crew.own.wanted):
        return []
    if (is_out or is_late) and left >= policy.withdraw_linger:
        return [DeleteAmphora(amphora_id=member.id, reason=member.reason)]
    if report is None:
        return []
    state = _state(crew.own, record, ())
    state = keeping_speakers(state, report)
    if is_in_force(state, report):
        return []
    return [SetAgentState(amphora_id=member.id, state=state, why="leaving")]


def _put_aside(crew: _Crew, member: Assessment) -> list[AmphoraAction]:
    """Replace one that lives and cannot be told, or does not take it.

    One that may announce what is old goes when one other is ready, another
    when as many as are wanted are. Its server goes if speakerd does not
    answer, either.
    """
    wanted = crew.own.wanted
    is_current = is_up_to_date(crew.desired, member.amphora)
    enough = wanted if is_current else min(1, wanted)
    if crew.ready_without(member) < enough:
        return []
    if member.amphora.report is None:
        return [DeleteAmphora(amphora_id=member.id, reason=member.reason)]
    return [StartLeaving(amphora_id=member.id, reason=member.reason)]


def _replace_failed(crew: _Crew, member: Assessment) -> list[AmphoraAction]:
    """Give up one that failed; a silent one, when it is replaced.

    It may still announce: its speaker needs no controller.
    """
    actions: list[AmphoraAction] = []
    if member.phase is Phase.FAILED:
        actions += life.failure(member)
    is_replaced = crew.ready_without(member) >= crew.own.wanted
    if member.phase is Phase.FAILED or is_replaced:
        actions.append(
            DeleteAmphora(amphora_id=member.id, reason=member.reason)
        )
    return actions
