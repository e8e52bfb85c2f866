# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Statuses of a distributor, from what its amphorae's agents report.

Layer: planning. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.wire import Report
from octavia_anycast.planning.rollout import wanted_digest
from octavia_anycast.planning.status import OperatingStatus


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
        if not _has_wanted(distributor, amphora):
            age = _age(now, amphora.reported_at)
            if waited <= patience.report or age <= patience.report:
                waiting.append(amphora)
        elif _is_stuck(amphora, now, patience):
            return RolloutVerdict(
                status=RolloutStatus.ERROR, reason=_complaint(amphora)
            )
        elif _is_tried_out(amphora, now, patience):
            waiting.append(amphora)
    if not waiting:
        return RolloutVerdict(status=RolloutStatus.ACTIVE)
    # One after the other, so that many may take long.
    if waited > patience.session * (1 + len(concerned)):
        first = waiting[0].record
        return RolloutVerdict(
            status=RolloutStatus.ERROR,
            reason=f"{_named(first)} keeps the BGP peers that it had: it "
            "refuses others, or nobody else announces in its place.",
        )
    return RolloutVerdict(status=RolloutStatus.PENDING)


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
        and (not report.are_speakers_loaded or bool(_down(amphora)))
    )


def _is_stuck(
    amphora: ReportedAmphora, now: datetime, patience: RolloutPatience
) -> bool:
    """Whether it will not come back from it, as far as one can tell."""
    changed_at = amphora.record.speakers_changed_at
    return _is_tried_out(amphora, now, patience) and (
        _age(now, changed_at) > patience.session
    )


def _down(amphora: ReportedAmphora) -> list[str]:
    sessions = amphora.report.sessions if amphora.report else ()
    return [
        f"{session.peer_ip} is {session.state}"
        for session in sessions
        if session.state is not SessionState.ESTABLISHED
    ]


def _complaint(amphora: ReportedAmphora) -> str:
    record = amphora.record
    return (
        f"{_named(record)} has the changed BGP peers and does not announce "
        "with them: "
        f"{', '.join(_down(amphora))}. Amphorae that announce keep the peers "
        "that they had until the peer works or is changed again."
    )


def _named(record: AmphoraRecord) -> str:
    if record.load_balancer_id is None:
        return f"Amphora {record.id}"
    return f"Amphora {record.id} of load balancer {record.load_balancer_id}"


def _age(now: datetime, moment: datetime | None) -> float:
    return float("inf") if moment is None else (now - moment).total_seconds()
