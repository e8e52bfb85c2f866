# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Statuses of a distributor, from what its amphorae's agents report.

Layer: planning. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from octavia_anycast.model.bgp import AuthType, IPAddress, Peer, SessionState
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.wire import Report, SessionReport
from octavia_anycast.planning.amphora.rollout import wanted_digest
from octavia_anycast.planning.cluster.status import OperatingStatus


class RolloutStatus(StrEnum):
    """How far a change of a distributor has come."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutVerdict:
    """How far it has come, and the sentence that explains an ERROR."""

    status: RolloutStatus
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedAmphora:
    """An amphora of a distributor and what its agent last said, and when."""

    record: AmphoraRecord
    report: Report | None = None
    reported_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPatience:
    """How long is waited; seconds.

    :param session: for an amphora to announce again after the change
    :param report: until an amphora without a new report is out of reach
    """

    session: float
    report: float


def operating_status(
    *,
    is_enabled: bool,
    session_count: int,
    established_count: int,
    own_wanted: int = 0,
    own_count: int = 0,
) -> tuple[OperatingStatus, str]:
    """Say how a distributor's sessions stand, and why it is not ONLINE.

    :param own_wanted: how many amphorae of its own it is to have
    :param own_count: how many of them have a session
    """
    if not is_enabled:
        return OperatingStatus.OFFLINE, "disabled"
    problems = []
    if established_count < session_count:
        problems.append(
            f"{established_count} of {session_count} BGP sessions are "
            "Established"
        )
    if own_count < own_wanted:
        problems.append(
            f"{own_count} of {own_wanted} amphorae of its own have a BGP "
            "session"
        )
    if not problems:
        return OperatingStatus.ONLINE, ""
    reason = "; ".join(problems)
    if established_count:
        return OperatingStatus.DEGRADED, reason
    return OperatingStatus.ERROR, reason


def rollout_verdict(
    distributor: Distributor,
    amphorae: Sequence[ReportedAmphora],
    now: datetime,
    *,
    pending_since: datetime,
    patience: RolloutPatience,
) -> RolloutVerdict:
    """Say whether every amphora within reach has what is wanted.

    One that boots gets it when it has booted; one that leaves needs it no
    more; one out of reach gets it when it is back.
    """
    waited = (now - pending_since).total_seconds()
    concerned = [a for a in amphorae if _is_concerned(a.record)]
    waiting = []
    for amphora in concerned:
        reason = _trouble(distributor, amphora, now, patience)
        if reason:
            return RolloutVerdict(status=RolloutStatus.ERROR, reason=reason)
        if not _has_wanted(distributor, amphora):
            age = _age(now, amphora.reported_at)
            if waited <= patience.report or age <= patience.report:
                waiting.append(amphora)
        elif _is_tried_out(amphora, now, patience):
            waiting.append(amphora)
    if not waiting:
        return RolloutVerdict(status=RolloutStatus.ACTIVE)
    # One after the other, so that many may take long.
    if waited > patience.session * (1 + len(concerned)):
        return RolloutVerdict(
            status=RolloutStatus.ERROR,
            reason=_why_it_waits(distributor, waiting[0], concerned),
        )
    return RolloutVerdict(status=RolloutStatus.PENDING)


def _trouble(
    distributor: Distributor,
    amphora: ReportedAmphora,
    now: datetime,
    patience: RolloutPatience,
) -> str:
    """Why the change fails on this amphora, as far as it says so."""
    record, report = amphora.record, amphora.report
    if report is None or _age(now, amphora.reported_at) > patience.report:
        return ""
    if report.refusal and report.refused_digest == wanted_digest(
        distributor, record
    ):
        return (
            f"{_named(record)} keeps the BGP peers that it had: its BGP "
            f"daemon refuses the new ones: {report.refusal}"
        )
    if _is_stuck(amphora, now, patience):
        owner = "load balancer" if record.load_balancer_id else "distributor"
        return (
            f"{_named(record)} tries the changed BGP peers out: "
            f"{'; '.join(_down(distributor, report))}. The other amphorae of "
            f"its {owner} keep the peers that they had until these "
            "sessions are Established or the peers are changed again."
        )
    return ""


def _why_it_waits(
    distributor: Distributor,
    amphora: ReportedAmphora,
    concerned: Sequence[ReportedAmphora],
) -> str:
    """Why one has not got the change, after a time that was enough."""
    record, report = amphora.record, amphora.report
    if report is None:
        return f"{_named(record)} has not reported its BGP peers yet."
    if _has_wanted(distributor, amphora):
        return (
            f"{_named(record)} has the changed BGP peers, and its BGP daemon "
            "has not loaded them yet."
        )
    others = [
        other
        for other in concerned
        if other.record.load_balancer_id == record.load_balancer_id
        and other.record.id != record.id
    ]
    elsewhere = frozenset[IPAddress]().union(
        *(other.report.announced() for other in others if other.report)
    )
    keeps = f"{_named(record)} keeps the BGP peers that it had: "
    if alone := report.announced() - elsewhere:
        vips = ", ".join(sorted(map(str, alone)))
        return (
            f"{keeps}no other amphora announces {vips}, and the sessions "
            "would start over. It takes the new peers as soon as another one "
            "does."
        )
    for other in others:
        if other.report and other.record.speakers_changed_at is not None:
            down = _down(distributor, other.report)
            return (
                f"{keeps}it waits for amphora {other.record.id}, which tries "
                f"the new ones out{': ' if down else ''}{'; '.join(down)}."
            )
    return f"{keeps}it has not been told the new ones yet."


def _is_concerned(record: AmphoraRecord) -> bool:
    return (
        record.status is AmphoraStatus.ALLOCATED
        and record.leaving_since is None
    )


def _has_wanted(distributor: Distributor, amphora: ReportedAmphora) -> bool:
    report = amphora.report
    return report is not None and report.speakers_digest == wanted_digest(
        distributor, amphora.record
    )


def _is_tried_out(
    amphora: ReportedAmphora, now: datetime, patience: RolloutPatience
) -> bool:
    """Whether it was given the change and has not come back from it."""
    record, report = amphora.record, amphora.report
    return (
        report is not None
        and record.speakers_changed_at is not None
        and record.applied_at is not None
        and _age(now, amphora.reported_at) <= patience.report
        and (
            not report.are_speakers_loaded
            or any(
                session.state is not SessionState.ESTABLISHED
                for session in report.sessions
            )
        )
    )


def _is_stuck(
    amphora: ReportedAmphora, now: datetime, patience: RolloutPatience
) -> bool:
    """Whether it will not come back from it, as far as one can tell."""
    changed_at = amphora.record.speakers_changed_at
    return _is_tried_out(amphora, now, patience) and (
        _age(now, changed_at) > patience.session
    )


def _down(distributor: Distributor, report: Report) -> list[str]:
    peers = {p.id: p for s in distributor.speakers for p in s.peers}
    return [
        _session_in_words(session, peers.get(session.peer_id))
        for session in report.sessions
        if session.state is not SessionState.ESTABLISHED
    ]


def _session_in_words(session: SessionReport, peer: Peer | None) -> str:
    name = f"{peer.name} " if peer and peer.name else ""
    since = ""
    if session.since is not None:
        since = f" since {session.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    cause = session.error
    # A wrong MD5 signature is dropped without a word (RFC 2385, section 2.0).
    is_silent = not cause or "timed out" in cause
    if is_silent:
        cause = "the peer does not answer"
        if peer and peer.auth_type is AuthType.MD5:
            cause += " (suspected: another MD5 password)"
    return f"peer {name}({session.peer_ip}) is {session.state}{since}: {cause}"


def _named(record: AmphoraRecord) -> str:
    if record.load_balancer_id is None:
        return f"Amphora {record.id}"
    return f"Amphora {record.id} of load balancer {record.load_balancer_id}"


def _age(now: datetime, moment: datetime | None) -> float:
    return float("inf") if moment is None else (now - moment).total_seconds()
