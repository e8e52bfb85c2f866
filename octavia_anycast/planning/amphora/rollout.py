# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Rollout: which amphora may be given changed BGP speakers now.

Layer: planning. Pure. A changed peer may cost an amphora its session, for a
moment or, with a wrong password, for good. So of the amphorae of a cluster
that announce, one at a time gets it, and the next one only when that one
announces again. One that does not recover holds the others back with what
they have: they go on serving until the user changes the peer again
(ADR 0056).

What is at stake is the session, not the amphora. One that tries a
change out is the first to be given the next one. A session that is down is
renewed while the established ones of the same amphora are kept, so that no
two amphorae wait for each other, each the last that announces some VIP.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    Desired,
    ObservedAmphora,
)
from octavia_anycast.model.codec import digest, peer_digests, speakers_digest
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.wire import DesiredState, Report, SessionReport
from octavia_anycast.planning.amphora.agent_state import speakers_for
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Group,
    Paths,
    Phase,
)


def wanted_digest(distributor: Distributor, record: AmphoraRecord) -> str:
    """Name the speakers that an amphora is to have in the end."""
    return speakers_digest(
        speakers_for(
            distributor, record.availability_zone, record.compute_host
        )
    )


def is_in_force(state: DesiredState, report: Report) -> bool:
    """Whether the agent has been told just this."""
    if report.digest != digest(state):
        return False
    if state.kept_peer_ids:
        return _is_partly_in_force(state, report)
    return state.keeps_speakers or (
        report.speakers_digest == speakers_digest(state.speakers)
    )


def _is_partly_in_force(state: DesiredState, report: Report) -> bool:
    """Whether all peers but the kept ones are as the document has them."""
    kept = set(state.kept_peer_ids)
    others = {
        peer_id: found
        for peer_id, found in report.peer_digests.items()
        if peer_id not in kept
    }
    return kept <= set(report.peer_digests) and others == peer_digests(
        state.speakers
    )


def keeping_speakers(state: DesiredState, report: Report) -> DesiredState:
    """The state without a change of speakers, where there are any."""
    if not report.speakers_digest:
        return state
    return replace(state, speakers=(), keeps_speakers=True)


def is_refused(state: DesiredState, report: Report) -> bool:
    """Whether its BGP daemon refused these speakers, and would again."""
    return bool(report.refusal) and (
        report.refused_digest == speakers_digest(state.speakers)
    )


def with_allowed_speakers(
    group: Group, member: Assessment, state: DesiredState
) -> DesiredState:
    """The state with its speakers, or with those that are in force."""
    report = member.amphora.report
    if report is None or report.speakers_digest == speakers_digest(
        state.speakers
    ):
        return state
    if not is_refused(state, report) and not may_change(group, member):
        state = _renewing_what_is_down(group, member, state, report)
    if is_refused(state, report):
        return keeping_speakers(state, report)
    return state


def _renewing_what_is_down(
    group: Group, member: Assessment, state: DesiredState, report: Report
) -> DesiredState:
    """The state with changed peers where none of it costs a session.

    Established sessions that would start over stay as they are.
    """
    wanted = peer_digests(state.speakers)
    changed = [
        session
        for session in report.sessions
        if session.peer_id in report.peer_digests
        and report.peer_digests[session.peer_id] != wanted.get(session.peer_id)
    ]
    down = [s for s in changed if s.state is not SessionState.ESTABLISHED]
    if (
        not down
        or report.driver is not state.driver
        or not _may_try(group, member, down)
    ):
        return keeping_speakers(state, report)
    kept = {s.peer_id: s.peer_ip for s in changed if s not in down}
    if not kept:
        return state
    return replace(
        state,
        kept_peer_ids=tuple(sorted(kept)),
        speakers=tuple(
            replace(
                speaker,
                peers=tuple(
                    peer
                    for peer in speaker.peers
                    if peer.id not in kept
                    # An address has one session.
                    and peer.peer_ip not in kept.values()
                ),
            )
            for speaker in state.speakers
        ),
    )


def may_change(group: Group, member: Assessment) -> bool:
    """Whether an amphora may be given other speakers than it has."""
    report = member.amphora.report
    if report is None:
        return False
    if not report.speakers_digest or not group.desired.should_announce:
        return True
    if not group.announced(member.amphora):
        return _may_try(group, member, report.sessions)
    return _turn(group) == member.id


def _may_try(
    group: Group, member: Assessment, down: Sequence[SessionReport]
) -> bool:
    """Whether sessions that carry nothing may be changed now.

    They have nothing to lose. But while another amphora tries the change
    out, what they are may be better.
    """
    return (
        member.amphora.record.speakers_changed_at is not None
        or not _is_tried_out(group, member)
        or _are_down_for_good(group, down)
    )


def starts_transition(
    group: Group, member: Assessment, state: DesiredState
) -> bool:
    """Whether telling this makes the amphora the one that tries it out."""
    report = member.amphora.report
    if report is None or state.keeps_speakers or not report.speakers_digest:
        return False
    is_other = report.speakers_digest != speakers_digest(state.speakers)
    if member.amphora.record.speakers_changed_at is not None:
        return is_other
    # To renew what is down gives no session up: that is no trial.
    return (
        is_other
        and bool(group.announced(member.amphora))
        and may_change(group, member)
    )


