# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Rows of tables <-> frozen dataclasses of the model, by their names.

A field is the row's attribute of the same name. A field that is a dataclass
itself is one attribute for each of its own fields: ``bfd.multiplier`` is
``bfd_multiplier``, and all of them are NULL for None. A field that no
attribute belongs to, such as one that is made of other tables, is the
caller's matter.
"""

import types
import typing
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, cast

from oslo_db.exception import DBDuplicateEntry
from sqlalchemy import Table, inspect, select
from sqlalchemy.orm import Session

from octavia_anycast.db.models import Base
from octavia_anycast.model.errors import NotFound
from octavia_anycast.model.stored import Make, checked

T = TypeVar("T")
Row = TypeVar("Row", bound=Base)


def table_of(kind: type[Base]) -> Table:
    """The table itself, for statements that are prepared for many rows."""
    return cast(Table, kind.__table__)


def required(session: Session, table: type[Row], row_id: str) -> Row:
    """Get the row with this id.

    :raises NotFound: if there is no such row.
    """
    row = session.get(table, row_id)
    if row is None:
        raise NotFound(table.NOUN, row_id)
    return row


def locked(session: Session, table: type[Row], row_id: str, **how: Any) -> Row:
    """Read the row with this id and lock it until the transaction ends.

    :param how: other arguments of ``Session.get``
    :raises NotFound: if there is no such row.
    """
    row = session.get(
        table,
        row_id,
        populate_existing=True,
        **({"with_for_update": True} | how),
    )
    if row is None:
        raise NotFound(table.NOUN, row_id)
    return row


def insert(session: Session, row: Base) -> bool:
    """Insert a row in a savepoint; returns False if it is there already.

    Another controller may have inserted it at the same time.
    """
    try:
        with session.begin_nested():
            session.add(row)
    except DBDuplicateEntry:
        return False
    return True


def columns_of(table: type[Base], value: Any) -> dict[str, Any]:
    """Attribute of the row -> what a dataclass says of it."""
    found: dict[str, Any] = {}
    for name, inner in _fields(table, cast(Any, type(value))).items():
        whole = getattr(value, name)
        if inner is None:
            found[name] = whole
        else:
            found |= {
                f"{name}_{part}": whole and getattr(whole, part)
                for part in inner.parts
            }
    return found


def assign(row: Base, values: dict[str, Any]) -> None:
    """Set attributes of a row."""
    for name, value in values.items():
        setattr(row, name, value)


def read(
    kind: type[T], row: Base, make: Make = checked, /, **others: Any
) -> T:
    """Make a dataclass of a row.

    :param others: the fields that are not attributes of this row
    :raises InvalidRequest: ``make`` refuses what is stored.
    """
    values = {}
    for name, inner in _fields(type(row), cast(Any, kind)).items():
        if name in others:
            continue
        if inner is None:
            values[name] = getattr(row, name)
        else:
            parts = {
                part: getattr(row, f"{name}_{part}") for part in inner.parts
            }
            is_there = None not in parts.values()
            values[name] = make(inner.kind, **parts) if is_there else None
    return make(kind, **values, **others)


def select_fields(table: type[Base], kind: Any) -> Any:
    """SELECT what a dataclass is made of; :func:`made` makes it."""
    return select(*(getattr(table, f.name) for f in fields(kind)))


def made(session: Session, kind: type[T], statement: Any) -> list[T]:
    """Make dataclasses of the columns that a statement selects.

    No objects of rows are made, so it is quick.
    """
    found = session.execute(statement)
    names = tuple(found.keys())
    return [kind(**dict(zip(names, row, strict=True))) for row in found]


def grouped(pairs: Any) -> dict[Any, list[Any]]:
    """Key -> the values that come with it, in their order."""
    found: dict[Any, list[Any]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


class _Inner(typing.NamedTuple):
    kind: Any
    parts: tuple[str, ...]


@cache
def _fields(table: type[Base], kind: Any) -> dict[str, _Inner | None]:
    """Field -> None, or the dataclass in it; only those of the table."""
    columns = set(inspect(table).column_attrs.keys())
    hints = typing.get_type_hints(kind)
    found: dict[str, _Inner | None] = {}
    for field in fields(kind):
        inner = _dataclass_in(hints[field.name])
        if field.name in columns:
            found[field.name] = None
        elif inner is not None:
            parts = tuple(f.name for f in fields(inner))
            if all(f"{field.name}_{part}" in columns for part in parts):
                found[field.name] = _Inner(inner, parts)
    return found


def _dataclass_in(hint: Any) -> Any:
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    choices = typing.get_args(hint) if is_union else (hint,)
    found = [one for one in choices if is_dataclass(one)]
    return found[0] if found else None
