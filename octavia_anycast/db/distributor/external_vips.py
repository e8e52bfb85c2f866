# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""External VIPs of distributors."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import select
from sqlalchemy.orm import Session

from octavia_anycast.db import listing, mapping, models
from octavia_anycast.db.distributor.announced import Announced, lock_taker
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.errors import Conflict
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
    """An external VIP and the columns of its row."""

    vip: ExternalVip
    distributor_id: str
    created_at: datetime
    updated_at: datetime | None


_VIPS = Announced(_ROW, ExternalVip, VipRecord, "vip", COLUMNS)
get, page, count = _VIPS.get, _VIPS.page, _VIPS.count
unregister = _VIPS.unregister


def register(
    session: Session, distributor_id: str, vip: ExternalVip
) -> VipRecord:
    """Store an external VIP.

    :raises NotFound: if there is no such distributor.
    :raises Conflict: the distributor cannot announce it or has as many as it
        may have, or a distributor has that VIP already.
    """
    row = lock_taker(session, distributor_id)
    if count(session, distributor_id) >= EXTERNAL_VIPS_MAX:
        raise Conflict(
            f"Distributor {distributor_id} has {EXTERNAL_VIPS_MAX} external "
            "VIPs, which is as many as one can have."
        )
    holder = session.scalar(
        select(_ROW.distributor_id).where(_ROW.vip_ip == vip.vip_ip).limit(1)
    )
    if holder is not None:
        raise _taken(vip, holder)
    row.vips_revision += 1
    try:
        return _VIPS.add(session, row, vip, since_revision=row.vips_revision)
    except DBDuplicateEntry as e:
        raise _taken(vip, distributor_id) from e


def of_distributor(
    session: Session, distributor_id: str
) -> tuple[ExternalVip, ...]:
    """All external VIPs of a distributor, by address; one query."""
    statement = (
        mapping.select_fields(_ROW, ExternalVip)
        .where(_ROW.distributor_id == distributor_id)
        .order_by(_ROW.vip_ip)
    )
    return tuple(mapping.made(session, ExternalVip, statement))


def taken(
    session: Session, addresses: Collection[IPAddress]
) -> set[IPAddress]:
    """Those of these addresses that are an external VIP of anybody."""
    return set(
        session.scalars(
            select(_ROW.vip_ip).where(_ROW.vip_ip.in_(list(addresses)))
        )
    )


def _taken(vip: ExternalVip, holder: str) -> Conflict:
    return Conflict(
        f"vip_address: {vip.vip_ip} is an external VIP of distributor "
        f"{holder} already."
    )