def recovered(group: Group) -> tuple[str, ...]:
    """Amphorae whose change of speakers is over: they announce with them."""
    return tuple(
        member.id
        for member in group.members
        if member.amphora.record.speakers_changed_at is not None
        and _has_recovered(group, member)
    )


def is_rolled_out(group: Group) -> bool:
    """Whether every live amphora has the speakers wanted, and lives well."""
    return all(
        _holds_wanted(group.desired, member)
        and (
            member.amphora.record.speakers_changed_at is None
            or not group.desired.should_announce
            or member.phase is Phase.DRAINED
        )
        for member in group.live
    )


def _turn(group: Group) -> str:
    """Whose turn it is: the id of one announcing amphora, or nothing.

    One that tries a change out comes first: it is nobody else's turn. It
    needs others that go on announcing what it announces (so not those whose
    configuration is about to change), unless there is none beside it: a
    cluster of one has no choice.
    """
    trying = [m for m in group.members if _is_in_transition(group, m)]
    candidates = trying or sorted(
        group.of(Phase.SERVING),
        # One whose agent answers first: another is about to be replaced. Then
        # a whole one: a half one cannot show that the change is right.
        key=lambda m: (
            m.amphora.record.mute_since is not None,
            not _is_whole(group, m),
            m.id,
        ),
    )
    for member in candidates:
        report = member.amphora.report
        if report is None or _holds_wanted(group.desired, member):
            continue
        mine = group.announced(member.amphora)
        others = _elsewhere(group, member, group.served)
        if mine and (mine <= others or _is_alone(group, member)):
            return member.id
    return ""


def _is_alone(group: Group, member: Assessment) -> bool:
    """Whether it is a cluster of one, whose spares have the change."""
    return group.desired.wanted == 1 and all(
        other.id == member.id or _stands_by_for(group, other)
        for other in group.live
    )


def _is_whole(group: Group, member: Assessment) -> bool:
    """Whether it announces all that others do."""
    mine = group.announced(member.amphora)
    return bool(mine) and _elsewhere(group, member, group.announced) <= mine


def _stands_by_for(group: Group, other: Assessment) -> bool:
    """Whether a spare has the speakers wanted, and sessions with them."""
    report = other.amphora.report
    return (
        report is not None
        and other.amphora.record.spare_since is not None
        and _holds_wanted(group.desired, other)
        and any(s.state is SessionState.ESTABLISHED for s in report.sessions)
    )


def _is_tried_out(group: Group, member: Assessment) -> bool:
    return any(
        _is_in_transition(group, other)
        for other in group.members
        if other.id != member.id
    )


def _is_in_transition(group: Group, member: Assessment) -> bool:
    """Whether it was given other speakers and is not through with them.

    One that died or fell silent is replaced; it holds nobody back. One whose
    agent hangs does: its speakerd says that its sessions are not back.
    """
    record = member.amphora.record
    return (
        record.speakers_changed_at is not None
        and record.applied_at is not None
        and member.amphora.report is not None
        and member.phase in (Phase.SERVING, Phase.MUTE)
        and not _has_recovered(group, member)
    )


def _has_recovered(group: Group, member: Assessment) -> bool:
    """Whether it announces all that others do, to the peers that others do.

    What nobody has cannot be missed: a leaf that is down holds nobody back.
    And the fabric has had the time to follow.
    """
    report = member.amphora.report
    if report is None or not report.are_speakers_loaded:
        return False
    mine = group.announced(member.amphora)
    is_spare = (
        member.amphora.record.spare_since is not None
        and not mine
        # It had a session, or it would not try anything out.
        and (
            not report.sessions
            or any(
                s.state is SessionState.ESTABLISHED for s in report.sessions
            )
        )
    )
    if not (is_spare or _is_whole(group, member)):
        return False
    elsewhere = _established_elsewhere(group, member)
    for session in report.sessions:
        is_up = session.state is SessionState.ESTABLISHED
        if not is_up and session.peer_id in elsewhere:
            return False
        if is_up and _age(group.now, session.since) < (
            group.desired.policy.withdraw_linger
        ):
            return False
    return True


def _are_down_for_good(
    group: Group, sessions: Sequence[SessionReport]
) -> bool:
    """Whether none of the sessions came up for long: nothing is at stake."""
    return all(
        session.state is not SessionState.ESTABLISHED
        and session.since is not None
        and _age(group.now, session.since)
        > group.desired.policy.session_patience
        for session in sessions
    )


def _age(now: datetime, since: datetime | None) -> float:
    return float("inf") if since is None else (now - since).total_seconds()


def _holds_wanted(desired: Desired, member: Assessment) -> bool:
    report, record = member.amphora.report, member.amphora.record
    return report is not None and report.speakers_digest == wanted_digest(
        desired.distributor, record
    )


def _elsewhere(
    group: Group, member: Assessment, paths: Callable[[ObservedAmphora], Paths]
) -> Paths:
    return frozenset().union(
        *(
            paths(other.amphora)
            for other in group.of(Phase.SERVING)
            if other.id != member.id
        )
    )


def _established_elsewhere(group: Group, member: Assessment) -> frozenset[str]:
    return frozenset(
        session.peer_id
        for other in group.of(Phase.SERVING)
        if other.id != member.id and other.amphora.report is not None
        for session in other.amphora.report.sessions
        if session.state is SessionState.ESTABLISHED
    )
