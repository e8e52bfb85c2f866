# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""External VIPs of distributors.

Each change counts the distributor's ``vips_revision`` up, under a lock of
its row: the controller sees by it that there is something to be told, and an
agent's report names the one that it has.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from octavia_anycast.db import listing, models
from octavia_anycast.db.distributor import lifecycle
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.model.registration import EXTERNAL_VIPS_MAX, ExternalVip

_ROW = models.ExternalVip
COLUMNS: listing.Columns = {
    "id": _ROW.id,
    "vip_address": _ROW.vip_ip,
    "next_hop": _ROW.nexthop_ip,
    "peer_id": _ROW.peer_id,
    "created_at": _ROW.created_at,
    "updated_at": _ROW.updated_at,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VipRecord:
    """An external VIP with what is known of its row."""

    vip: ExternalVip
    distributor_id: str
    created_at: datetime
    updated_at: datetime | None


def register(
    session: Session, distributor_id: str, vip: ExternalVip
) -> VipRecord:
    """Store one.

    :raises NotFound: if there is no such distributor.
    :raises Conflict: it has no amphorae to announce it, it is going away,
        it has that VIP, or as many as it may have.
    """
    row = lifecycle.locked(session, distributor_id)
    _check_takes_vips(row)
    if _count(session, _ROW.distributor_id == distributor_id) >= (
        EXTERNAL_VIPS_MAX
    ):
        raise Conflict(
            f"Distributor {distributor_id} has {EXTERNAL_VIPS_MAX} external "
            "VIPs, which is as many as one can have."
        )
    row.vips_revision += 1
    made = _ROW(
        id=vip.id,
        distributor_id=distributor_id,
        vip_ip=vip.vip_ip,
        nexthop_ip=vip.nexthop_ip,
        peer_id=vip.peer_id,
        since_revision=row.vips_revision,
    )
    _check_new(session, made)
    session.add(made)
    try:
        session.flush()
    except DBDuplicateEntry as e:
        raise _taken(made) from e
    return _record(made)


def unregister(session: Session, distributor_id: str, vip_id: str) -> None:
    """Delete one.

    :raises NotFound: if there is no such distributor, or no such VIP of it.
    """
    distributor = lifecycle.locked(session, distributor_id)
    session.delete(_row(session, distributor_id, vip_id))
    distributor.vips_revision += 1
    session.flush()


def get(session: Session, distributor_id: str, vip_id: str) -> VipRecord:
    """One of them.

    :raises NotFound: if there is no such VIP of this distributor.
    """
    return _record(_row(session, distributor_id, vip_id))


def page(
    session: Session, distributor_id: str, request: listing.Request
) -> list[VipRecord]:
    """A page of the list; one query, two with a marker."""
    rows = listing.page(
        session,
        _ROW,
        COLUMNS,
        request,
        _ROW.distributor_id == distributor_id,
    )
    return [_record(row) for row in rows]


def of_distributor(
    session: Session, distributor_id: str
) -> tuple[ExternalVip, ...]:
    """All of them, by address; one query that makes no objects of rows."""
    rows = session.execute(
        select(
            _ROW.id,
            _ROW.vip_ip,
            _ROW.nexthop_ip,
            _ROW.peer_id,
            _ROW.since_revision,
        )
        .where(_ROW.distributor_id == distributor_id)
        .order_by(_ROW.vip_ip)
    )
    return tuple(
        ExternalVip(
            id=row.id,
            vip_ip=row.vip_ip,
            nexthop_ip=row.nexthop_ip,
            peer_id=row.peer_id,
            since_revision=row.since_revision,
        )
        for row in rows
    )


def count(session: Session, distributor_id: str) -> int:
    """How many a distributor has."""
    return _count(session, _ROW.distributor_id == distributor_id)


def taken(
    session: Session, addresses: Collection[IPAddress]
) -> set[IPAddress]:
    """Those of these addresses that are an external VIP of anybody."""
    return set(
        session.scalars(
            select(_ROW.vip_ip).where(_ROW.vip_ip.in_(list(addresses)))
        )
    )


def _check_takes_vips(row: models.Distributor) -> None:
    if lifecycle.is_going(row):
        raise lifecycle.Immutable(row.id, row.provisioning_status)
    if not row.dedicated_count:
        raise Conflict(
            f"Distributor {row.id} has no amphorae of its own that could "
            "announce it: its dedicated_count is 0."
        )


def _check_new(session: Session, made: models.ExternalVip) -> None:
    """See that nobody announces it: not this distributor, nor another."""
    holder = session.scalar(
        select(_ROW.distributor_id).where(_ROW.vip_ip == made.vip_ip).limit(1)
    )
    if holder is not None:
        raise _taken(made, holder)


def _taken(made: models.ExternalVip, holder: str = "") -> Conflict:
    return Conflict(
        f"vip_address: {made.vip_ip} is an external VIP of distributor "
        f"{holder or made.distributor_id} already."
    )


def _count(session: Session, condition: object) -> int:
    statement = select(func.count()).select_from(_ROW)
    return int(session.scalar(statement.where(condition)) or 0)  # type: ignore[arg-type]


def _row(
    session: Session, distributor_id: str, vip_id: str
) -> models.ExternalVip:
    row = session.get(_ROW, vip_id)
    if row is None or row.distributor_id != distributor_id:
        raise NotFound("External VIP", vip_id)
    return row


def _record(row: models.ExternalVip) -> VipRecord:
    return VipRecord(
        vip=ExternalVip(
            id=row.id,
            vip_ip=row.vip_ip,
            nexthop_ip=row.nexthop_ip,
            peer_id=row.peer_id,
            since_revision=row.since_revision,
        ),
        distributor_id=row.distributor_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
