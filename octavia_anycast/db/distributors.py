# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Distributors with their speakers, peers and zones.

Passwords of peers are encrypted on the way in and decrypted on the way out;
the cipher is a parameter.
"""

from itertools import groupby
from typing import Protocol

from oslo_db.exception import DBDuplicateEntry, DBReferenceError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from octavia_anycast.db import models
from octavia_anycast.db.cluster_models import Cluster
from octavia_anycast.model.bgp import (
    Asn,
    AuthType,
    BfdTimers,
    Peer,
    PeeringNetwork,
    Speaker,
    SpeakerDriver,
)
from octavia_anycast.model.distributor import (
    Distributor,
    DistributorType,
    Zone,
)
from octavia_anycast.model.errors import Conflict, NotFound

SAME_IN_PEER = (
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


class Cipher(Protocol):
    """What keeps passwords secret at rest."""

    def encrypt(self, text: str) -> str:
        """Encrypt."""

    def decrypt(self, text: str) -> str:
        """Decrypt what :meth:`encrypt` made."""


class WithoutPasswords:
    """A cipher for readers that show no passwords: it decrypts nothing."""

    def encrypt(self, text: str) -> str:
        """It is for reading only."""
        raise NotImplementedError

    def decrypt(self, text: str) -> str:
        """Something in the place of the password."""
        return "*"


def create(session: Session, distributor: Distributor, cipher: Cipher) -> None:
    """Store a distributor with all that it has.

    :raises Conflict: if it is to be the default and another one is.
    """
    row = models.Distributor(
        id=distributor.id,
        name=distributor.name,
        description=distributor.description,
        distributor_type=distributor.distributor_type.value,
        provisioning_status=distributor.provisioning_status,
        operating_status=distributor.operating_status,
        enabled=distributor.is_enabled,
        is_default=distributor.is_default or None,
        speakers=[_speaker_row(s, cipher) for s in distributor.speakers],
        zones=_zone_rows(distributor.zones),
    )
    if distributor.is_default and _default_row(session) is not None:
        raise _second_default()
    session.add(row)
    try:
        session.flush()
    except DBDuplicateEntry as e:
        if distributor.is_default and "is_default" in str(e.columns):
            raise _second_default() from e
        raise Conflict(f"Distributor {distributor.id} exists already.") from e


def get(
    session: Session, distributor_id: str, cipher: Cipher
) -> Distributor | None:
    """One distributor; None if there is none."""
    row = session.get(models.Distributor, distributor_id)
    return None if row is None else _distributor(row, cipher)


def get_default(session: Session, cipher: Cipher) -> Distributor | None:
    """The distributor of load balancers that name none."""
    row = _default_row(session)
    return None if row is None else _distributor(row, cipher)


def exists(session: Session, distributor_id: str) -> bool:
    """Whether there is such a distributor; no password is decrypted."""
    return (
        session.scalar(
            select(models.Distributor.id).where(
                models.Distributor.id == distributor_id
            )
        )
        is not None
    )


def default_id(session: Session) -> str | None:
    """The id of the default distributor; no password is decrypted."""
    return session.scalar(
        select(models.Distributor.id).where(
            models.Distributor.is_default.is_(True)
        )
    )


def is_empty(session: Session) -> bool:
    """Whether there is no distributor at all."""
    return session.scalar(select(models.Distributor.id).limit(1)) is None


def list_all(session: Session, cipher: Cipher) -> list[Distributor]:
    """Every distributor, oldest first; five queries, however many."""
    rows = session.scalars(
        select(models.Distributor).order_by(
            models.Distributor.created_at, models.Distributor.id
        )
    )
    return [_distributor(row, cipher) for row in rows]


def delete(session: Session, distributor_id: str) -> None:
    """Delete a distributor with all that it has.

    :raises NotFound: if there is no such distributor.
    :raises Conflict: while load balancers use it, saying how many.
    """
    row = session.get(models.Distributor, distributor_id)
    if row is None:
        raise NotFound("Distributor", distributor_id)
    users = users_of(session, distributor_id)
    if users:
        raise _in_use(distributor_id, f"{users} load balancer(s) use it")
    session.delete(row)
    try:
        session.flush()
    except DBReferenceError as e:  # one came between the count and this
        raise _in_use(distributor_id, "a load balancer uses it") from e


def users_of(session: Session, distributor_id: str) -> int:
    """How many clusters use a distributor."""
    count = session.scalar(
        select(func.count())
        .select_from(Cluster)
        .where(Cluster.distributor_id == distributor_id)
    )
    return count or 0


def _in_use(distributor_id: str, why: str) -> Conflict:
    return Conflict(f"Distributor {distributor_id} cannot be deleted: {why}.")


def _second_default() -> Conflict:
    return Conflict(
        "is_default: there is a default distributor already; there can be "
        "one only."
    )


def _default_row(session: Session) -> models.Distributor | None:
    return session.scalars(
        select(models.Distributor).where(
            models.Distributor.is_default.is_(True)
        )
    ).one_or_none()


def _speaker_row(speaker: Speaker, cipher: Cipher) -> models.Speaker:
    return models.Speaker(
        id=speaker.id,
        ip_version=speaker.ip_version,
        local_as=speaker.local_as,
        driver=speaker.driver.value,
        registrations=[
            models.PeerRegistration(
                peer=_peer_row(peer, cipher), position=position
            )
            for position, peer in enumerate(speaker.peers)
        ],
    )


def _peer_row(peer: Peer, cipher: Cipher) -> models.Peer:
    return models.Peer(
        auth_type=peer.auth_type.value if peer.auth_type else None,
        password=cipher.encrypt(peer.password) if peer.password else None,
        bfd_min_tx_ms=peer.bfd.min_tx_ms if peer.bfd else None,
        bfd_min_rx_ms=peer.bfd.min_rx_ms if peer.bfd else None,
        bfd_multiplier=peer.bfd.multiplier if peer.bfd else None,
        peering_network=peer.peering_network.value,
        **{name: getattr(peer, name) for name in SAME_IN_PEER},
    )


def _zone_rows(zones: tuple[Zone, ...]) -> list[models.Zone]:
    places = [
        (zone, subnet_id)
        for zone in zones
        for subnet_id in zone.frontend_subnet_ids or (None,)
    ]
    return [
        models.Zone(
            availability_zone=zone.availability_zone,
            frontend_network_id=zone.frontend_network_id,
            frontend_subnet_id=subnet_id,
            position=position,
        )
        for position, (zone, subnet_id) in enumerate(places)
    ]


def _distributor(row: models.Distributor, cipher: Cipher) -> Distributor:
    return Distributor(
        id=row.id,
        name=row.name,
        description=row.description,
        distributor_type=DistributorType(row.distributor_type),
        provisioning_status=row.provisioning_status,
        operating_status=row.operating_status,
        is_enabled=row.enabled,
        is_default=bool(row.is_default),
        speakers=tuple(_speaker(s, cipher) for s in row.speakers),
        zones=_zones(row.zones),
    )


def _speaker(row: models.Speaker, cipher: Cipher) -> Speaker:
    return Speaker(
        id=row.id,
        ip_version=row.ip_version,
        local_as=Asn(row.local_as),
        driver=SpeakerDriver(row.driver),
        peers=tuple(_peer(r.peer, cipher) for r in row.registrations),
    )


def _peer(row: models.Peer, cipher: Cipher) -> Peer:
    return Peer(
        auth_type=AuthType(row.auth_type) if row.auth_type else None,
        password=cipher.decrypt(row.password) if row.password else None,
        bfd=_bfd(row),
        peering_network=PeeringNetwork(row.peering_network),
        **{name: getattr(row, name) for name in SAME_IN_PEER},
    )


def _bfd(row: models.Peer) -> BfdTimers | None:
    if (
        row.bfd_min_tx_ms is None
        or row.bfd_min_rx_ms is None
        or row.bfd_multiplier is None
    ):
        return None
    return BfdTimers(
        min_tx_ms=row.bfd_min_tx_ms,
        min_rx_ms=row.bfd_min_rx_ms,
        multiplier=row.bfd_multiplier,
    )


def _zones(rows: list[models.Zone]) -> tuple[Zone, ...]:
    """Fold the rows, one per subnet, into zones; they lie side by side."""
    grouped = groupby(
        rows, key=lambda row: (row.availability_zone, row.frontend_network_id)
    )
    return tuple(
        Zone(
            availability_zone=availability_zone,
            frontend_network_id=network_id,
            frontend_subnet_ids=tuple(
                row.frontend_subnet_id
                for row in members
                if row.frontend_subnet_id is not None
            ),
        )
        for (availability_zone, network_id), members in grouped
    )
