# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Counters in rows that make controllers on several databases exclude others.

``SELECT ... FOR UPDATE`` locks a row on one node of a Galera cluster only.
Two transactions that *write* one row are never both committed, on whichever
nodes they are: so a lock that has to hold is a write (ADR 0161).

``epoch`` counts the plans that controllers began for a cluster or for the
amphorae of a distributor's own: who began an earlier one is refused. ``turn``
counts the transactions that had to be alone.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import mapping
from octavia_anycast.db.models import Cluster, Distributor, Turn, ZoneDrain

Fenced = type[Cluster] | type[Distributor]
CLUSTER: Fenced = Cluster
DISTRIBUTOR: Fenced = Distributor
REPLACEMENTS = "replacements"


def begin(session: Session, table: Fenced, key: str, seen: int) -> bool:
    """Begin a plan; the epoch is then ``seen + 1``.

    :param seen: the epoch when what the plan is made from was read
    :returns: False if another plan was begun since then
    """
    return _count(session, table, key, "epoch", epoch=seen)


def guard(session: Session, table: Fenced, key: str, mine: int) -> bool:
    """See that the epoch is still ours when this transaction is committed.

    :returns: False if it is not, or if there is no such row
    """
    return _count(session, table, key, "turn", epoch=mine)


def take_turn(
    session: Session, table: Fenced | type[ZoneDrain], key: str
) -> None:
    """Be alone with a row until the transaction ends."""
    _count(session, table, key, "turn")


def take_named_turn(session: Session, name: str) -> None:
    """Be alone with whoever takes this turn until the transaction ends."""
    if not _count(session, Turn, name, "turn"):
        mapping.insert(session, Turn(name=name))
        _count(session, Turn, name, "turn")


def read(session: Session, table: Fenced, key: str) -> int | None:
    """The epoch as this node knows it; None: there is no such row.

    An earlier one than was seen before says that this node is behind: an
    epoch is never counted down. Nothing is locked.
    """
    return session.scalar(select(table.epoch).where(_key(table) == key))


def _count(
    session: Session, table: Any, key: str, counter: str, **seen: int
) -> bool:
    column = getattr(table, counter)
    counted = session.execute(
        update_rows(table)
        .where(
            _key(table) == key,
            *(getattr(table, name) == value for name, value in seen.items()),
        )
        # When it was last changed, the row says of its user's changes.
        .values({counter: column + 1, "updated_at": table.updated_at})
        .execution_options(synchronize_session=False)
    )
    return bool(counted.rowcount)  # type: ignore[attr-defined]


def _key(table: Any) -> Any:
    (column,) = table.__table__.primary_key.columns
    return column
