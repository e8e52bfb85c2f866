# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The planner of a distributor's own amphorae, which announce for others.

Layer: planning. Pure. Their life is that of all amphorae
(:mod:`octavia_anycast.planning.amphora.life`); what they do is simpler, as
they have neither HAProxy nor front end, and all of them announce the same
next hops, each to the peers of its place: an external VIP for one rack's
router is announced by that rack's alone.

Invariants (tests/unit/planning/test_dedicated.py):

1. while the distributor stays, the last one that announces is never told to
   withdraw, nor deleted, but for a dead one; whoever asks for a drain, nor is
   the last one that announces some external VIP told to withdraw;
2. only its external VIPs and registered paths are ever announced;
3. a deleted distributor leaves no amphora;
4. once all is well nothing is planned.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from octavia_anycast.model.actions import Action, BootAmphora, SetAgentState
from octavia_anycast.model.bgp import (
    IPAddress,
    SessionState,
    SpeakerDriver,
)
from octavia_anycast.model.cluster import (
    ActionFailure,
    AmphoraRecord,
    Desired,
    ObservedAmphora,
    ObservedCluster,
)
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.registration import ExternalVip, RegisteredPath
from octavia_anycast.model.wire import (
    DesiredState,
    Intent,
    Report,
    VipPeers,
    VipState,
)
from octavia_anycast.planning import registration
from octavia_anycast.planning.amphora import backoff, draining
from octavia_anycast.planning.amphora.agent_state import (
    router_id,
    speakers_for,
)
from octavia_anycast.planning.amphora.assessment import (
    AmphoraGroup,
    Assessment,
    Paths,
    Phase,
    is_announcing_any,
)
from octavia_anycast.planning.amphora.failures import are_boots_hopeless
from octavia_anycast.planning.amphora.life import Life, Work
from octavia_anycast.planning.amphora.rollout import (
    is_in_force,
    keeping_speakers,
    starts_transition,
    with_allowed_speakers,
)
from octavia_anycast.remembered import Remembered

# All of them announce the same, and one announces all of it or is not ready.
_ALL = frozenset({"all"})
_DISTRIBUTORS_KEPT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredDistributor(Desired):
    """What a distributor asks of its own amphorae.

    ``is_deleted``: it goes, or is gone, and none is to be left.
    ``revision`` names the external VIPs and the registrations of amphorae;
    ``paths`` follow from these (:mod:`.registration`).
    """

    external_vips: tuple[ExternalVip, ...] = ()
    paths: tuple[RegisteredPath, ...] = ()

    @property
    def wanted(self) -> int:
        """How many amphorae are to announce."""
        return 0 if self.is_deleted else self.distributor.dedicated_count

    @property
    def replaced_by(self) -> int:
        """A silent one may still announce: its speaker needs no controller."""
        return self.wanted

    @property
    def drain_seconds(self) -> float:
        """Nobody's connections go through it."""
        return 0.0

    @property
    def withdraw_patience(self) -> float:
        """The others announce the same next hops."""
        return self.policy.dead_after

    def vip_states(self) -> tuple[VipState, ...]:
        """What an agent is told to announce: external VIPs, then paths.

        ExaBGP is told no paths: it announces one next hop of a VIP only.
        """
        external = _states_of(self.external_vips)
        if not self.paths or self.distributor.driver is not SpeakerDriver.BIRD:
            return external
        return external + registration.vip_states(self.paths, self.distributor)


def external_states(vips: tuple[ExternalVip, ...]) -> tuple[VipState, ...]:
    """External VIPs as an agent is told them."""
    return tuple(
        VipState(
            vip_ip=vip.vip_ip,
            nexthop_ip=vip.nexthop_ip,
            load_balancer_id=None,
            intent=Intent.ADVERTISE,
            peer_ids=None if vip.peer_id is None else (vip.peer_id,),
        )
        for vip in vips
    )


# The caller has the same tuple for as long as its revision stays.
_states_of = Remembered(external_states, _DISTRIBUTORS_KEPT)


def _make_drained(vips: tuple[VipState, ...]) -> tuple[VipState, ...]:
    return tuple(replace(vip, intent=Intent.DRAIN) for vip in vips)


_drained = Remembered(_make_drained, _DISTRIBUTORS_KEPT)


