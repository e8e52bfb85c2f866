# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heartbeats: when each amphora was last heard of."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import mapping
from octavia_anycast.db.models import Amphora, AmphoraHealth


def touch(
    session: Session, amphora_id: str, now: datetime, *, is_beat: bool = False
) -> bool:
    """Record that an amphora was heard of.

    :param is_beat: by a heartbeat, whose counts are added to its statistics
    :returns: False if there is no such amphora, or it is DELETED
    """
    return bool(touch_all(session, [amphora_id], now, is_beat=is_beat))


def touch_all(
    session: Session,
    amphora_ids: Iterable[str],
    now: datetime,
    *,
    is_beat: bool = False,
    fresh_since: datetime | None = None,
) -> set[str]:
    """Record it for many, each by its key and in order: no deadlock.

    One statement for all might lock every row of a small table in MariaDB.
    One query says which were heard of before, so that only the others are
    looked for. An UPDATE of a row that is not there would tell as much, and
    lock the gap, so that nobody inserts another row there.

    :param fresh_since: those heard of since then are not recorded again
    :returns: those that exist
    """
    wanted = sorted(amphora_ids)
    known = last_updates(session, wanted)
    stale = [
        amphora_id
        for amphora_id in wanted
        if amphora_id in known
        and (fresh_since is None or known[amphora_id] < fresh_since)
    ]
    _update_all(session, stale, now, is_beat)
    return set(known) | {
        amphora_id
        for amphora_id in wanted
        if amphora_id not in known
        and _insert(session, amphora_id, _heard(now, is_beat))
    }


def last_updates(
    session: Session, amphora_ids: Iterable[str]
) -> dict[str, datetime]:
    """amphora_id -> last heartbeat or answer, of those heard; one query."""
    rows = session.execute(
        select(AmphoraHealth.amphora_id, AmphoraHealth.last_update).where(
            AmphoraHealth.amphora_id.in_(list(amphora_ids))
        )
    )
    return {amphora_id: last_update for amphora_id, last_update in rows}


def last_beats(
    session: Session, amphora_ids: Iterable[str]
) -> dict[str, datetime]:
    """amphora_id -> last heartbeat, not answer, of those that sent one."""
    rows = session.execute(
        select(AmphoraHealth.amphora_id, AmphoraHealth.counted_at).where(
            AmphoraHealth.amphora_id.in_(list(amphora_ids)),
            AmphoraHealth.counted_at.is_not(None),
        )
    )
    return {amphora_id: moment for amphora_id, moment in rows}


def _heard(now: datetime, is_beat: bool) -> dict[str, datetime]:
    return {"last_update": now} | ({"counted_at": now} if is_beat else {})


def _insert(
    session: Session, amphora_id: str, heard: dict[str, datetime]
) -> bool:
    """Record the first time; returns False if there is no such amphora."""
    there = select(Amphora.id).where(
        Amphora.id == amphora_id, ~Amphora.is_deleted
    )
    if session.scalar(there) is None:
        return False
    row = AmphoraHealth(amphora_id=amphora_id, **heard)
    if not mapping.insert(session, row):
        session.execute(
            update_rows(AmphoraHealth)
            .where(AmphoraHealth.amphora_id == amphora_id)
            .values(**heard)
            .execution_options(synchronize_session=False)
        )
    return True


def _update_all(
    session: Session, amphora_ids: list[str], now: datetime, is_beat: bool
) -> None:
    """Prepare one statement for all: a thousand take 50 ms, not 200."""
    if not amphora_ids:
        return
    table = mapping.table_of(AmphoraHealth)
    session.connection().execute(
        update_rows(table)
        .where(table.c.amphora_id == bindparam("heard_id"))
        .values(**_heard(now, is_beat)),
        [{"heard_id": amphora_id} for amphora_id in amphora_ids],
    )
