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

from octavia_anycast.db import listing, mapping, models
from octavia_anycast.db.passwords import Cipher, WithoutPasswords
from octavia_anycast.model.bgp import Peer
from octavia_anycast.model.errors import Conflict
from octavia_anycast.model.stored import Make, checked, unchecked

COLUMNS = listing.columns(models.Peer, Peer)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRecord:
    """A peer and the columns of its row; its password is hidden.

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
    """Get one peer.

    :raises NotFound: if there is no such peer.
    """
    row = mapping.required(session, models.Peer, peer_id)
    return _records(session, [row])[0]


def lock(session: Session, peer_id: str) -> None:
    """Lock a peer and its registrations until the transaction ends.

    A new registration waits, as it locks this row for sharing.

    :raises NotFound: if there is no such peer.
    """
    mapping.locked(session, models.Peer, peer_id)


def find(
    session: Session, peer_ids: Iterable[str], cipher: Cipher | None = None
) -> dict[str, Peer]:
    """peer_id -> peer, of those that exist; one query.

    :raises InvalidRequest: one is stored that this release refuses.
    """
    rows = session.scalars(
        select(models.Peer).where(models.Peer.id.in_(set(peer_ids)))
    )
    return {row.id: peer_of(row, cipher or WithoutPasswords()) for row in rows}


def page(session: Session, request: listing.Request) -> list[PeerRecord]:
    """Get a page of the list; two queries, three with a marker."""
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
    """Replace what is stored of a peer.

    :param with_password: False keeps the stored password, if the peer has one
    :raises NotFound: if there is no such peer.
    """
    row = mapping.required(session, models.Peer, peer.id)
    values = _values(peer, cipher)
    if peer.password is not None and not with_password:
        del values["password"]
    mapping.assign(row, values)
    row.updated_at = models.utcnow()
    session.flush()


def delete(session: Session, peer_id: str) -> None:
    """Delete a peer.

    :raises NotFound: if there is no such peer.
    :raises Conflict: while it is registered with a speaker.
    """
    row = mapping.required(session, models.Peer, peer_id)
    users = speakers_of(session, [peer_id])[peer_id]
    if users:
        raise Conflict(
            f"BGP peer {peer_id} cannot be deleted: it is registered with "
            f"{len(users)} BGP speaker(s)."
        )
    session.delete(row)
    session.flush()


def delete_unused(session: Session, peer_ids: Iterable[str]) -> None:
    """Delete those of these peers that no speaker uses."""
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
    wanted = list(peer_ids)
    table = models.PeerRegistration
    found = mapping.grouped(
        session.execute(
            select(table.peer_id, table.speaker_id)
            .where(table.peer_id.in_(wanted))
            .order_by(table.created_at, table.speaker_id)
        )
    )
    return {peer_id: tuple(found.get(peer_id, ())) for peer_id in wanted}


def row_of(peer: Peer, cipher: Cipher) -> models.Peer:
    """Make a row; its password is encrypted."""
    return models.Peer(**_values(peer, cipher))


def peer_of(row: models.Peer, cipher: Cipher, make: Make = checked) -> Peer:
    """Read a row.

    :raises InvalidRequest: ``make`` refuses what is stored.
    """
    password = cipher.decrypt(row.password) if row.password else None
    return mapping.read(Peer, row, make, password=password)


def _values(peer: Peer, cipher: Cipher) -> dict[str, Any]:
    secret = cipher.encrypt(peer.password) if peer.password else None
    return mapping.columns_of(models.Peer, peer) | {"password": secret}


def _records(session: Session, rows: list[models.Peer]) -> list[PeerRecord]:
    users = speakers_of(session, [row.id for row in rows])
    hidden = WithoutPasswords()
    return [
        mapping.read(
            PeerRecord,
            row,
            peer=peer_of(row, hidden, unchecked),
            speaker_ids=users[row.id],
        )
        for row in rows
    ]