class Dedicated(AmphoraGroup[DesiredDistributor]):
    """A distributor's own amphorae, assessed.

    The first of them are new: nothing that they would replace is there.
    """

    def __init__(
        self,
        desired: DesiredDistributor,
        observed: ObservedCluster,
        now: datetime,
    ) -> None:
        if not observed.amphorae:
            desired = replace(desired, is_new=True)
        super().__init__(desired, observed, now)

    def is_ready(self, amphora: ObservedAmphora) -> bool:
        """Whether it announces all that is wanted, as it is wanted."""
        report = amphora.report
        return (
            report is not None
            and report.revision == self.desired.revision
            and report.are_speakers_loaded
            and is_announcing(report)
        )

    def all_paths(self) -> Paths:
        """All as one: next hops that every one of them announces."""
        return _ALL

    def announced(self, amphora: ObservedAmphora) -> Paths:
        """Whether the fabric holds any of it, or all of nothing."""
        record = amphora.record
        is_out = (
            record.leaving_since is not None or record.drained_at is not None
        )
        if is_announcing_any(self.desired, amphora) or (
            not is_out and is_announcing(amphora.report)
        ):
            return _ALL
        return frozenset()

    def served(self, amphora: ObservedAmphora) -> Paths:
        """Whether it is ready."""
        return _ALL if self.is_ready(amphora) else frozenset()

    def is_guarded(self, member: Assessment) -> bool:
        """One that is to drain, also by each external VIP that it alone has.

        Load balancers that are registered announce themselves, too.
        """
        if super().is_guarded(member):
            return True
        record, report = member.amphora.record, member.amphora.report
        wanted_since = record.drain_wanted_since
        is_out = wanted_since is None or record.drained_at is not None
        if is_out or report is None:
            return False
        beside = frozenset[IPAddress]().union(
            *(
                self._vips_to(other.amphora.record, sent_to(other_report))
                for other in self.of(Phase.SERVING)
                for other_report in [other.amphora.report]
                if other.id != member.id
                and other_report is not None
                and self.is_ready(other.amphora)
            )
        )
        held_by = self._held_by(report, wanted_since or self.now)
        return not self._vips_to(record, held_by) <= beside

    def _held_by(
        self, report: Report, wanted_since: datetime
    ) -> frozenset[str]:
        """Its peers, without those that have been away for long.

        :param wanted_since: when its drain was asked for; of one of which
            nobody knows since when it is down
        """
        patience = timedelta(seconds=self.desired.policy.session_patience)
        return frozenset(
            session.peer_id
            for session in report.sessions
            if session.state is SessionState.ESTABLISHED
            or self.now - (session.since or wanted_since) < patience
        )

    def _vips_to(
        self, record: AmphoraRecord, peer_ids: frozenset[str]
    ) -> frozenset[IPAddress]:
        vips = _states_of(self.desired.external_vips)
        return vips_to(self.desired.distributor, record, vips, peer_ids)


def vips_to(
    distributor: Distributor,
    record: AmphoraRecord,
    vips: Iterable[VipState],
    peer_ids: frozenset[str] | None = None,
) -> frozenset[IPAddress]:
    """The VIPs that an amphora announces to some of these peers.

    :param peer_ids: None: all peers of its place
    """
    peers = VipPeers(
        [
            (speaker, peer)
            for speaker in distributor.speakers
            for peer in speaker.peers
            if peer.selects(record.availability_zone, record.compute_host)
        ]
    )
    return frozenset(
        vip.vip_ip
        for vip in vips
        if any(
            peer_ids is None or peer.id in peer_ids for peer in peers.of(vip)
        )
    )


def sent_to(report: Report) -> frozenset[str]:
    """The peers that have all that they are to have from it, and something."""
    up = _established(report)
    return frozenset(
        count.peer_id
        for count in report.path_counts
        if count.peer_id in up
        and count.wanted
        and count.advertised == count.wanted
    )


def plan_dedicated(group: Dedicated) -> tuple[Action, ...]:
    """Decide what is to be done for one distributor's amphorae, now."""
    # One document for all of them: there may be thousands of VIPs.
    desired, vips = group.desired, group.desired.vip_states()
    work = Work(
        noun="distributor",
        zones=desired.distributor.effective_zones(),
        first_state=partial(_first_state, desired),
        state=partial(_kept_state, desired, vips),
        next_steps=partial(_next_steps, group, vips),
    )
    return Life(group, work).plan()


