# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Statistics of single amphorae: what each counted for each listener.

The listener's own totals are Octavia's rows (ADR 0023); these here are for
the operator who looks at one amphora.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete as delete_rows
from sqlalchemy import func, select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import mapping
from octavia_anycast.db.models import (
    Amphora,
    AmphoraHealth,
    AmphoraListenerStatistics,
)
from octavia_anycast.model.autoscale import LoadCount
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.heartbeat import Heartbeat, ListenerBeat

COUNTERS = ("bytes_in", "bytes_out", "total_connections", "request_errors")
# None until an image that counts it has said so.
FAILED = "failed_requests"
_Row = AmphoraListenerStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerCount:
    """What one amphora counted for one listener since it was booted."""

    listener_id: str
    bytes_in: int
    bytes_out: int
    active_connections: int
    total_connections: int
    request_errors: int


def add(session: Session, heartbeats: Iterable[Heartbeat]) -> None:
    """Add the counts of heartbeats of known amphorae.

    One query, and one statement for each row that changes; an amphora
    without traffic costs none.
    """
    beats = _beats(heartbeats)
    if not beats:
        return
    active = _active(session, {amphora_id for amphora_id, _ in beats})
    for key in sorted(beats):
        if active.get(key) == beats[key].active_connections and not any(
            getattr(beats[key], name) for name in (*COUNTERS, FAILED)
        ):
            continue
        if key in active or not _create(session, key, beats[key]):
            _grow(session, key, beats[key])


def list_for(session: Session, amphora_id: str) -> list[ListenerCount]:
    """What an amphora counted, by listener."""
    statement = (
        mapping.select_fields(_Row, ListenerCount)
        .where(_Row.amphora_id == amphora_id)
        .order_by(_Row.listener_id)
    )
    return mapping.made(session, ListenerCount, statement)


def loads(
    session: Session,
    amphora_ids: Collection[str],
    listener_ids: Collection[str],
) -> dict[str, LoadCount]:
    """amphora_id -> its load by these listeners; one query.

    Amphorae that never sent a heartbeat are left out. The rows of a listener
    that was deleted stay, so the caller names the listeners that exist.
    """
    rows = session.execute(
        select(
            AmphoraHealth.amphora_id,
            AmphoraHealth.counted_at,
            func.sum(_Row.active_connections),
            func.sum(_Row.total_connections),
            func.sum(_Row.bytes_in + _Row.bytes_out),
        )
        .outerjoin(
            _Row,
            (_Row.amphora_id == AmphoraHealth.amphora_id)
            & _Row.listener_id.in_(listener_ids),
        )
        .where(
            AmphoraHealth.amphora_id.in_(amphora_ids),
            AmphoraHealth.counted_at.is_not(None),
        )
        .group_by(AmphoraHealth.amphora_id, AmphoraHealth.counted_at)
    )
    return {
        amphora_id: LoadCount(
            counted_at=counted_at,
            connections=int(active or 0),
            connection_count=int(total or 0),
            byte_count=int(byte_count or 0),
        )
        for amphora_id, counted_at, active, total, byte_count in rows
        if counted_at is not None
    }


def delete_for(session: Session, amphora_ids: Sequence[str]) -> None:
    """Delete what these amphorae counted."""
    session.execute(delete_rows(_Row).where(_Row.amphora_id.in_(amphora_ids)))


def _beats(
    heartbeats: Iterable[Heartbeat],
) -> dict[tuple[str, str], ListenerBeat]:
    """(amphora_id, listener_id) -> the sum of what several heartbeats say."""
    beats: dict[tuple[str, str], ListenerBeat] = {}
    for heartbeat in heartbeats:
        for beat in heartbeat.listeners:
            key = heartbeat.amphora_id, beat.listener_id
            before = beats.get(key)
            beats[key] = beat if before is None else _sum(before, beat)
    return beats


def _sum(before: ListenerBeat, beat: ListenerBeat) -> ListenerBeat:
    counted = [before.failed_requests, beat.failed_requests]
    failed = [count for count in counted if count is not None]
    return ListenerBeat(
        listener_id=beat.listener_id,
        status=beat.status,
        failed_requests=sum(failed) if failed else None,
        active_connections=beat.active_connections,
        **{
            name: getattr(before, name) + getattr(beat, name)
            for name in COUNTERS
        },
    )


def _active(
    session: Session, amphora_ids: Iterable[str]
) -> dict[tuple[str, str], int]:
    rows = session.execute(
        select(
            _Row.amphora_id, _Row.listener_id, _Row.active_connections
        ).where(_Row.amphora_id.in_(sorted(amphora_ids)))
    )
    return {
        (amphora_id, listener_id): count
        for amphora_id, listener_id, count in rows
    }


def _create(
    session: Session, key: tuple[str, str], beat: ListenerBeat
) -> bool:
    """Make a row, but not for a DELETED amphora: nothing would remove it.

    The lock keeps the amphora from becoming DELETED before the row is seen.

    :returns: False if there is a row already
    """
    status = session.scalar(
        select(Amphora.status)
        .where(Amphora.id == key[0])
        .with_for_update(read=True)
    )
    if status in (None, AmphoraStatus.DELETED):
        return True
    values = mapping.columns_of(_Row, beat)
    return mapping.insert(session, _Row(amphora_id=key[0], **values))


def _grow(session: Session, key: tuple[str, str], beat: ListenerBeat) -> None:
    added = {
        name: getattr(_Row, name) + getattr(beat, name) for name in COUNTERS
    }
    if beat.failed_requests is not None:
        known = func.coalesce(_Row.failed_requests, 0)
        added[FAILED] = known + beat.failed_requests
    session.execute(
        update_rows(_Row)
        .where(_Row.amphora_id == key[0], _Row.listener_id == key[1])
        .values(active_connections=beat.active_connections, **added)
        .execution_options(synchronize_session=False)
    )
