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

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from octavia_anycast.model.actions import (
    AllocateAmphora,
    AmphoraAction,
    BootAmphora,
    DeleteAmphora,
    FailAmphora,
    SetAgentState,
    StartLeaving,
    UpdateAgent,
)
from octavia_anycast.model.bgp import SessionState, SpeakerDriver
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterPolicy,
    ClusterSize,
    ComputeState,
    DesiredCluster,
    ObservedAmphora,
)
from octavia_anycast.model.distributor import Distributor, Zone
from octavia_anycast.model.external_vip import ExternalVip
from octavia_anycast.model.registration import RegisteredPath
from octavia_anycast.model.wire import (
    DesiredState,
    Intent,
    Report,
    VipState,
)
from octavia_anycast.planning import registered
from octavia_anycast.planning.agent_state import router_id, speakers_for
from octavia_anycast.planning.assessment import Assessment, Phase, assess
from octavia_anycast.planning.rollout import (
    is_in_force,
    is_refused,
    keeping_speakers,
    wanted_digest,
)

_DEAD = (Phase.FAILED, Phase.SILENT)


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
        return external + registered.vip_states(self.paths, self.distributor)


def plan_dedicated(
    desired: DesiredDistributor,
    amphorae: tuple[ObservedAmphora, ...],
    recent_failures: tuple[datetime, ...],
    now: datetime,
    *,
    replacements_under_way: int = 0,
) -> tuple[AmphoraAction, ...]:
    """Decide what is to be done for one distributor's amphorae, now.

    :param replacements_under_way: those of the whole cloud, clusters' too
    """
    crew = _Crew(desired, amphorae, now)
    actions: list[AmphoraAction] = []
    for member in crew.live:
        actions += _bring_up(crew, member)
    limit = desired.policy.replacement_brake - replacements_under_way
    actions += _boot_missing(crew, recent_failures, max(0, limit))
    actions += _dismiss_surplus(crew)
    for member in crew.of(Phase.LEAVING):
        actions += _see_off(crew, member)
    for member in crew.of(*_DEAD):
        actions += _bury(crew, member)
    return tuple(actions)


def is_complete(
    desired: DesiredDistributor,
    amphorae: tuple[ObservedAmphora, ...],
    now: datetime,
) -> bool:
    """Whether as many as are wanted announce all, and no other is left."""
    crew = _Crew(desired, amphorae, now)
    ready = [m for m in crew.of(Phase.SERVING) if crew.is_ready(m)]
    return len(ready) == len(crew.members) == desired.wanted


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


class _Crew:
    """A distributor's amphorae, assessed."""

    def __init__(
        self,
        desired: DesiredDistributor,
        amphorae: tuple[ObservedAmphora, ...],
        now: datetime,
    ) -> None:
        self.desired = desired
        self.now = now
        cluster = _as_cluster(desired)
        self.members = tuple(assess(cluster, a, now) for a in amphorae)
        # One document for all of them: there may be thousands of VIPs.
        self.advertised = desired.vip_states()

    def of(self, *phases: Phase) -> tuple[Assessment, ...]:
        return tuple(m for m in self.members if m.phase in phases)

    @property
    def live(self) -> tuple[Assessment, ...]:
        return tuple(m for m in self.members if m.is_live)

    def outdated(self) -> tuple[Assessment, ...]:
        return tuple(m for m in self.live if m.amphora.record.failover_wanted)

    def state(self, record: AmphoraRecord) -> DesiredState:
        """What the amphora is to be told in the end."""
        return _state(self.desired, record, self.advertised)

    def is_ready(self, member: Assessment) -> bool:
        """Whether it announces all that is wanted, as it is wanted."""
        report = member.amphora.report
        return (
            report is not None
            and report.revision == str(self.desired.vips_revision)
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
            self.desired.distributor, record
        )


