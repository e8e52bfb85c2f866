# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BGP speakers of distributors, and the peers registered with them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import select
from sqlalchemy.orm import Session

from octavia_anycast.db import listing, mapping, models
from octavia_anycast.db.distributor import peers
from octavia_anycast.db.passwords import Cipher, WithoutPasswords
from octavia_anycast.model.bgp import Asn, Speaker, SpeakerDriver
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.model.stored import Make, checked, unchecked

COLUMNS = listing.columns(
    models.Speaker, Speaker, distributor_id=models.Speaker.distributor_id
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerRecord:
    """A speaker and the columns of its row; passwords are hidden.

    It is as stored, even if this release would refuse it.
    """

    speaker: Speaker
    distributor_id: str
    created_at: datetime
    updated_at: datetime | None


def create(
    session: Session, distributor_id: str, speaker: Speaker, cipher: Cipher
) -> None:
    """Store a speaker of a distributor.

    :raises Conflict: if it has one of that IP version.
    """
    (row,) = rows_of(session, (speaker,), cipher)
    row.distributor_id = distributor_id
    session.add(row)
    try:
        session.flush()
    except DBDuplicateEntry as e:
        raise Conflict(
            f"ip_version: distributor {distributor_id} has an IPv"
            f"{speaker.ip_version} speaker already."
        ) from e
    _forget_distributor(session, distributor_id)


def get(session: Session, speaker_id: str) -> SpeakerRecord:
    """Get one speaker.

    :raises NotFound: if there is no such speaker.
    """
    return _record(mapping.required(session, models.Speaker, speaker_id))


def page(session: Session, request: listing.Request) -> list[SpeakerRecord]:
    """Get a page of the list; three queries, four with a marker."""
    rows = listing.page(session, models.Speaker, COLUMNS, request)
    return [_record(row) for row in rows]


def update(
    session: Session, speaker_id: str, *, local_as: int, driver: SpeakerDriver
) -> None:
    """Change its AS, and the driver of all speakers of its distributor.

    :raises NotFound: if there is no such speaker.
    """
    row = mapping.required(session, models.Speaker, speaker_id)
    row.local_as = Asn(local_as)
    row.updated_at = models.utcnow()
    for other in session.scalars(
        select(models.Speaker).where(
            models.Speaker.distributor_id == row.distributor_id,
            models.Speaker.driver != driver,
        )
    ):
        other.driver = driver
        other.updated_at = models.utcnow()
    session.flush()
    _forget_distributor(session, row.distributor_id)


def register(session: Session, speaker_id: str, peer_id: str) -> None:
    """Register a peer as the last one of a speaker; idempotent.

    :raises NotFound: if there is no such speaker or peer.
    """
    row = mapping.required(session, models.Speaker, speaker_id)
    if any(r.peer_id == peer_id for r in row.registrations):
        return
    # The caller checks the whole with the peer as it is locked here.
    peer = mapping.locked(
        session, models.Peer, peer_id, with_for_update={"read": True}
    )
    last = max((r.position for r in row.registrations), default=-1)
    row.registrations.append(
        models.PeerRegistration(peer=peer, position=last + 1)
    )
    row.updated_at = models.utcnow()
    session.flush()


def unregister(session: Session, speaker_id: str, peer_id: str) -> None:
    """Remove a peer from a speaker; the peer stays.

    :raises NotFound: if there is no such speaker, or it has no such peer.
    """
    row = mapping.required(session, models.Speaker, speaker_id)
    kept = [r for r in row.registrations if r.peer_id != peer_id]
    if len(kept) == len(row.registrations):
        raise NotFound(f"BGP peer of BGP speaker {speaker_id}", peer_id)
    row.registrations = kept
    row.updated_at = models.utcnow()
    session.flush()


def delete(session: Session, speaker_id: str) -> None:
    """Delete a speaker with its registrations; the peers stay.

    :raises NotFound: if there is no such speaker.
    """
    row = mapping.required(session, models.Speaker, speaker_id)
    distributor_id = row.distributor_id
    session.delete(row)
    session.flush()
    _forget_distributor(session, distributor_id)


def distributors_of(
    session: Session, speaker_ids: Iterable[str]
) -> tuple[str, ...]:
    """The ids of the distributors that have these speakers, in order."""
    return tuple(
        session.scalars(
            select(models.Speaker.distributor_id)
            .where(models.Speaker.id.in_(set(speaker_ids)))
            .distinct()
            .order_by(models.Speaker.distributor_id)
        )
    )


def rows_of(
    session: Session, speakers: tuple[Speaker, ...], cipher: Cipher
) -> list[models.Speaker]:
    """Make rows of new speakers; a peer that exists stays as it is stored."""
    if not speakers:
        return []
    wanted = {peer.id: peer for s in speakers for peer in s.peers}
    stored = session.scalars(
        select(models.Peer)
        .where(models.Peer.id.in_(wanted))
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    rows = {row.id: row for row in stored}
    for peer_id in wanted.keys() - rows:
        rows[peer_id] = peers.row_of(wanted[peer_id], cipher)
    return [
        models.Speaker(
            **mapping.columns_of(models.Speaker, speaker),
            registrations=[
                models.PeerRegistration(peer=rows[peer.id], position=position)
                for position, peer in enumerate(speaker.peers)
            ],
        )
        for speaker in speakers
    ]


def speaker_of(
    row: models.Speaker, cipher: Cipher, make: Make = checked
) -> Speaker:
    """Read a row.

    :raises InvalidRequest: ``make`` refuses what is stored.
    """
    return mapping.read(
        Speaker,
        row,
        make,
        peers=tuple(
            peers.peer_of(r.peer, cipher, make) for r in row.registrations
        ),
    )


def _record(row: models.Speaker) -> SpeakerRecord:
    speaker = speaker_of(row, WithoutPasswords(), unchecked)
    return mapping.read(SpeakerRecord, row, speaker=speaker)


def _forget_distributor(session: Session, distributor_id: str) -> None:
    row = session.get(models.Distributor, distributor_id)
    if row is not None:
        session.expire(row, ["speakers"])
