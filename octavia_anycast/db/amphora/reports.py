# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The last report of each agent: its sessions and paths.

``reported_at`` is when the agent last said so, by an answer or by the digest
in a heartbeat; ``updated_at`` is when it answered. What is counted in a report
is of the answer.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, bindparam, case, func, select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import mapping
from octavia_anycast.db.models import (
    Amphora,
    AmphoraRegistration,
    AmphoraReport,
)
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.wire import Report

# Column -> attribute, where they differ.
_NAMES = {"document": "report"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """An agent's report with its amphora and its time."""

    amphora_id: str
    load_balancer_id: str
    reported_at: datetime
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCounts:
    """BGP sessions of many amphorae: all, and those Established."""

    total: int
    established: int


def save(
    session: Session, amphora_id: str, report: Report, now: datetime
) -> bool:
    """Store a report; returns False if there is no such amphora."""
    return amphora_id in save_all(session, {amphora_id: report}, now)


def save_all(
    session: Session, found: Mapping[str, Report], now: datetime
) -> set[str]:
    """Store reports: a query, and a statement for each that is there.

    Their listeners are left out: there may be hundreds, and the load
    balancer's rows have them.

    :param found: amphora_id -> its report
    :returns: the amphorae that exist
    """
    # An UPDATE of a row that is not there locks the gap, and two writers of
    # first reports deadlock: a query says which are.
    stored = set(
        session.scalars(
            select(AmphoraReport.amphora_id).where(
                AmphoraReport.amphora_id.in_(sorted(found))
            )
        )
    )
    values = {i: _values(found[i], now) for i in sorted(found)}
    if stored.issuperset(values):
        _update(session, values)
        return stored
    saved = set()
    # In order, whoever is new among them: no deadlock.
    for amphora_id, row in values.items():
        if amphora_id in stored:
            _update(session, {amphora_id: row})
        elif not _insert(session, amphora_id, row):
            continue
        saved.add(amphora_id)
    return saved


def _values(report: Report, now: datetime) -> dict[str, Any]:
    return {
        "reported_at": now,
        "updated_at": now,
        "session_count": len(report.sessions),
        "established_count": sum(
            1
            for peering in report.sessions
            if peering.state is SessionState.ESTABLISHED
        ),
        "document": replace(report, listeners=(), lvs_listener_ids=()),
    }


def _insert(session: Session, amphora_id: str, values: dict[str, Any]) -> bool:
    there = select(Amphora.id).where(
        Amphora.id == amphora_id, ~Amphora.is_deleted
    )
    return session.scalar(there) is not None and mapping.insert(
        session,
        AmphoraReport(
            amphora_id=amphora_id,
            **{_NAMES.get(name, name): x for name, x in values.items()},
        ),
    )


def _update(session: Session, values: Mapping[str, dict[str, Any]]) -> None:
    """Prepare one statement for all; reports are not read as objects."""
    table = cast(Table, AmphoraReport.__table__)
    session.connection().execute(
        update_rows(table).where(table.c.amphora_id == bindparam("said_by")),
        [{"said_by": i, **row} for i, row in values.items()],
    )


def confirm(
    session: Session, amphora_ids: Collection[str], now: datetime
) -> None:
    """Record that agents still say what is stored of them; one statement."""
    session.execute(
        update_rows(AmphoraReport)
        .where(
            AmphoraReport.amphora_id.in_(sorted(amphora_ids)),
            AmphoraReport.reported_at < now,
        )
        .values(reported_at=now, updated_at=AmphoraReport.updated_at)
        .execution_options(synchronize_session=False)
    )


def list_for_distributor(
    session: Session, distributor_id: str
) -> list[StoredReport]:
    """The reports of a distributor's amphorae, by amphora; one query.

    A report of another version of the agent contract is left out: the next
    round stores a new one.
    """
    return _stored(
        session, AmphoraRegistration.distributor_id == distributor_id
    )


def list_for_load_balancer(
    session: Session, load_balancer_id: str
) -> list[StoredReport]:
    """The same for the amphorae of a load balancer."""
    return _stored(
        session, AmphoraRegistration.load_balancer_id == load_balancer_id
    )


def list_for_load_balancers(
    session: Session, load_balancer_ids: Collection[str]
) -> list[StoredReport]:
    """The same for those of several load balancers; one query."""
    return _stored(
        session, AmphoraRegistration.load_balancer_id.in_(load_balancer_ids)
    )


def _stored(
    session: Session, condition: ColumnElement[bool]
) -> list[StoredReport]:
    statement = (
        select(
            AmphoraReport.amphora_id,
            AmphoraRegistration.load_balancer_id,
            AmphoraReport.reported_at,
            AmphoraReport.report,
        )
        .join(
            AmphoraRegistration,
            AmphoraRegistration.amphora_id == AmphoraReport.amphora_id,
        )
        .where(condition)
        .order_by(AmphoraReport.amphora_id)
    )
    found = mapping.made(session, StoredReport, statement)
    return [one for one in found if one.report is not None]


def list_of_balancer(session: Session, load_balancer_id: str) -> list[Report]:
    """The last reports of the load balancer's amphorae in use; one query."""
    found = session.scalars(
        select(AmphoraReport.report)
        .join(Amphora, Amphora.id == AmphoraReport.amphora_id)
        .where(
            Amphora.load_balancer_id == load_balancer_id, Amphora.is_allocated
        )
    )
    return [report for report in found if report is not None]


def list_all(session: Session) -> dict[str, Report]:
    """amphora_id -> its last report, of those that can be read; one query."""
    rows = session.execute(
        select(AmphoraReport.amphora_id, AmphoraReport.report)
    )
    return {i: report for i, report in rows if report is not None}


def session_counts(
    session: Session, fresh_since: datetime
) -> dict[str, SessionCounts]:
    """distributor_id -> BGP sessions of its amphorae in use; one query.

    A session that was last reported before ``fresh_since`` does not count as
    established.
    """
    established = case(
        (
            AmphoraReport.reported_at >= fresh_since,
            AmphoraReport.established_count,
        ),
        else_=0,
    )
    rows = session.execute(
        select(
            AmphoraRegistration.distributor_id,
            func.sum(AmphoraReport.session_count),
            func.sum(established),
        )
        .join(
            AmphoraReport,
            AmphoraReport.amphora_id == AmphoraRegistration.amphora_id,
        )
        .join(Amphora, Amphora.id == AmphoraReport.amphora_id)
        .where(Amphora.is_allocated)
        .group_by(AmphoraRegistration.distributor_id)
    )
    return {
        distributor_id: SessionCounts(
            total=int(total), established=int(established)
        )
        for distributor_id, total, established in rows
    }
