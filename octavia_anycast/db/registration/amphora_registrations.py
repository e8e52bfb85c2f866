# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Registrations of amphorae with a distributor's own (Register Amphora)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import listing, mapping, models
from octavia_anycast.db.distributor import lifecycle
from octavia_anycast.db.distributor.announced import Announced, lock_taker
from octavia_anycast.model.errors import Conflict
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
    """A registration and the columns of its row."""

    registration: AmphoraRegistration
    distributor_id: str
    created_at: datetime
    updated_at: datetime | None


_REGISTRATIONS = Announced(
    _ROW, AmphoraRegistration, RegistrationRecord, "registration", COLUMNS
)
get, page = _REGISTRATIONS.get, _REGISTRATIONS.page
count, unregister = _REGISTRATIONS.count, _REGISTRATIONS.unregister


def register(
    session: Session, distributor_id: str, wanted: AmphoraRegistration
) -> RegistrationRecord:
    """Store a registration.

    :raises NotFound: if there is no such distributor.
    :raises Conflict: the distributor cannot announce it, or another
        registration covers some of it.
    """
    row = lock_taker(session, distributor_id)
    for other in of_distributor(session, distributor_id):
        if wanted.overlaps(other):
            raise Conflict(
                f"Registration {other.id} of distributor {distributor_id} "
                "already covers amphorae of load balancer "
                f"{other.load_balancer_id} that this one is for."
            )
    row.vips_revision += 1
    return _REGISTRATIONS.add(session, row, wanted)


def set_drain(
    session: Session,
    distributor_id: str,
    registration_id: str,
    *,
    drain_wanted_since: datetime | None = None,
    drain_deadline: datetime | None = None,
) -> RegistrationRecord:
    """Have a registration drain; None and None end the drain.

    :raises NotFound: if there is no such distributor, or no such
        registration with it.
    """
    distributor = lifecycle.locked(session, distributor_id)
    row = _REGISTRATIONS.row(session, distributor_id, registration_id)
    wish = drain_wanted_since, drain_deadline
    if (row.drain_wanted_since, row.drain_deadline) != wish:
        row.drain_wanted_since, row.drain_deadline = wish
        distributor.vips_revision += 1
        session.flush()
    return _REGISTRATIONS.record_of(row)


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


def of_distributor(
    session: Session, distributor_id: str
) -> tuple[AmphoraRegistration, ...]:
    """All registrations with a distributor, oldest first; one query."""
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


def forget_load_balancer(session: Session, load_balancer_id: str) -> None:
    """Delete the registrations of a load balancer that is gone."""
    _forget(session, _ROW.load_balancer_id == load_balancer_id)


def forget_amphora(session: Session, amphora_id: str) -> None:
    """Delete the registrations of an amphora that is gone."""
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
    found = mapping.grouped(
        (row.distributor_id, mapping.read(AmphoraRegistration, row))
        for row in rows
    )
    return {one: tuple(some) for one, some in found.items()}
