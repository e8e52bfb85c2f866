# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The purge: removal of old rows."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from octavia_anycast.db.models import (
    Amphora,
    AmphoraHealth,
    AmphoraListenerStatistics,
    AmphoraRegistration,
    AmphoraReport,
    RegisteredAmphorae,
    SpeakerRegistration,
    VipRegistration,
)

# How many ids one statement may have.
CHUNK = 500
# Tables whose rows are useless once their amphora is DELETED.
DEPENDENT: tuple[Any, ...] = (
    AmphoraHealth,
    AmphoraReport,
    AmphoraListenerStatistics,
    AmphoraRegistration,
    SpeakerRegistration,
    VipRegistration,
    RegisteredAmphorae,
)


def count_deleted(session: Session, older_than: datetime) -> int:
    """How many amphorae have been DELETED since before this time."""
    deleted = select(Amphora.id).where(
        Amphora.is_deleted, Amphora.status_since < older_than
    )
    return _count(session, deleted)


def count_ownerless(session: Session) -> dict[str, int]:
    """table -> rows whose amphora is DELETED or has no row."""
    return {
        model.__tablename__: _count(session, _ownerless(model))
        for model in DEPENDENT
    }


def remove_ownerless(session: Session) -> dict[str, int]:
    """Remove the rows that :func:`count_ownerless` counts.

    The ids are read first: a DELETE with a subquery would lock the table of
    amphorae in InnoDB. No id is ever used again, so this removes no row that
    is made between the two statements.

    :returns: table -> how many rows were removed
    """
    return {
        model.__tablename__: _remove(session, model) for model in DEPENDENT
    }


def _count(session: Session, statement: Any) -> int:
    rows = select(func.count()).select_from(statement.subquery())
    return int(session.scalar(rows) or 0)


def _remove(session: Session, model: Any) -> int:
    ids = session.scalars(_ownerless(model).distinct()).all()
    count = 0
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        result = session.execute(
            delete_rows(model).where(model.amphora_id.in_(some))
        )
        count += int(result.rowcount)  # type: ignore[attr-defined]
    return count


def _ownerless(model: Any) -> Any:
    """SELECT the ids in a table whose amphora is DELETED or has no row."""
    return (
        select(model.amphora_id)
        .outerjoin(Amphora, Amphora.id == model.amphora_id)
        .where(
            # A registration for all amphorae has no amphora_id.
            model.amphora_id.is_not(None),
            Amphora.id.is_(None) | Amphora.is_deleted,
        )
    )
