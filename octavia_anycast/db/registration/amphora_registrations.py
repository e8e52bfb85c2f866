# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Registrations of amphorae with a distributor's own (Register Amphora).

Each change counts the distributor's ``vips_revision`` up, as one of its
external VIPs does.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import listing, models
from octavia_anycast.db.distributor import lifecycle
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.model.registration import AmphoraRegistration

_ROW = models.RegisteredAmphorae
COLUMNS: listing.Columns = {
    "id": _ROW.id,
    "load_balancer_id": _ROW.load_balancer_id,
    "amphora_id": _ROW.amphora_id,
    "peer_id": _ROW.peer_id,
    "draining": _ROW.drain_wanted_since.is_not(None),
    "drain_deadline": _ROW.drain_deadline,
    "created_at": _ROW.created_at,
    "updated_at": _ROW.updated_at,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRecord:
    """A registration with what is known of its row."""

    registration: AmphoraRegistration
    distributor_id: str
    created_at: datetime
    updated_at: datetime | None


def register(
    session: Session, distributor_id: str, wanted: AmphoraRegistration
) -> RegistrationRecord:
    """Store one.

    :raises NotFound: if there is no such distributor.
    :raises Conflict: it has no amphorae to announce it, it is going away,
        or another registration covers some of it.
    """
    row = lifecycle.locked(session, distributor_id)
    if lifecycle.is_going(row):
        raise lifecycle.Immutable(row.id, row.provisioning_status)
    if not row.dedicated_count:
        raise Conflict(
            f"Distributor {row.id} has no amphorae of its own that could "
            "announce others: its dedicated_count is 0."
        )
    for other in of_distributor(session, distributor_id):
        if wanted.overlaps(other):
            raise Conflict(
                f"Registration {other.id} of distributor {distributor_id} "
                f"is for the same of load balancer {other.load_balancer_id} "
                "already."
            )
    row.vips_revision += 1
    made = _ROW(
        id=wanted.id,
        distributor_id=distributor_id,
        load_balancer_id=wanted.load_balancer_id,
        amphora_id=wanted.amphora_id,
        peer_id=wanted.peer_id,
    )
    session.add(made)
    session.flush()
    return _record(made)


def unregister(
    session: Session, distributor_id: str, registration_id: str
) -> None:
    """Delete one.

    :raises NotFound: if there is no such distributor, or no such
        registration with it.
    """
    distributor = lifecycle.locked(session, distributor_id)
    session.delete(_row(session, distributor_id, registration_id))
    distributor.vips_revision += 1
    session.flush()


def set_drain(
    session: Session,
    distributor_id: str,
    registration_id: str,
    *,
    drain_wanted_since: datetime | None = None,
    drain_deadline: datetime | None = None,
) -> RegistrationRecord:
    """Have one drain; without both: not any more.

    :raises NotFound: if there is no such distributor, or no such
        registration with it.
    """
    distributor = lifecycle.locked(session, distributor_id)
    row = _row(session, distributor_id, registration_id)
    wish = drain_wanted_since, drain_deadline
    if (row.drain_wanted_since, row.drain_deadline) != wish:
        row.drain_wanted_since, row.drain_deadline = wish
        distributor.vips_revision += 1
        session.flush()
    return _record(row)


def restore_drain(
    session: Session, distributor_id: str, before: AmphoraRegistration
) -> None:
    """Have one drain as it did, or not; nothing is checked."""
    set_drain(
        session,
        distributor_id,
        before.id,
        drain_wanted_since=before.drain_wanted_since,
        drain_deadline=before.drain_deadline,
    )


def get(
    session: Session, distributor_id: str, registration_id: str
) -> RegistrationRecord:
    """One of them.

    :raises NotFound: if there is no such registration.
    """
    return _record(_row(session, distributor_id, registration_id))


def page(
    session: Session, distributor_id: str, request: listing.Request
) -> list[RegistrationRecord]:
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
) -> tuple[AmphoraRegistration, ...]:
    """All of them, oldest first; one query."""
    return _all(session, _ROW.distributor_id == distributor_id).get(
        distributor_id, ()
    )


def of_load_balancer(
    session: Session, load_balancer_id: str
) -> dict[str, tuple[AmphoraRegistration, ...]]:
    """distributor_id -> those of one load balancer, oldest first."""
    return _all(session, _ROW.load_balancer_id == load_balancer_id)


def by_distributor(
    session: Session,
) -> dict[str, tuple[AmphoraRegistration, ...]]:
    """distributor_id -> its registrations, oldest first; one query."""
    return _all(session)


def count(session: Session, distributor_id: str) -> int:
    """How many a distributor has."""
    return int(
        session.scalar(
            select(func.count())
            .select_from(_ROW)
            .where(_ROW.distributor_id == distributor_id)
        )
        or 0
    )


def forget_load_balancer(session: Session, load_balancer_id: str) -> None:
    """Delete those of a load balancer that is gone."""
    _forget(session, _ROW.load_balancer_id == load_balancer_id)


def forget_amphora(session: Session, amphora_id: str) -> None:
    """Delete those of an amphora that is gone."""
    _forget(session, _ROW.amphora_id == amphora_id)


def _forget(session: Session, condition: ColumnElement[bool]) -> None:
    """Read first: a DELETE of nothing would lock gaps in InnoDB."""
    found = session.execute(
        select(_ROW.id, _ROW.distributor_id).where(condition)
    ).all()
    if not found:
        return
    session.execute(
        delete_rows(_ROW).where(_ROW.id.in_([row.id for row in found]))
    )
    held_by = sorted({row.distributor_id for row in found})
    session.execute(
        update_rows(models.Distributor)
        .where(models.Distributor.id.in_(held_by))
        .values(vips_revision=models.Distributor.vips_revision + 1)
        .execution_options(synchronize_session="fetch")
    )


def _all(
    session: Session, *conditions: ColumnElement[bool]
) -> dict[str, tuple[AmphoraRegistration, ...]]:
    rows = session.scalars(
        select(_ROW).where(*conditions).order_by(_ROW.created_at, _ROW.id)
    )
    found: dict[str, list[AmphoraRegistration]] = {}
    for row in rows:
        found.setdefault(row.distributor_id, []).append(_registration(row))
    return {i: tuple(some) for i, some in found.items()}


def _row(
    session: Session, distributor_id: str, registration_id: str
) -> models.RegisteredAmphorae:
    row = session.get(_ROW, registration_id)
    if row is None or row.distributor_id != distributor_id:
        raise NotFound("Amphora registration", registration_id)
    return row


def _registration(row: models.RegisteredAmphorae) -> AmphoraRegistration:
    return AmphoraRegistration(
        id=row.id,
        load_balancer_id=row.load_balancer_id,
        amphora_id=row.amphora_id,
        peer_id=row.peer_id,
        drain_wanted_since=row.drain_wanted_since,
        drain_deadline=row.drain_deadline,
    )


def _record(row: models.RegisteredAmphorae) -> RegistrationRecord:
    return RegistrationRecord(
        registration=_registration(row),
        distributor_id=row.distributor_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
