# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Column types: aware UTC times, IP addresses and lists of strings.

They are the same on MariaDB and SQLite, so that one migration serves both.
"""

import json
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from sqlalchemy import DateTime, Dialect, String, Text
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.types import TypeDecorator

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import ActionFailure
from octavia_anycast.model.codec import read, to_document

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
        """Say that it is UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


class Address(TypeDecorator[IPAddress]):
    """An IPv4 or IPv6 address, stored as text."""

    impl = String(IP_LENGTH)
    cache_ok = True

    def process_bind_param(
        self, value: IPAddress | None, dialect: Dialect
    ) -> str | None:
        """Write it down in its canonical form."""
        return None if value is None else str(value)

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> IPAddress | None:
        """Read it back."""
        return None if value is None else ip_address(value)


class Strings(TypeDecorator[tuple[str, ...]]):
    """A tuple of strings, stored as a JSON list."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: tuple[str, ...] | None, dialect: Dialect
    ) -> str:
        """Write the list; nothing is the empty list."""
        return json.dumps(list(value or ()))

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> tuple[str, ...]:
        """Read the list."""
        return tuple(json.loads(value)) if value else ()


class Failures(TypeDecorator[tuple[ActionFailure, ...]]):
    """What fails, stored as a JSON list; NULL: nothing does."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: tuple[ActionFailure, ...] | None, dialect: Dialect
    ) -> str | None:
        """Write the list."""
        return json.dumps(to_document(value)) if value else None

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> tuple[ActionFailure, ...]:
        """Read the list."""
        return tuple(
            read(ActionFailure, failure)
            for failure in json.loads(value or "[]")
        )
