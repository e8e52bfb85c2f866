# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Events: written by the controller, listed by the API, purged by age."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import listing, mapping, models
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.monitoring.event import Event

_ROW = models.Event
Condition = tuple[ColumnElement[bool], ...]
COLUMNS: listing.Columns = {
    name: getattr(_ROW, name)
    for name in (
        "id",
        "kind",
        "load_balancer_id",
        "distributor_id",
        "amphora_id",
        "availability_zone",
        "peer_id",
        "peer_ip",
        "from_state",
        "to_state",
        "created_at",
    )
}
NEWEST_FIRST = (("created_at", True), ("id", True))
# How many rows one statement deletes.
CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """An event as it is stored."""

    id: str
    kind: str
    load_balancer_id: str | None
    distributor_id: str
    project_id: str | None
    amphora_id: str | None
    availability_zone: str | None
    peer_id: str | None
    peer_ip: IPAddress | None
    from_state: str
    to_state: str
    cause: str
    change_count: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose events are listed, and of which time.

    ``is_own``: none of load balancers, those of a distributor's own amphorae
    only. ``without``: kinds that are not listed; ``since`` is part of the
    time, ``until`` is not.
    """

    load_balancer_id: str | None = None
    distributor_id: str | None = None
    is_own: bool = False
    without: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None


def add(session: Session, events: Iterable[Event]) -> None:
    """Store events; one prepared statement, or none."""
    rows = [_values(event) for event in events]
    if rows:
        session.connection().execute(insert(mapping.table_of(_ROW)), rows)


def _values(event: Event) -> dict[str, Any]:
    return {
        "id": models.new_id(),
        "kind": event.kind.value,
        "created_at": event.at,
        "load_balancer_id": event.owner.load_balancer_id,
        "distributor_id": event.owner.distributor_id,
        "project_id": event.owner.project_id,
        "amphora_id": event.amphora_id,
        "availability_zone": event.availability_zone,
        "peer_id": event.peer_id,
        "peer_ip": event.peer_ip,
        "from_state": event.from_state,
        "to_state": event.to_state,
        "cause": event.cause,
        "change_count": event.change_count,
    }


def page(
    session: Session,
    scope: Scope,
    wanted: listing.Request,
    columns: listing.Columns = COLUMNS,
) -> list[EventRecord]:
    """Get a page of events, the newest first if no order is asked for.

    :param columns: what the list can be filtered and sorted by
    :raises InvalidRequest: naming a wrong attribute, value or marker.
    """
    if not wanted.order:
        wanted = replace(wanted, order=NEWEST_FIRST)
    rows = listing.page(session, _ROW, columns, wanted, *_within(scope))
    names = EventRecord.__dataclass_fields__
    return [
        EventRecord(**{name: getattr(row, name) for name in names})
        for row in rows
    ]


def latest(session: Session, scope: Scope, count_max: int) -> list[Any]:
    """The last events of a scope, the newest first; one query, no pages.

    Rows of columns, for whoever shows thousands.
    """
    rows = (
        mapping.select_fields(_ROW, EventRecord)
        .where(*_within(scope))
        .order_by(_ROW.created_at.desc(), _ROW.id.desc())
        .limit(count_max)
    )
    return list(session.execute(rows))


def _within(scope: Scope) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for column, value in (
        (_ROW.load_balancer_id, scope.load_balancer_id),
        (_ROW.distributor_id, scope.distributor_id),
    ):
        if value is not None:
            found.append(column == value)
    if scope.is_own:
        found.append(_ROW.load_balancer_id.is_(None))
    if scope.without:
        found.append(_ROW.kind.not_in(list(scope.without)))
    if scope.since is not None:
        found.append(_ROW.created_at >= scope.since)
    if scope.until is not None:
        found.append(_ROW.created_at < scope.until)
    return found


def to_purge(
    session: Session, older_than: datetime, count_max: int
) -> list[Condition]:
    """The conditions of the events that are too old, or too many.

    ``count_max`` stay of each load balancer; of a distributor as many of its
    own amphorae. No event has two of the conditions.
    """
    return [
        (_ROW.created_at < older_than,),
        *(
            (*conditions, _ROW.created_at >= older_than)
            for owner, mine in _OWNERS
            for conditions in _excesses(session, owner, mine, count_max)
        ),
    ]


def count(session: Session, condition: Condition) -> int:
    """How many events there are of one of the conditions."""
    rows = select(func.count()).select_from(_ROW).where(*condition)
    return int(session.scalar(rows) or 0)


def remove_some(session: Session, condition: Condition) -> int:
    """Remove at most :data:`CHUNK` of them; returns how many."""
    found = session.scalars(
        select(_ROW.id).where(*condition).limit(CHUNK)
    ).all()
    if found:
        session.execute(delete_rows(_ROW).where(_ROW.id.in_(found)))
    return len(found)


# column of an owner -> which events are its
_OWNERS: tuple[tuple[Any, Any], ...] = (
    (_ROW.load_balancer_id, _ROW.load_balancer_id.is_not(None)),
    (_ROW.distributor_id, _ROW.load_balancer_id.is_(None)),
)


def _excesses(
    session: Session, owner: Any, mine: Any, count_max: int
) -> Iterator[Condition]:
    """The conditions of what is too much, one for each owner with too many."""
    owners = session.scalars(
        select(owner)
        .where(mine)
        .group_by(owner)
        .having(func.count() > count_max)
    ).all()
    for one in owners:
        last_kept = session.scalars(
            select(_ROW.created_at)
            .where(mine, owner == one)
            .order_by(_ROW.created_at.desc(), _ROW.id.desc())
            .offset(count_max - 1)
            .limit(1)
        ).one()
        yield mine, owner == one, _ROW.created_at < last_kept
