# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The version of our schema: our own alembic environment and table.

It never reads Octavia's alembic_version or Octavia's tables.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import autogenerate, command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from octavia_anycast.db import models
from octavia_anycast.model.errors import Permanent

VERSION_TABLE = "anycast_alembic_version"
METADATA = models.Base.metadata


class TablesTooOld(Permanent):
    """A migration of this release is missing; ``version`` says which.

    :param version: of the database
    """

    def __init__(self, version: "Version") -> None:
        super().__init__(
            f"the tables are at version {version.current or 'none'}, this "
            f"release needs {version.head}: run 'octavia-anycast-manage db "
            "upgrade'"
        )
        self.version = version


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """``current`` None: the database has none of our tables yet.

    A version is a number of four digits, and each is one more than the last.
    """

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        """Whether no migration is missing."""
        return self.current == self.head

    @property
    def is_older(self) -> bool:
        """Whether a migration is missing; if there are no tables, all are."""
        return self.current is None or self.current < self.head

    @property
    def is_newer(self) -> bool:
        """Whether a newer release has migrated the tables."""
        return self.current is not None and self.current > self.head


def is_ours(
    target: Any, name: str | None, kind: str, reflected: bool, other: Any
) -> bool:
    """Keep alembic's comparison to our own tables (include_object)."""
    table = name if kind == "table" else target.table.name
    return table in METADATA.tables


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Upgrade the schema to a revision; idempotent."""
    with engine.begin() as connection:
        command.upgrade(_config(connection), revision)


def version(engine: Engine) -> Version:
    """Get the version of the database, and the one that this code needs."""
    with engine.connect() as connection:
        return _version(connection)


def require(session: Session) -> None:
    """Check that no migration of this release is missing.

    Tables of a newer release have what this one reads and writes: while an
    upgrade is under way, its processes go on (ADR 0145).

    :raises TablesTooOld: one is missing.
    """
    found = _version(session.connection())
    if found.is_older:
        raise TablesTooOld(found)


def differences(engine: Engine) -> list[Any]:
    """List the differences between the models and the database."""
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "include_object": is_ours,
                "compare_type": True,
            },
        )
        return list(autogenerate.compare_metadata(context, METADATA))


def _version(connection: Connection) -> Version:
    head = ScriptDirectory.from_config(_config(None)).get_current_head()
    assert head is not None
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    )
    return Version(current=context.get_current_revision(), head=head)


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option(
        "script_location", str(Path(__file__).parent / "migration")
    )
    config.attributes["connection"] = connection
    return config