def is_complete(group: Dedicated) -> bool:
    """Whether as many as are wanted announce all, and no other is left.

    One out of service counts as it is to stay, and so does its stand-in.
    """
    ready = [m for m in group.of(Phase.SERVING) if group.is_ready(m.amphora)]
    drained = [
        m
        for m in group.of(Phase.DRAINED)
        if m.amphora.report is not None
        and draining.is_settled(group.desired, m)
    ]
    return len(ready) + len(drained) == len(group.members) == group.total


def with_held(amphora: ObservedAmphora, now: datetime) -> ObservedAmphora:
    """The amphora with what it says that it holds, as its record."""
    record, report = amphora.record, amphora.report
    if report is None or report.revision in ("", record.applied_revision):
        return amphora
    held = replace(record, applied_revision=report.revision, applied_at=now)
    return replace(amphora, record=held)


def boot_failures(group: Dedicated) -> tuple[ActionFailure, ...]:
    """The boots that failed since one came up, as one failure.

    Nothing, if as many as there are to be have come up all the same.
    """
    streak = backoff.streak(group)
    outdated = {member.id for member in group.outdated()}
    there = [
        member
        for member in group.live
        if member.amphora.record.was_configured and member.id not in outdated
    ]
    if not streak or len(there) >= group.total:
        return ()
    return (
        ActionFailure(
            action=BootAmphora.__name__,
            reason=streak[-1].reason,
            since=streak[0].at,
            is_refused=are_boots_hopeless(group),
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
    record = amphora.record
    vips = _told(desired.vip_states(), _recorded_intent(record))
    state = _state(desired, record, vips)
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


def _state(
    desired: DesiredDistributor,
    record: AmphoraRecord,
    vips: tuple[VipState, ...],
) -> DesiredState:
    return DesiredState(
        amphora_id=record.id,
        revision=desired.revision,
        router_id=router_id(record.id),
        driver=desired.distributor.driver,
        speakers=speakers_for(
            desired.distributor, record.availability_zone, record.compute_host
        ),
        vips=vips,
        gate=desired.policy.gate,
        is_distributor=True,
    )


def _first_state(
    desired: DesiredDistributor, record: AmphoraRecord
) -> DesiredState:
    """It has no VIP: the config drive is too small for many."""
    return replace(_state(desired, record, ()), revision="")


def _kept_state(
    desired: DesiredDistributor,
    vips: tuple[VipState, ...],
    record: AmphoraRecord,
    report: Report,
    intent: Intent,
) -> DesiredState:
    del report
    return _state(desired, record, _told(vips, intent))


def _told(vips: tuple[VipState, ...], intent: Intent) -> tuple[VipState, ...]:
    """All VIPs or none: what is withdrawn is not in the document."""
    if intent is Intent.WITHDRAW:
        return ()
    return _drained(vips) if intent is Intent.DRAIN else vips


def _recorded_intent(record: AmphoraRecord) -> Intent:
    """What it was told last, by how far its drain is recorded to be."""
    if record.drained_at is not None:
        return Intent.WITHDRAW
    has_begun = record.draining_since is not None
    return Intent.DRAIN if has_begun else Intent.ADVERTISE


def _next_steps(
    group: Dedicated, vips: tuple[VipState, ...], member: Assessment
) -> tuple[Action, ...]:
    record, report = member.amphora.record, member.amphora.report
    assert report is not None
    intent = draining.intent_by_wish(group, member)
    state = _state(group.desired, record, _told(vips, intent))
    is_asked = record.drain_wanted_since is not None
    if is_asked and not state.peers() and not report.sessions:
        intent = Intent.WITHDRAW  # nobody hears it
        state = replace(state, vips=())
    state = with_allowed_speakers(group, member, state)
    drain = draining.mark(record, state, intent)
    if is_in_force(state, report) and drain is None:
        return ()
    return (
        SetAgentState(
            amphora_id=member.id,
            state=state,
            why="external",
            is_transition=starts_transition(group, member, state),
            drain=drain,
        ),
    )
