# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Reports: what each agent last said of its sessions and paths."""

import json
from dataclasses import dataclass, replace
from datetime import datetime

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db.cluster_models import (
    Amphora,
    AmphoraRegistration,
    AmphoraReport,
)
from octavia_anycast.model import codec
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """An agent's report, of which amphora, and when it was given."""

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
    """Keep a report; False if there is no such amphora (any more).

    Listeners are left out: there may be hundreds, and their load balancer
    has them.
    """
    values = {
        "reported_at": now,
        "session_count": len(report.sessions),
        "established_count": sum(
            1
            for peering in report.sessions
            if peering.state is SessionState.ESTABLISHED
        ),
        "document": _document(report),
    }
    result = session.execute(
        update_rows(AmphoraReport)
        .where(AmphoraReport.amphora_id == amphora_id)
        .values(**values)
        .execution_options(synchronize_session="evaluate")
    )
    if result.rowcount:  # type: ignore[attr-defined]
        return True
    return _exists(session, amphora_id) and _create(
        session, amphora_id, values
    )


def list_for_distributor(
    session: Session, distributor_id: str
) -> list[StoredReport]:
    """The reports of a distributor's amphorae, by amphora; one query.

    One of another version of the agent contract is left out: the next look
    writes it anew.
    """
    return _stored(
        session, AmphoraRegistration.distributor_id == distributor_id
    )


def list_for_load_balancer(
    session: Session, load_balancer_id: str
) -> list[StoredReport]:
    """The reports of a load balancer's amphorae, in the same way."""
    return _stored(
        session, AmphoraRegistration.load_balancer_id == load_balancer_id
    )


def _stored(
    session: Session, condition: ColumnElement[bool]
) -> list[StoredReport]:
    rows = session.execute(
        select(AmphoraReport, AmphoraRegistration.load_balancer_id)
        .join(
            AmphoraRegistration,
            AmphoraRegistration.amphora_id == AmphoraReport.amphora_id,
        )
        .where(condition)
        .order_by(AmphoraReport.amphora_id)
    )
    found = []
    for row, load_balancer_id in rows:
        report = read(row.document)
        if report is not None:
            found.append(
                StoredReport(
                    amphora_id=row.amphora_id,
                    load_balancer_id=load_balancer_id,
                    reported_at=row.reported_at,
                    report=report,
                )
            )
    return found


def list_all(session: Session) -> dict[str, Report]:
    """amphora_id -> its last report, of those that can be read; one query."""
    rows = session.execute(
        select(AmphoraReport.amphora_id, AmphoraReport.document)
    )
    found = {amphora_id: read(text) for amphora_id, text in rows}
    return {i: report for i, report in found.items() if report is not None}


def session_counts(
    session: Session, fresh_since: datetime
) -> dict[str, SessionCounts]:
    """distributor_id -> BGP sessions of its amphorae in use; one query.

    A session last reported before ``fresh_since`` is not an established one.
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
        .where(Amphora.status == AmphoraStatus.ALLOCATED.value)
        .group_by(AmphoraRegistration.distributor_id)
    )
    return {
        distributor_id: SessionCounts(
            total=int(total), established=int(established)
        )
        for distributor_id, total, established in rows
    }


def _create(
    session: Session, amphora_id: str, values: dict[str, object]
) -> bool:
    try:
        with session.begin_nested():
            session.add(AmphoraReport(amphora_id=amphora_id, **values))
    except DBDuplicateEntry:  # another controller was quicker
        return False
    return True


def _exists(session: Session, amphora_id: str) -> bool:
    status = session.scalar(
        select(Amphora.status).where(Amphora.id == amphora_id)
    )
    return status not in (None, AmphoraStatus.DELETED.value)


def _document(report: Report) -> str:
    small = replace(report, listeners=(), lvs_listener_ids=())
    return json.dumps(codec.to_document(small), sort_keys=True)


def read(document: str) -> Report | None:
    """Read one as it is stored; None if it is of another version."""
    try:
        return codec.report_from(json.loads(document))
    except (ValueError, InvalidRequest):
        return None
