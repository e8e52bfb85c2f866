# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BGP peers: shared by the speakers that they are registered with."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from octavia_anycast.db import listing, models
from octavia_anycast.db.passwords import Cipher, WithoutPasswords
from octavia_anycast.model.bgp import (
    AuthType,
    BfdTimers,
    Peer,
    PeeringNetwork,
)
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.model.stored import Make, checked, unchecked

SAME = (
    "id",
    "name",
    "peer_ip",
    "remote_as",
    "ttl_hops",
    "hold_time",
    "keepalive_interval",
    "availability_zone",
    "compute_host",
    "max_prefixes",
    "communities",
    "as_path_prepend",
    "med",
    "local_pref",
)
COLUMNS: listing.Columns = {
    "id": models.Peer.id,
    "name": models.Peer.name,
    "peer_ip": models.Peer.peer_ip,
    "remote_as": models.Peer.remote_as,
    "auth_type": models.Peer.auth_type,
    "ttl_hops": models.Peer.ttl_hops,
    "hold_time": models.Peer.hold_time,
    "keepalive_interval": models.Peer.keepalive_interval,
    "peering_network": models.Peer.peering_network,
    "availability_zone": models.Peer.availability_zone,
    "compute_host": models.Peer.compute_host,
    "max_prefixes": models.Peer.max_prefixes,
    "as_path_prepend": models.Peer.as_path_prepend,
    "med": models.Peer.med,
    "local_pref": models.Peer.local_pref,
    "created_at": models.Peer.created_at,
    "updated_at": models.Peer.updated_at,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRecord:
    """A peer with what is known of its row; its password is hidden.

    It is as stored, even if this release would refuse it.
    """

    peer: Peer
    speaker_ids: tuple[str, ...]
    created_at: datetime
    updated_at: datetime | None


def create(session: Session, peer: Peer, cipher: Cipher) -> None:
    """Store a peer that no speaker uses yet."""
    session.add(row_of(peer, cipher))
    session.flush()


def get(session: Session, peer_id: str) -> PeerRecord:
    """One peer.

    :raises NotFound: if there is no such peer.
    """
    return _records(session, [_row(session, peer_id)])[0]


def lock(session: Session, peer_id: str) -> None:
    """Lock a peer and its registrations until the transaction ends.

    :raises NotFound: if there is no such peer.
    """
    # A registration that is being made wants to share this row.
    row = session.get(
        models.Peer, peer_id, with_for_update=True, populate_existing=True
    )
    if row is None:
        raise NotFound("BGP peer", peer_id)


def find(
    session: Session,
    peer_ids: Iterable[str],
    cipher: Cipher | None = None,
) -> dict[str, Peer]:
    """Those that exist, peer_id -> peer, in one query.

    :raises InvalidRequest: one is stored that this release refuses.
    """
    rows = session.scalars(
        select(models.Peer).where(models.Peer.id.in_(set(peer_ids)))
    )
    return {row.id: peer_of(row, cipher or WithoutPasswords()) for row in rows}


def page(session: Session, request: listing.Request) -> list[PeerRecord]:
    """A page of the list; two queries, three with a marker."""
    return _records(
        session, listing.page(session, models.Peer, COLUMNS, request)
    )


def list_stored(session: Session) -> list[Peer]:
    """Every peer as it is stored, without its password; one query."""
    rows = session.scalars(
        select(models.Peer).order_by(models.Peer.created_at, models.Peer.id)
    )
    return [peer_of(row, WithoutPasswords(), unchecked) for row in rows]


def update(
    session: Session, peer: Peer, cipher: Cipher, *, with_password: bool
) -> None:
    """Store what a peer has become.

    :param with_password: whether its password is a new one, or none; else
        the one that is stored stays
    :raises NotFound: if there is no such peer.
    """
    row = _row(session, peer.id)
    for name, value in _values(peer).items():
        setattr(row, name, value)
    if peer.password is None:
        row.password = None
    elif with_password:
        row.password = cipher.encrypt(peer.password)
    row.updated_at = models.utcnow()
    session.flush()


def delete(session: Session, peer_id: str) -> None:
    """Delete a peer.

    :raises NotFound: if there is no such peer.
    :raises Conflict: while it is registered with a speaker.
    """
    row = _row(session, peer_id)
    users = speakers_of(session, [peer_id])[peer_id]
    if users:
        raise Conflict(
            f"BGP peer {peer_id} cannot be deleted: it is registered with "
            f"{len(users)} BGP speaker(s)."
        )
    session.delete(row)
    session.flush()


def delete_unused(session: Session, peer_ids: Iterable[str]) -> None:
    """Delete those of these peers that no speaker uses (any more)."""
    session.execute(
        delete_rows(models.Peer).where(
            models.Peer.id.in_(set(peer_ids)),
            ~exists().where(models.PeerRegistration.peer_id == models.Peer.id),
        )
    )


def speakers_of(
    session: Session, peer_ids: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """peer_id -> ids of the speakers that it is registered with."""
    found: dict[str, list[str]] = {peer_id: [] for peer_id in peer_ids}
    for peer_id, speaker_id in session.execute(
        select(
            models.PeerRegistration.peer_id,
            models.PeerRegistration.speaker_id,
        )
        .where(models.PeerRegistration.peer_id.in_(found))
        .order_by(
            models.PeerRegistration.created_at,
            models.PeerRegistration.speaker_id,
        )
    ):
        found[peer_id].append(speaker_id)
    return {peer_id: tuple(ids) for peer_id, ids in found.items()}


def row_of(peer: Peer, cipher: Cipher) -> models.Peer:
    """Make a row; its password is encrypted."""
    return models.Peer(
        id=peer.id,
        password=cipher.encrypt(peer.password) if peer.password else None,
        **_values(peer),
    )


def peer_of(row: models.Peer, cipher: Cipher, make: Make = checked) -> Peer:
    """Read a row.

    :raises InvalidRequest: ``make`` refuses what is stored.
    """
    return make(
        Peer,
        auth_type=AuthType(row.auth_type) if row.auth_type else None,
        password=cipher.decrypt(row.password) if row.password else None,
        bfd=_bfd(row, make),
        peering_network=PeeringNetwork(row.peering_network),
        **{name: getattr(row, name) for name in SAME},
    )


def _values(peer: Peer) -> dict[str, Any]:
    """Column -> value, but the password."""
    return {
        "auth_type": peer.auth_type.value if peer.auth_type else None,
        "bfd_min_tx_ms": peer.bfd.min_tx_ms if peer.bfd else None,
        "bfd_min_rx_ms": peer.bfd.min_rx_ms if peer.bfd else None,
        "bfd_multiplier": peer.bfd.multiplier if peer.bfd else None,
        "peering_network": peer.peering_network.value,
    } | {name: getattr(peer, name) for name in SAME if name != "id"}


def _row(session: Session, peer_id: str) -> models.Peer:
    row = session.get(models.Peer, peer_id)
    if row is None:
        raise NotFound("BGP peer", peer_id)
    return row


def _records(session: Session, rows: list[models.Peer]) -> list[PeerRecord]:
    users = speakers_of(session, [row.id for row in rows])
    hidden = WithoutPasswords()
    return [
        PeerRecord(
            peer=peer_of(row, hidden, unchecked),
            speaker_ids=users[row.id],
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


def _bfd(row: models.Peer, make: Make) -> BfdTimers | None:
    if (
        row.bfd_min_tx_ms is None
        or row.bfd_min_rx_ms is None
        or row.bfd_multiplier is None
    ):
        return None
    return make(
        BfdTimers,
        min_tx_ms=row.bfd_min_tx_ms,
        min_rx_ms=row.bfd_min_rx_ms,
        multiplier=row.bfd_multiplier,
    )
