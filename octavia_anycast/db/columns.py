# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Column types: aware UTC times, IP addresses, words and documents.

They are the same on MariaDB and SQLite, so that one migration serves both.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from sqlalchemy import Boolean, DateTime, Dialect, Enum, String, Text
from sqlalchemy.dialects.mysql import DATETIME, MEDIUMTEXT
from sqlalchemy.types import TypeDecorator

from octavia_anycast.model.autoscale import Autoscale
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import ActionFailure
from octavia_anycast.model.codec import read, report_from, to_document
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.fleet.change import Counted
from octavia_anycast.model.monitoring.event import Mark, Told
from octavia_anycast.model.wire import Report

UUID_LENGTH = 36
IP_LENGTH = 45  # an IPv6 address with an embedded IPv4 one


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored as naive UTC with microseconds."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Ask MariaDB for microseconds: its default rounds to seconds."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Refuse naive times; drop the zone after converting to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Add the zone: what is stored is UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


class _StoredText(TypeDecorator[str]):
    """Text of any source; what UTF-8 cannot encode becomes ``?``.

    A reason may repeat what an amphora, a daemon or a service said. A lone
    surrogate in it would make each write of its row fail, for ever.
    """

    def process_bind_param(
        self, value: str | None, dialect: Dialect
    ) -> str | None:
        """Write what can be encoded."""
        if value is None or value.isascii():
            return value
        return value.encode("utf-8", "replace").decode()


class StoredString(_StoredText):
    """Such a text of limited length, in characters."""

    impl = String
    cache_ok = True


class StoredText(_StoredText):
    """Such a text of any length."""

    impl = Text
    cache_ok = True


# Thousands of rows have few next hops.
_address = lru_cache(maxsize=1024)(ip_address)


class Address(TypeDecorator[IPAddress]):
    """An IPv4 or IPv6 address, stored as text."""

    impl = String(IP_LENGTH)
    cache_ok = True

    def process_bind_param(
        self, value: IPAddress | None, dialect: Dialect
    ) -> str | None:
        """Write its canonical form."""
        return None if value is None else str(value)

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> IPAddress | None:
        """Read the address."""
        return None if value is None else _address(value)


class Document(TypeDecorator[Any]):
    """Objects of the model, stored as JSON; NULL if there are none.

    :param reader: makes them of the JSON document, or of None for NULL
    """

    impl = Text
    cache_ok = True

    def __init__(self, reader: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        self.reader = reader

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write the document."""
        return json.dumps(to_document(value)) if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read the document."""
        return self._read(json.loads(value) if value else None)

    def _read(self, document: Any) -> Any:
        return self.reader(document) if self.reader else document


class LargeDocument(Document):
    """One of all load balancers: more than the 64 KiB of MariaDB's TEXT."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Ask MariaDB for 16 MiB."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(MEDIUMTEXT())
        return dialect.type_descriptor(Text())


class Strings(Document):
    """A tuple of strings, stored as a JSON list; an empty one, too."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """Write the list."""
        return json.dumps(list(value or ()))

    def _read(self, document: Any) -> tuple[str, ...]:
        return tuple(document or ())


class TrueOrNull(TypeDecorator[bool]):
    """A flag of which False is stored as NULL.

    A unique key then allows one True and any number of False.
    """

    impl = Boolean
    cache_ok = True

    def process_bind_param(
        self, value: bool | None, dialect: Dialect
    ) -> bool | None:
        """Write NULL for False."""
        return value or None

    def process_result_value(
        self, value: bool | None, dialect: Dialect
    ) -> bool:
        """Read NULL as False."""
        return bool(value)


class ReportDocument(TypeDecorator[Report]):
    """An agent's report, stored as JSON.

    A report of another version of the agent contract is read as None.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: Report | None, dialect: Dialect
    ) -> str | None:
        """Write the document."""
        return json.dumps(to_document(value), sort_keys=True)

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> Report | None:
        """Read the document."""
        try:
            return report_from(json.loads(value or ""))
        except (ValueError, InvalidRequest):
            return None


def failures(document: Any) -> tuple[ActionFailure, ...]:
    """Read a list of actions that fail."""
    return tuple(read(ActionFailure, failure) for failure in document or ())


def autoscale(document: Any) -> Autoscale | None:
    """Read what a cluster is scaled by."""
    return None if document is None else read(Autoscale, document)


def refusals(document: Any) -> dict[str, str]:
    """Read the sentences about objects that amphorae refused, by id."""
    return dict(document or {})


def listener_counts(document: Any) -> dict[str, dict[str, Counted]]:
    """Read what listeners counted before, by load balancer."""
    return {
        owner: {
            listener_id: read(Counted, count)
            for listener_id, count in listeners.items()
        }
        for owner, listeners in (document or {}).items()
    }


def told(document: Any) -> Told:
    """Read what events told, by subject.

    A later release may have added fields to a mark, at its end.
    """
    if document is None:
        return None
    known = len(Mark._fields)
    return {subject: Mark(*mark[:known]) for subject, mark in document.items()}


def words(kind: type[StrEnum], length: int) -> Enum:
    """Make the type of a column that stores the value of an enumeration."""
    return Enum(
        kind,
        native_enum=False,
        length=length,
        values_callable=lambda members: [one.value for one in members],
    )
