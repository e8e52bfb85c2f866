# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Distributors with their speakers, peers and zones.

Passwords of peers are encrypted on the way in and decrypted on the way out;
the cipher is a parameter. Their statuses are in :mod:`.lifecycle`.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import func, select
from sqlalchemy.orm import Session, subqueryload

from octavia_anycast.db import listing, models
from octavia_anycast.db.cluster_models import Cluster
from octavia_anycast.db.distributor import counts, speakers
from octavia_anycast.db.passwords import Cipher, WithoutPasswords
from octavia_anycast.model.distributor import (
    Distributor,
    DistributorType,
    Zone,
)
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.model.stored import Make, checked, unchecked

# field of Distributor -> column, for those that are changed one by one
PLAIN = {
    "name": "name",
    "description": "description",
    "is_enabled": "enabled",
    "dedicated_count": "dedicated_count",
}
COLUMNS: listing.Columns = {
    "id": models.Distributor.id,
    "name": models.Distributor.name,
    "description": models.Distributor.description,
    "distributor_type": models.Distributor.distributor_type,
    "provisioning_status": models.Distributor.provisioning_status,
    "operating_status": models.Distributor.operating_status,
    "status_reason": models.Distributor.status_reason,
    "enabled": models.Distributor.enabled,
    # NULL is no default; see the model.
    "is_default": func.coalesce(models.Distributor.is_default, False),
    "dedicated_count": models.Distributor.dedicated_count,
    "created_at": models.Distributor.created_at,
    "updated_at": models.Distributor.updated_at,
}
# One query for each relationship, however long the page; "selectin", which
# the models have for single rows, takes another one each 500.
OF_PAGE = (
    subqueryload(models.Distributor.zones),
    subqueryload(models.Distributor.speakers)
    .subqueryload(models.Speaker.registrations)
    .joinedload(models.PeerRegistration.peer),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributorRecord:
    """A distributor with what is known of its row; passwords are hidden.

    It is as stored, even if this release would refuse it.
    """

    distributor: Distributor
    counts: counts.Counts
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowVersion:
    """What of a distributor's row changes with all that belongs to it."""

    provisioning_status: str
    operating_status: str
    updated_at: datetime | None


def create(
    session: Session, distributor: Distributor, cipher: Cipher
) -> DistributorRecord:
    """Store a distributor with all that it has.

    Peers that are there already are registered as they are by now.

    :raises Conflict: if it is to be the default and another one is.
    :raises InvalidRequest: if a peer that is there does not fit.
    """
    row = models.Distributor(
        id=distributor.id,
        name=distributor.name,
        description=distributor.description,
        distributor_type=distributor.distributor_type.value,
        provisioning_status=distributor.provisioning_status,
        operating_status=distributor.operating_status,
        status_reason=distributor.status_reason,
        enabled=distributor.is_enabled,
        is_default=distributor.is_default or None,
        speakers=speakers.rows_of(session, distributor.speakers, cipher),
        zones=_zone_rows(distributor.zones),
        dedicated_count=distributor.dedicated_count,
        vips_revision=0,
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
    distributor_of(row, WithoutPasswords())  # with peers that were there
    return _record(row, counts.Counts())


def get(
    session: Session,
    distributor_id: str,
    cipher: Cipher,
    make: Make = checked,
) -> Distributor | None:
    """One distributor; None if there is none.

    :param make: :func:`unchecked` where nothing of it reaches an amphora
    :raises InvalidRequest: ``make`` refuses what is stored.
    """
    row = session.get(models.Distributor, distributor_id)
    return None if row is None else distributor_of(row, cipher, make)


def row_version(session: Session, distributor_id: str) -> RowVersion | None:
    """What its row shows of changes; None if there is none. One query."""
    row = session.execute(
        select(
            models.Distributor.provisioning_status,
            models.Distributor.operating_status,
            models.Distributor.updated_at,
        ).where(models.Distributor.id == distributor_id)
    ).one_or_none()
    if row is None:
        return None
    return RowVersion(
        provisioning_status=row.provisioning_status,
        operating_status=row.operating_status,
        updated_at=row.updated_at,
    )


def show(session: Session, distributor_id: str) -> DistributorRecord:
    """One distributor with its counts.

    :raises NotFound: if there is no such distributor.
    """
    row = session.get(models.Distributor, distributor_id)
    if row is None:
        raise NotFound("Distributor", distributor_id)
    return _records(session, [row])[0]


def page(
    session: Session, request: listing.Request
) -> list[DistributorRecord]:
    """A page of the list; as many queries as for one."""
    rows = listing.page(
        session, models.Distributor, COLUMNS, request, options=OF_PAGE
    )
    return _records(session, rows)


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
    """Every distributor as stored, oldest first; five queries."""
    rows = session.scalars(
        select(models.Distributor).order_by(
            models.Distributor.created_at, models.Distributor.id
        )
    )
    return [distributor_of(row, cipher, unchecked) for row in rows]


def update(session: Session, distributor_id: str, **changes: Any) -> None:
    """Change its ``zones`` or one of PLAIN.

    :raises NotFound: if there is no such distributor.
    :raises ValueError: for another name.
    """
    row = session.get(models.Distributor, distributor_id)
    if row is None:
        raise NotFound("Distributor", distributor_id)
    for name, value in changes.items():
        if name == "zones":
            row.zones = _zone_rows(value)
        elif name in PLAIN:
            setattr(row, PLAIN[name], value)
        else:
            raise ValueError(f"{name} of a distributor does not change")
    row.updated_at = models.utcnow()
    session.flush()


def set_default(
    session: Session, distributor_id: str, is_default: bool
) -> None:
    """Make it the default instead of any other; or no longer.

    :raises NotFound: if there is no such distributor.
    :raises Conflict: if somebody else moved the default at the same time.
    """
    row = session.get(models.Distributor, distributor_id)
    if row is None:
        raise NotFound("Distributor", distributor_id)
    old = _default_row(session)
    if is_default and old is not None and old is not row:
        old.is_default = None
        session.flush()  # the unique key wants this one first
    row.is_default = is_default or None
    try:
        session.flush()
    except DBDuplicateEntry as e:
        raise Conflict(
            "is_default: another distributor has become the default just now."
        ) from e


def users_of(session: Session, distributor_id: str) -> int:
    """How many clusters use a distributor."""
    count = session.scalar(
        select(func.count())
        .select_from(Cluster)
        .where(Cluster.distributor_id == distributor_id)
    )
    return count or 0


def distributor_of(
    row: models.Distributor, cipher: Cipher, make: Make = checked
) -> Distributor:
    """Read a row.

    :raises InvalidRequest: ``make`` refuses what is stored.
    """
    return make(
        Distributor,
        id=row.id,
        name=row.name,
        description=row.description,
        distributor_type=DistributorType(row.distributor_type),
        provisioning_status=row.provisioning_status,
        operating_status=row.operating_status,
        status_reason=row.status_reason,
        is_enabled=row.enabled,
        is_default=bool(row.is_default),
        speakers=tuple(
            speakers.speaker_of(s, cipher, make) for s in row.speakers
        ),
        zones=_zones(row.zones, make),
        dedicated_count=row.dedicated_count,
    )


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


def _records(
    session: Session, rows: list[models.Distributor]
) -> list[DistributorRecord]:
    counted = counts.of_distributors(session, [row.id for row in rows])
    return [_record(row, counted[row.id]) for row in rows]


def _record(
    row: models.Distributor, counted: counts.Counts
) -> DistributorRecord:
    return DistributorRecord(
        distributor=distributor_of(row, WithoutPasswords(), unchecked),
        counts=counted,
        created_at=row.created_at,
        updated_at=row.updated_at,
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


def _zones(rows: list[models.Zone], make: Make) -> tuple[Zone, ...]:
    """Fold the rows, one per subnet, into zones; they lie side by side."""
    grouped = groupby(
        rows, key=lambda row: (row.availability_zone, row.frontend_network_id)
    )
    return tuple(
        make(
            Zone,
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
