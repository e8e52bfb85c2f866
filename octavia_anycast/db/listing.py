# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One page of a list; the database filters, sorts and cuts it.

A page starts after the values of its marker's row, not at an offset: every
page costs the same, and no row appears twice if others come or go between two
pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, TypeVar

from oslo_utils import strutils
from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    Text,
    and_,
    false,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from octavia_anycast.db.columns import Address, UtcDateTime
from octavia_anycast.db.models import Base
from octavia_anycast.model.errors import InvalidRequest

Row = TypeVar("Row")
# attribute of the API -> what it is in SQL; it must have "id"
Column = InstrumentedAttribute[Any] | ColumnElement[Any]
Columns = Mapping[str, Column]
MARKER = "marker"
ALWAYS_LAST = ("created_at", "id")


def columns(table: type[Base], kind: Any, **others: Column) -> Columns:
    """What a list of rows can be filtered and sorted by.

    Each field of a dataclass that is a column, except secrets and long texts,
    and the times of the row. The API names them as the columns are named.

    :param others: what else, or an expression in place of a column
    """
    known = table.__mapper__.columns
    shown = [f.name for f in fields(kind) if f.repr and f.name in known]
    return {
        str(known[name].name): getattr(table, name)
        for name in (*shown, "created_at", "updated_at")
        if not isinstance(_impl(known[name].type), Text)
    } | others


def _impl(kind: Any) -> Any:
    return getattr(kind, "impl_instance", kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which page of a list the user asks for.

    ``filters``: attribute -> the texts that its value may be;
    ``order``: (attribute, whether descending).
    """

    filters: Mapping[str, tuple[str, ...]]
    order: tuple[tuple[str, bool], ...] = ()
    marker: str | None = None
    limit: int | None = None
    is_reverse: bool = False


def page(
    session: Session,
    model: type[Row],
    columns: Columns,
    request: Request,
    *conditions: ColumnElement[bool],
    marker_values: tuple[Any, ...] | None = None,
    options: tuple[Any, ...] = (),
) -> list[Row]:
    """Get the rows of one page, in order.

    :param conditions: conditions on every row of the list
    :param marker_values: :func:`values_of` the marker, if it may be a row
        of another table
    :param options: how to load what belongs to the rows
    :raises InvalidRequest: naming an attribute that is not in ``columns``,
        a value that cannot be one of it, or a marker that is not in the list.
    """
    order = whole_order(columns, request.order)
    statement = select(model).where(
        *conditions,
        *(
            _filter(columns, name, texts)
            for name, texts in request.filters.items()
        ),
    )
    if request.marker is not None:
        values = marker_values or values_of(session, columns, request)
        if values is None:
            raise no_marker(request.marker)
        statement = statement.where(
            _beyond(columns, order, values, request.is_reverse)
        )
    for name, is_descending in order:
        column = columns[name]
        is_down = is_descending is not request.is_reverse
        statement = statement.order_by(column.desc() if is_down else column)
    if request.limit is not None:
        statement = statement.limit(request.limit)
    rows = list(session.scalars(statement.options(*options)))
    # Backwards means: those right before the marker, in the usual order.
    return rows[::-1] if request.is_reverse else rows


def whole_order(
    columns: Columns, order: tuple[tuple[str, bool], ...]
) -> tuple[tuple[str, bool], ...]:
    """(attribute, whether descending), such that no two rows are equal.

    :raises InvalidRequest: naming an attribute that is not in ``columns``.
    """
    for name, _ in order:
        if name not in columns:
            raise InvalidRequest("sort", f"there is no attribute {name!r}")
    named = {name for name, _ in order}
    return order + tuple(
        (name, False) for name in ALWAYS_LAST if name not in named
    )


def _filter(
    columns: Columns, name: str, texts: tuple[str, ...]
) -> ColumnElement[bool]:
    if name not in columns:
        raise InvalidRequest(name, "the list cannot be filtered by it")
    column = columns[name]
    values = [_value(column, name, text) for text in texts]
    return or_(*(_equals(column, value) for value in values))


def _equals(column: Any, value: Any) -> ColumnElement[bool]:
    """Compare times by the second, as answers show them."""
    if isinstance(value, datetime) and not value.microsecond:
        return and_(column >= value, column < value + timedelta(seconds=1))
    equal: ColumnElement[bool] = column == value
    return equal


def _value(column: Any, name: str, text: str) -> Any:
    kind = column.type
    try:
        if isinstance(kind, Boolean):
            return strutils.bool_from_string(text, strict=True)
        if isinstance(kind, Integer):
            return _integer(text)
        if isinstance(kind, Address):
            return ip_address(text)
        if isinstance(kind, UtcDateTime):
            is_unset = text == "null" and getattr(column, "nullable", False)
            return None if is_unset else moment(text)
        if isinstance(kind, DateTime):
            return moment(text).replace(tzinfo=None)
    except ValueError as e:
        raise InvalidRequest(name, f"{text!r} cannot be its value") from e
    return text


def moment(text: str) -> datetime:
    """Read a time; UTC if it names no zone.

    :raises ValueError: it is none, or in no column's range.
    """
    found = datetime.fromisoformat(text)
    if not MINYEAR < found.year < MAXYEAR:
        raise ValueError(f"{text} is out of every column's range")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _integer(text: str) -> int:
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{text} is out of every column's range")
    return value


def values_of(
    session: Session, columns: Columns, request: Request
) -> tuple[Any, ...] | None:
    """Get the values that sort the marker's row; None: no such row."""
    order = whole_order(columns, request.order)
    values = session.execute(
        select(*(columns[name] for name, _ in order)).where(
            columns["id"] == request.marker
        )
    ).one_or_none()
    return None if values is None else tuple(values)


def no_marker(marker: str) -> InvalidRequest:
    """Make the error for a marker that is not in the list."""
    return InvalidRequest(MARKER, f"there is no {marker!r} in the list")


def _beyond(
    columns: Columns,
    order: tuple[tuple[str, bool], ...],
    values: tuple[Any, ...],
    is_reverse: bool,
) -> ColumnElement[bool]:
    """Rows after the marker, or before it; compared column by column."""
    choices = []
    equal: list[ColumnElement[bool]] = []
    for (name, is_descending), value in zip(order, values, strict=True):
        column = columns[name]
        choices.append(
            and_(*equal, _past(column, value, is_descending is not is_reverse))
        )
        equal.append(column == value)  # SQLAlchemy makes IS NULL of None
    return or_(*choices)


def _past(column: Any, value: Any, is_down: bool) -> ColumnElement[bool]:
    """NULL comes before every value, in MariaDB and SQLite alike."""
    past: ColumnElement[bool]
    if isinstance(value, bool):
        value = literal(value)  # else SQLAlchemy refuses to compare it
    if is_down:
        past = (
            false() if value is None else or_(column < value, column.is_(None))
        )
    else:
        past = column.is_not(None) if value is None else column > value
    return past
