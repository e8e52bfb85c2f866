# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Totals over the whole deployment, for metrics: one query each.

Their number does not grow with the number of load balancers. What SQL can
sum, it sums; amphorae come one by one, for their reports are documents, which
are read once for each answer of an agent.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, or_, select
from sqlalchemy.orm import Session

from octavia_anycast.db.amphora.report_summary import (
    ANSWERED_AT,
    ReportSummaries,
)
from octavia_anycast.db.models import (
    Amphora,
    AmphoraHealth,
    AmphoraReport,
    Cluster,
    Distributor,
    Peer,
)
from octavia_anycast.planning.amphora.recorded import CountedAmphora


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterTotals:
    """Clusters of one operating status, and what is wanted of them all.

    Nothing is wanted of those that are being deleted.
    """

    count: int
    desired: int
    spares: int


def ping(session: Session) -> None:
    """Ask the database for nothing."""
    session.execute(select(literal(1)))


def clusters(session: Session) -> dict[str, ClusterTotals]:
    """Operating status -> totals of the clusters that have it."""
    rows = session.execute(
        select(
            Cluster.operating_status,
            func.count(),
            func.sum(_wanted(Cluster.size_desired)),
            func.sum(_wanted(Cluster.spare_count)),
        ).group_by(Cluster.operating_status)
    )
    return {
        status: ClusterTotals(
            count=int(count), desired=int(desired), spares=int(spares)
        )
        for status, count, desired, spares in rows
    }


def desired_sizes(session: Session) -> dict[str, int]:
    """load_balancer_id -> how many amphorae it is to have, without spares."""
    rows = session.execute(
        select(Cluster.load_balancer_id, _wanted(Cluster.size_desired))
    )
    return {load_balancer_id: int(size) for load_balancer_id, size in rows}


def _wanted(column: Any) -> ColumnElement[Any]:
    """A size, or 0 where the load balancer is being deleted."""
    is_going = or_(
        Cluster.is_deletion_wanted.is_(True),
        Cluster.provisioning_status == "PENDING_DELETE",
    )
    return case((is_going, 0), else_=column)


def distributors(session: Session) -> dict[str, int]:
    """Operating status -> how many distributors have it."""
    rows = session.execute(
        select(Distributor.operating_status, func.count()).group_by(
            Distributor.operating_status
        )
    )
    return {status: int(count) for status, count in rows}


def peer_names(session: Session) -> dict[str, str]:
    """peer_id -> its name, or its address if it has none."""
    rows = session.execute(select(Peer.id, Peer.name, Peer.peer_ip))
    return {peer_id: name or str(address) for peer_id, name, address in rows}


def counted_amphorae(
    session: Session,
    owner_id: str | None = None,
    *,
    summaries: ReportSummaries | None = None,
) -> list[CountedAmphora]:
    """Every amphora that is not DELETED, with its last report.

    A query, and another one for reports that ``summaries`` does not have.

    :param owner_id: only those of this load balancer or distributor
    :param summaries: of reports that were read before
    """
    if summaries is None:
        summaries = ReportSummaries()
    statement = _COUNTED
    if owner_id is not None:
        statement = statement.where(
            or_(
                Amphora.load_balancer_id == owner_id,
                Amphora.distributor_id == owner_id,
            )
        )
    rows = session.execute(statement).all()
    # The columns begin with the id and end with the time of the answer.
    answered = {row[0]: row[-1] for row in rows if row[-1] is not None}
    said = summaries.of(session, answered)
    if owner_id is None:
        summaries.keep_only(answered)
    return [
        CountedAmphora(
            **dict(zip(_COLUMNS, row[:-1], strict=True)), said=said.get(row[0])
        )
        for row in rows
    ]


_COUNTED = (
    select(
        Amphora.id.label("amphora_id"),
        Amphora.load_balancer_id,
        Amphora.status,
        Amphora.status_since,
        Amphora.availability_zone,
        Amphora.frontend_mac_address.is_not(None).label("has_frontend"),
        Amphora.cert_expiration,
        Amphora.applied_at,
        Amphora.leaving_since,
        Amphora.spare_since,
        Amphora.drain_wanted_since,
        Amphora.draining_since,
        Amphora.drained_at,
        Amphora.mute_since,
        Amphora.stale_since,
        AmphoraHealth.last_update.label("heard_at"),
        AmphoraHealth.counted_at.label("beat_at"),
        AmphoraReport.reported_at,
        ANSWERED_AT.label("answered_at"),
    )
    .select_from(Amphora)
    .outerjoin(AmphoraHealth, AmphoraHealth.amphora_id == Amphora.id)
    .outerjoin(AmphoraReport, AmphoraReport.amphora_id == Amphora.id)
    .where(~Amphora.is_deleted)
)
_COLUMNS = [str(column.key) for column in _COUNTED.selected_columns][:-1]
