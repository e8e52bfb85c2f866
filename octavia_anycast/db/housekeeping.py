# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The purge: records that nobody needs any more."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster_models import (
    Amphora,
    AmphoraHealth,
    AmphoraListenerStatistics,
    AmphoraRegistration,
    AmphoraReport,
    SpeakerRegistration,
    VipRegistration,
)
from octavia_anycast.db.models import RegisteredAmphorae
from octavia_anycast.model.cluster import AmphoraStatus

# So many ids go into one statement.
CHUNK = 500
# Tables whose rows mean nothing without a living amphora.
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
    """How many amphorae are DELETED since before this time."""
    return int(
        session.scalar(
            select(func.count())
            .select_from(Amphora)
            .where(
                Amphora.status == AmphoraStatus.DELETED.value,
                Amphora.status_since < older_than,
            )
        )
        or 0
    )


def remove_deleted(session: Session, older_than: datetime) -> int:
    """Remove amphorae DELETED since before this time; how many they were."""
    return amphorae.purge(session, older_than)


def count_ownerless(session: Session) -> dict[str, int]:
    """table -> rows whose amphora is DELETED or has no row."""
    return {
        model.__tablename__: int(
            session.scalar(
                select(func.count()).select_from(_ownerless(model).subquery())
            )
            or 0
        )
        for model in DEPENDENT
    }


def remove_ownerless(session: Session) -> dict[str, int]:
    """Remove them; table -> how many they were.

    The ids are read first. They are never used again, so nothing that comes
    in between is hit; and a DELETE with a subquery would lock the table of
    amphorae in InnoDB.
    """
    return {
        model.__tablename__: _remove(session, model) for model in DEPENDENT
    }


def _remove(session: Session, model: Any) -> int:
    ids = session.scalars(_ownerless(model).distinct()).all()
    count = 0
    for some in _chunks(ids):
        result = session.execute(
            delete_rows(model).where(model.amphora_id.in_(some))
        )
        count += int(result.rowcount)  # type: ignore[attr-defined]
    return count


def _ownerless(model: Any) -> Any:
    """The amphora ids in a table that name no living amphora."""
    return (
        select(model.amphora_id)
        .outerjoin(Amphora, Amphora.id == model.amphora_id)
        .where(
            # A registration for all amphorae names none.
            model.amphora_id.is_not(None),
            (Amphora.id.is_(None))
            | (Amphora.status == AmphoraStatus.DELETED.value),
        )
    )


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
