# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which amphorae are at a place, and which of them a zone drain takes.

The session is given and the caller owns the transaction.
"""

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session

from octavia_anycast.db import mapping, models
from octavia_anycast.db.distributor import peers
from octavia_anycast.db.models import Amphora, Cluster
from octavia_anycast.model.fleet.zone_drain import Place, ZoneDrain


def at(session: Session, place: Place) -> ColumnElement[bool]:
    """The condition that an amphora is at a place."""
    if place.availability_zone is not None:
        return Amphora.availability_zone == place.availability_zone
    if place.compute_host is not None:
        return Amphora.compute_host == place.compute_host
    peer_id = place.peer_id or ""
    peer = peers.find(session, [peer_id]).get(peer_id)
    if peer is None:
        return false()
    owners = (
        select(models.Speaker.distributor_id)
        .join(
            models.PeerRegistration,
            models.PeerRegistration.speaker_id == models.Speaker.id,
        )
        .where(models.PeerRegistration.peer_id == peer_id)
    )
    served = select(Cluster.load_balancer_id).where(
        Cluster.distributor_id.in_(owners)
    )
    # As Peer.selects says it of one amphora.
    selected = [
        column == wanted
        for column, wanted in (
            (Amphora.availability_zone, peer.availability_zone),
            (Amphora.compute_host, peer.compute_host),
        )
        if wanted is not None
    ]
    return and_(
        or_(
            Amphora.load_balancer_id.in_(served),
            Amphora.distributor_id.in_(owners),
        ),
        *selected,
    )


def taken(session: Session) -> dict[str, str]:
    """amphora_id -> the zone drain at whose place it is.

    Of those that do not end, and before a controller has marked anything.
    """
    row = models.ZoneDrain
    drains = session.scalars(
        select(row).where(row.ended_at.is_(None), row.end_wanted_at.is_(None))
    ).all()
    found: dict[str, str] = {}
    for drain in drains:
        place = mapping.read(ZoneDrain, drain).place
        ids = session.scalars(
            select(Amphora.id).where(~Amphora.is_deleted, at(session, place))
        )
        found |= dict.fromkeys(ids, drain.id)
    return found