def _as_cluster(desired: DesiredDistributor) -> DesiredCluster:
    """What the assessment of an amphora's life is made by."""
    return DesiredCluster(
        load_balancer_id=desired.distributor.id,
        is_deleted=desired.is_deleted,
        is_enabled=True,
        vips=(),
        revision="",
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
        return _allocate(amphora)
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
    if amphora.record.agent_update_wanted:
        actions.append(UpdateAgent(amphora_id=member.id))
    return actions


def _allocate(amphora: ObservedAmphora) -> list[AmphoraAction]:
    if amphora.compute_state is not ComputeState.ACTIVE:
        return []
    if amphora.compute_address is None:
        return []
    return [
        AllocateAmphora(
            amphora_id=amphora.record.id,
            lb_network_ip=amphora.compute_address,
            compute_host=amphora.compute_host,
        )
    ]


def _boot_missing(
    crew: _Crew, recent_failures: tuple[datetime, ...], limit: int
) -> list[AmphoraAction]:
    """Boot what is missing, and one more while a failover replaces.

    The brake holds it, unless the distributor has none at all: then it is
    new, most likely, and none of it is announced.
    """
    spare = 1 if crew.outdated() and crew.desired.wanted else 0
    missing = crew.desired.wanted + spare - len(crew.live)
    if missing <= 0 or _backs_off(crew, recent_failures):
        return []
    is_answered = any(m.amphora.report is not None for m in crew.members)
    if crew.of(Phase.SILENT) and not is_answered:
        # One new amphora tells dead ones from a dead management network.
        missing = min(missing, 1 - len(crew.of(Phase.BOOTING)))
    is_replacement = bool(crew.members)
    if is_replacement:
        missing = min(missing, limit)
    return [
        replace(_boot(crew, zone, index), is_replacement=is_replacement)
        for index, zone in enumerate(_place(crew, missing))
    ]


def _place(crew: _Crew, count: int) -> list[Zone]:
    """The zones of so many new ones: those with the fewest first."""
    zones = crew.desired.distributor.effective_zones()
    held = {zone.availability_zone: 0 for zone in zones}
    for member in crew.live:
        place = member.amphora.record.availability_zone
        held[place] = held.get(place, 0) + 1
    chosen = []
    for _ in range(count):
        zone = min(zones, key=lambda z: held[z.availability_zone])
        held[zone.availability_zone] += 1
        chosen.append(zone)
    return chosen


def _boot(crew: _Crew, zone: Zone, index: int) -> BootAmphora:
    """Its first state has no VIP: the config drive is too small for many."""
    distributor_id = crew.desired.distributor.id
    record = AmphoraRecord(
        id=str(
            uuid.uuid5(
                uuid.NAMESPACE_OID,
                f"{distributor_id} {crew.now.isoformat()} {index}",
            )
        ),
        load_balancer_id=None,
        status=AmphoraStatus.BOOTING,
        status_since=crew.now,
        availability_zone=zone.availability_zone,
    )
    return BootAmphora(
        amphora_id=record.id,
        load_balancer_id="",
        zone=zone,
        generation=0,
        first_state=replace(_state(crew.desired, record, ()), revision=""),
    )


def _backs_off(crew: _Crew, recent_failures: tuple[datetime, ...]) -> bool:
    """Whether boots failed so lately that the next one has to wait."""
    if any(_fails_now(member) for member in crew.of(Phase.FAILED)):
        return True
    if not recent_failures:
        return False
    policy = crew.desired.policy
    doublings = min(len(recent_failures) - 1, 16)
    wait = min(policy.backoff_base * 2**doublings, policy.backoff_max)
    return crew.now < max(recent_failures) + timedelta(seconds=wait)


def _fails_now(member: Assessment) -> bool:
    """Whether it failed before it ever answered, and this is news."""
    record = member.amphora.record
    return (
        record.status
        not in (AmphoraStatus.ERROR, AmphoraStatus.PENDING_DELETE)
        and member.amphora.silent_seconds is None
    )


def _dismiss_surplus(crew: _Crew) -> list[AmphoraAction]:
    """Tell one to leave that is one too many, when the others do."""
    wanted = crew.desired.wanted
    surplus = len(crew.live) - wanted
    if surplus <= 0 or (wanted and crew.of(Phase.LEAVING)):
        return []
    outdated = {m.id for m in crew.outdated()}
    if not wanted:
        return [_leave(member, "no longer wanted") for member in crew.live]
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
    return [_leave(member, "failover" if member.id in outdated else "surplus")]


def _leave(member: Assessment, reason: str) -> AmphoraAction:
    if member.phase is Phase.BOOTING:
        return DeleteAmphora(amphora_id=member.id, reason=reason)
    return StartLeaving(amphora_id=member.id, reason=reason)


def _see_off(crew: _Crew, member: Assessment) -> list[AmphoraAction]:
    """Withdraw, wait for the fabric, delete."""
    record, report = member.amphora.record, member.amphora.report
    assert record.leaving_since is not None
    left = (crew.now - record.leaving_since).total_seconds()
    is_out = report is None or not any(
        count.advertised for count in report.path_counts
    )
    if is_out and left >= crew.desired.policy.withdraw_linger:
        return [DeleteAmphora(amphora_id=member.id, reason=member.reason)]
    if report is None:
        return []
    state = _state(crew.desired, record, ())
    state = keeping_speakers(state, report)
    if is_in_force(state, report):
        return []
    return [SetAgentState(amphora_id=member.id, state=state, why="leaving")]


def _bury(crew: _Crew, member: Assessment) -> list[AmphoraAction]:
    """Give up one that failed; a silent one, when it is replaced.

    It may still announce: its speaker needs no controller.
    """
    actions: list[AmphoraAction] = []
    if member.phase is Phase.FAILED and _fails_now(member):
        actions.append(FailAmphora(amphora_id=member.id, reason=member.reason))
    is_replaced = crew.ready_without(member) >= crew.desired.wanted
    if member.phase is Phase.FAILED or is_replaced:
        actions.append(
            DeleteAmphora(amphora_id=member.id, reason=member.reason)
        )
    return actions
