# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Distributors with their speakers, peers and zones.

Passwords of peers are encrypted on the way in and decrypted on the way out;
the cipher is a parameter. Their statuses are in :mod:`.lifecycle`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import Boolean, func, select, type_coerce
from sqlalchemy.orm import Session, subqueryload

from octavia_anycast.db import listing, mapping, models
from octavia_anycast.db.distributor import speakers
from octavia_anycast.db.passwords import Cipher, WithoutPasswords
from octavia_anycast.model.distributor import Distributor, Zone
from octavia_anycast.model.errors import Conflict
from octavia_anycast.model.stored import Make, checked, unchecked

# What of a distributor is changed by itself.
PLAIN = ("name", "description", "is_enabled", "dedicated_count")
_ROW = models.Distributor
_IS_DEFAULT = type_coerce(_ROW.is_default, Boolean())
COLUMNS = listing.columns(
    _ROW, Distributor, is_default=func.coalesce(_IS_DEFAULT, False)
)
# One query for each relationship, however long the page; "selectin", which
# the models have for single rows, takes another one for each 500.
OF_PAGE = (
    subqueryload(_ROW.zones),
    subqueryload(_ROW.speakers)
    .subqueryload(models.Speaker.registrations)
    .joinedload(models.PeerRegistration.peer),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of a distributor: load balancers that use it, their amphorae and its
    own, and the VIPs that these announce, each counted once."""

    load_balancers: int = 0
    amphorae: int = 0
    vips: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributorRecord:
    """A distributor, its counts and its row's times; passwords are hidden.

    It is as stored, even if this release would refuse it.
    """

    distributor: Distributor
    counts: Counts
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowVersion:
    """The columns that change with any part of a distributor."""

    provisioning_status: str
    operating_status: str
    updated_at: datetime | None


def create(
    session: Session, distributor: Distributor, cipher: Cipher
) -> DistributorRecord:
    """Store a distributor with its speakers, peers and zones.

    Peers that exist are registered as they are stored.

    :raises Conflict: if it is to be the default and another one is.
    :raises InvalidRequest: if a peer that exists does not fit.
    """
    row = _ROW(
        **mapping.columns_of(_ROW, distributor),
        speakers=speakers.rows_of(session, distributor.speakers, cipher),
        zones=_zone_rows(distributor.zones),
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
    distributor_of(row, WithoutPasswords())  # checks it with stored peers
    return _record(row, Counts())


def get(
    session: Session, distributor_id: str, cipher: Cipher, make: Make = checked
) -> Distributor | None:
    """Get one distributor; None if there is none.

    :param make: :func:`unchecked` where nothing of it reaches an amphora
    :raises InvalidRequest: ``make`` refuses what is stored.
    """
    row = session.get(_ROW, distributor_id)
    return None if row is None else distributor_of(row, cipher, make)


def row_version(session: Session, distributor_id: str) -> RowVersion | None:
    """Get what shows a change; None if there is no such row. One query."""
    found = mapping.made(
        session,
        RowVersion,
        mapping.select_fields(_ROW, RowVersion).where(
            _ROW.id == distributor_id
        ),
    )
    return found[0] if found else None


def show(session: Session, distributor_id: str) -> DistributorRecord:
    """Get one distributor with its counts.

    :raises NotFound: if there is no such distributor.
    """
    row = mapping.required(session, _ROW, distributor_id)
    return _records(session, [row])[0]


def page(
    session: Session, request: listing.Request
) -> list[DistributorRecord]:
    """Get a page of the list; as many queries as for one."""
    rows = listing.page(session, _ROW, COLUMNS, request, options=OF_PAGE)
    return _records(session, rows)


def exists(session: Session, distributor_id: str) -> bool:
    """Whether there is such a distributor; no password is decrypted."""
    found = select(_ROW.id).where(_ROW.id == distributor_id)
    return session.scalar(found) is not None


def default_id(session: Session) -> str | None:
    """Get the default distributor's id; no password is decrypted."""
    return session.scalar(select(_ROW.id).where(_IS_DEFAULT.is_(True)))


def is_empty(session: Session) -> bool:
    """Whether there is no distributor at all."""
    return session.scalar(select(_ROW.id).limit(1)) is None


def list_all(session: Session, cipher: Cipher) -> list[Distributor]:
    """Every distributor as stored, oldest first; five queries."""
    rows = session.scalars(select(_ROW).order_by(_ROW.created_at, _ROW.id))
    return [distributor_of(row, cipher, unchecked) for row in rows]


def update(session: Session, distributor_id: str, **changes: Any) -> None:
    """Change its ``zones`` or one of PLAIN.

    :raises NotFound: if there is no such distributor.
    :raises ValueError: for another name.
    """
    row = mapping.required(session, _ROW, distributor_id)
    for name, value in changes.items():
        if name == "zones":
            row.zones = _zone_rows(value)
        elif name in PLAIN:
            setattr(row, name, value)
        else:
            raise ValueError(f"{name} of a distributor does not change")
    row.updated_at = models.utcnow()
    session.flush()


def set_default(
    session: Session, distributor_id: str, is_default: bool
) -> None:
    """Make it the default in place of any other one, or no longer.

    :raises NotFound: if there is no such distributor.
    :raises Conflict: if another request moved the default at the same time.
    """
    row = mapping.required(session, _ROW, distributor_id)
    old = _default_row(session)
    if is_default and old is not None and old is not row:
        old.is_default = False
        session.flush()  # the unique key allows one at any moment
    row.is_default = is_default
    try:
        session.flush()
    except DBDuplicateEntry as e:
        raise Conflict(
            "is_default: another distributor has become the default just now."
        ) from e


def counts_of(
    session: Session, distributor_ids: Sequence[str]
) -> dict[str, Counts]:
    """distributor_id -> its counts."""
    clusters = count_rows(session, models.Cluster, distributor_ids)
    amphorae = count_rows(session, models.AmphoraRegistration, distributor_ids)
    vips = _announced(session, distributor_ids)
    external = count_rows(session, models.ExternalVip, distributor_ids)
    return {
        one: Counts(
            load_balancers=clusters.get(one, 0),
            amphorae=amphorae.get(one, 0),
            vips=vips.get(one, 0) + external.get(one, 0),
        )
        for one in distributor_ids
    }


def count_rows(
    session: Session, table: Any, distributor_ids: Collection[str]
) -> dict[str, int]:
    """distributor_id -> rows of a table, of those that have any."""
    return _counted(
        session,
        select(table.distributor_id, func.count())
        .where(table.distributor_id.in_(distributor_ids))
        .group_by(table.distributor_id),
    )


def count_of_one(session: Session, table: Any, distributor_id: str) -> int:
    """How many rows of a table a distributor has."""
    found = count_rows(session, table, [distributor_id])
    return found.get(distributor_id, 0)


def _announced(
    session: Session, distributor_ids: Collection[str]
) -> dict[str, int]:
    registered, announced = models.AmphoraRegistration, models.VipRegistration
    column = registered.distributor_id
    return _counted(
        session,
        select(column, func.count(announced.vip_ip.distinct()))
        .join(announced, announced.amphora_id == registered.amphora_id)
        .where(column.in_(distributor_ids))
        .group_by(column),
    )


def _counted(session: Session, statement: Any) -> dict[str, int]:
    return {one: count for one, count in session.execute(statement)}


def distributor_of(
    row: models.Distributor, cipher: Cipher, make: Make = checked
) -> Distributor:
    """Read a row.

    :raises InvalidRequest: ``make`` refuses what is stored.
    """
    return mapping.read(
        Distributor,
        row,
        make,
        speakers=tuple(
            speakers.speaker_of(s, cipher, make) for s in row.speakers
        ),
        zones=_zones(row.zones, make),
    )


def _second_default() -> Conflict:
    return Conflict(
        "is_default: another distributor is the default already; there can "
        "be only one."
    )


def _default_row(session: Session) -> models.Distributor | None:
    return session.scalars(
        select(_ROW).where(_IS_DEFAULT.is_(True))
    ).one_or_none()


def _records(
    session: Session, rows: list[models.Distributor]
) -> list[DistributorRecord]:
    counted = counts_of(session, [row.id for row in rows])
    return [_record(row, counted[row.id]) for row in rows]


def _record(row: models.Distributor, counted: Counts) -> DistributorRecord:
    shown = distributor_of(row, WithoutPasswords(), unchecked)
    return mapping.read(
        DistributorRecord, row, distributor=shown, counts=counted
    )


def _zone_rows(zones: tuple[Zone, ...]) -> list[models.Zone]:
    places = [
        mapping.columns_of(models.Zone, zone)
        | {"frontend_subnet_id": subnet_id}
        for zone in zones
        for subnet_id in zone.frontend_subnet_ids or (None,)
    ]
    return [
        models.Zone(**place, position=position)
        for position, place in enumerate(places)
    ]


def _zones(rows: list[models.Zone], make: Make) -> tuple[Zone, ...]:
    """Fold the rows, one for each subnet, into zones; they are adjacent."""
    grouped = groupby(
        rows, key=lambda row: (row.availability_zone, row.frontend_network_id)
    )
    folded = [list(members) for _, members in grouped]
    return tuple(
        mapping.read(
            Zone,
            members[0],
            make,
            frontend_subnet_ids=tuple(
                row.frontend_subnet_id
                for row in members
                if row.frontend_subnet_id is not None
            ),
        )
        for members in folded
    )
