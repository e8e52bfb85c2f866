# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a picture shows of our tables: one query each, columns only.

Their number does not grow with the number of load balancers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from octavia_anycast.db import mapping
from octavia_anycast.db.models import (
    Amphora,
    AmphoraHealth,
    AmphoraListenerStatistics,
    AmphoraReport,
    Cluster,
    Distributor,
    Peer,
)
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturedCluster:
    """Amphorae that belong together: of a load balancer.

    Or a distributor's own: ``is_distributor``, and the id is the
    distributor's.
    """

    id: str
    name: str = ""
    project_id: str = ""
    size_desired: int
    operating_status: str
    provisioning_status: str
    reason: str
    is_distributor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturedPeer:
    """A router; ``name`` may be empty."""

    id: str
    name: str
    peer_ip: IPAddress
    availability_zone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """New connections of an amphora until its heartbeat of ``at``."""

    at: datetime
    connections: int


def clusters(
    session: Session, load_balancer_id: str | None = None
) -> list[PicturedCluster]:
    """The clusters of load balancers, or of one only."""
    statement = select(
        Cluster.load_balancer_id.label("id"),
        Cluster.project_id,
        Cluster.size_desired,
        Cluster.operating_status,
        Cluster.provisioning_status,
        Cluster.reason,
    )
    if load_balancer_id is not None:
        statement = statement.where(
            Cluster.load_balancer_id == load_balancer_id
        )
    return mapping.made(session, PicturedCluster, statement)


def distributors(
    session: Session, distributor_id: str | None = None
) -> list[PicturedCluster]:
    """The distributors with amphorae of their own, or one of them only."""
    statement = select(
        Distributor.id,
        Distributor.name,
        Distributor.dedicated_count.label("size_desired"),
        Distributor.operating_status,
        Distributor.provisioning_status,
        Distributor.status_reason.label("reason"),
    ).where(Distributor.dedicated_count > 0)
    if distributor_id is not None:
        statement = statement.where(Distributor.id == distributor_id)
    return [
        PicturedCluster(**row, is_distributor=True)
        for row in session.execute(statement).mappings()
    ]


def dedicated(session: Session) -> dict[str, str]:
    """amphora_id -> distributor_id, of distributors' own amphorae."""
    rows = session.execute(
        select(Amphora.id, Amphora.distributor_id).where(
            ~Amphora.is_deleted, Amphora.distributor_id.is_not(None)
        )
    )
    return {amphora_id: owner for amphora_id, owner in rows}


def peers(session: Session) -> list[PicturedPeer]:
    """Every peer, by its name and address."""
    found = mapping.made(
        session, PicturedPeer, mapping.select_fields(Peer, PicturedPeer)
    )
    return sorted(found, key=lambda x: (x.name, str(x.peer_ip), x.id))


def connections(session: Session) -> dict[str, Counted]:
    """amphora_id -> the new connections that its listeners counted."""
    row = AmphoraListenerStatistics
    rows = session.execute(
        select(
            row.amphora_id,
            AmphoraHealth.counted_at,
            func.sum(row.total_connections),
        )
        .join(AmphoraHealth, AmphoraHealth.amphora_id == row.amphora_id)
        .where(AmphoraHealth.counted_at.is_not(None))
        .group_by(row.amphora_id, AmphoraHealth.counted_at)
    )
    return {
        amphora_id: Counted(at=at, connections=int(total))
        for amphora_id, at, total in rows
        if at is not None
    }


def hosts(session: Session, owner_id: str) -> dict[str, str]:
    """amphora_id -> its compute host, of one cluster's."""
    rows = session.execute(
        select(Amphora.id, Amphora.compute_host).where(
            ~Amphora.is_deleted, _is_owned(owner_id)
        )
    )
    return {amphora_id: host or "" for amphora_id, host in rows}


def reports(session: Session, owner_id: str) -> Mapping[str, Report]:
    """amphora_id -> its last report, of one cluster's; whole."""
    rows = session.execute(
        select(AmphoraReport.amphora_id, AmphoraReport.report)
        .join(Amphora, Amphora.id == AmphoraReport.amphora_id)
        .where(~Amphora.is_deleted, _is_owned(owner_id))
    )
    return {i: report for i, report in rows if report is not None}


def _is_owned(owner_id: str) -> ColumnElement[bool]:
    return or_(
        Amphora.load_balancer_id == owner_id,
        Amphora.distributor_id == owner_id,
    )
