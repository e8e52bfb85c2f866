# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the tables tell the doctor: rows, last reports, last heartbeats.

The reports are those that the controller stored; see :mod:`..amphora.reports`.
A constant number of queries, however many amphorae there are.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.models import (
    Amphora,
    AmphoraHealth,
    AmphoraReport,
    Cluster,
)
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.model.errors import NotFound
from octavia_anycast.model.stored import unchecked
from octavia_anycast.planning.doctor.seen import Limits, Seen, SeenAmphora

# What is younger is not asked for anew: as often as those not at rest.
LOOKED_AT_WITHIN = timedelta(seconds=10)
# A look takes 20 ms of the controller.
LOOKS_MAX = 100


def read(
    session: Session,
    now: datetime,
    limits: Limits,
    distributor_id: str | None = None,
) -> Seen:
    """Read what is known of one distributor, or of all.

    :raises NotFound: there is no such distributor.
    """
    if distributor_id is None:
        found = distributors.list_all(session, WithoutPasswords())
        has_default = any(one.is_default for one in found)
    else:
        one = distributors.get(
            session, distributor_id, WithoutPasswords(), unchecked
        )
        if one is None:
            raise NotFound("Distributor", distributor_id)
        found, has_default = [one], None
    return Seen(
        now=now,
        distributors=tuple(found),
        amphorae=_amphorae(session, distributor_id),
        has_default=has_default,
        limits=limits,
    )


def owners(session: Session, distributor_id: str | None) -> dict[str, str]:
    """load_balancer_id -> its distributor, of those that are not going."""
    statement = select(Cluster.load_balancer_id, Cluster.distributor_id)
    if distributor_id is not None:
        statement = statement.where(Cluster.distributor_id == distributor_id)
    return {
        load_balancer_id: owner
        for load_balancer_id, owner in session.execute(
            statement.order_by(Cluster.load_balancer_id)
        )
    }


def ask_for_looks(
    session: Session, distributor_id: str | None, now: datetime
) -> None:
    """Have load balancers looked at whose amphorae answered a while ago.

    Those at rest are looked at each few minutes only. Two statements; the
    ones that wait longest first, LOOKS_MAX at most.
    """
    before = now - LOOKED_AT_WITHIN
    statement = (
        select(Cluster.load_balancer_id)
        .join(Amphora, Amphora.load_balancer_id == Cluster.load_balancer_id)
        .join(AmphoraReport, AmphoraReport.amphora_id == Amphora.id)
        .where(
            Amphora.is_allocated,
            AmphoraReport.updated_at < before,
            or_(Cluster.changed_at.is_(None), Cluster.changed_at < before),
        )
        .group_by(Cluster.load_balancer_id)
        .order_by(func.min(AmphoraReport.updated_at))
        .limit(LOOKS_MAX)
    )
    if distributor_id is not None:
        statement = statement.where(Cluster.distributor_id == distributor_id)
    wanted = sorted(session.scalars(statement))
    if wanted:
        session.execute(
            update_rows(Cluster)
            .where(Cluster.load_balancer_id.in_(wanted))
            .values(changed_at=now)
            .execution_options(synchronize_session=False)
        )


def _amphorae(
    session: Session, distributor_id: str | None
) -> tuple[SeenAmphora, ...]:
    wanted = _is_wanted(distributor_id)
    of = select(Amphora.id).where(*wanted)
    rows = session.scalars(select(Amphora).where(*wanted).order_by(Amphora.id))
    records = [amphorae.record_of(row) for row in rows]
    of_clusters = owners(session, distributor_id)
    beats = _by_amphora(session, of, AmphoraHealth.counted_at)
    reported = _by_amphora(session, of, AmphoraReport.reported_at)
    answered = _by_amphora(session, of, AmphoraReport.updated_at)
    reports = _by_amphora(session, of, AmphoraReport.report)
    found = []
    for record in records:
        owner = record.distributor_id or of_clusters.get(
            record.load_balancer_id or ""
        )
        if owner is not None:
            found.append(
                SeenAmphora(
                    record=record,
                    distributor_id=owner,
                    beat_at=beats.get(record.id),
                    reported_at=reported.get(record.id),
                    answered_at=answered.get(record.id),
                    report=reports.get(record.id),
                )
            )
    return tuple(found)


def _is_wanted(distributor_id: str | None) -> tuple[ColumnElement[bool], ...]:
    if distributor_id is None:
        return (~Amphora.is_deleted,)
    of = select(Cluster.load_balancer_id).where(
        Cluster.distributor_id == distributor_id
    )
    return (
        ~Amphora.is_deleted,
        or_(
            Amphora.distributor_id == distributor_id,
            Amphora.load_balancer_id.in_(of),
        ),
    )


def _by_amphora(session: Session, of: Any, column: Any) -> dict[str, Any]:
    """amphora_id -> a column of a table with one row for each amphora."""
    key = column.class_.amphora_id
    rows = session.execute(select(key, column).where(key.in_(of)))
    return {amphora_id: value for amphora_id, value in rows}
