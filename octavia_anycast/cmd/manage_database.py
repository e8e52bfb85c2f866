# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-manage db``: migrations of our tables.

Layer: cmd.
"""

from octavia_anycast.cmd.tables import say
from octavia_anycast.db import schema
from octavia_anycast.db.engine import Database
from octavia_anycast.model.errors import Permanent


def upgrade(database: Database) -> None:
    """Bring our tables to the version of this release."""
    before = schema.version(database.engine()).current
    schema.upgrade(database.engine())
    after = schema.version(database.engine()).current
    say(
        f"The tables are at version {after}."
        if before == after
        else f"The tables went from version {before or 'none'} to {after}."
    )


def current(database: Database) -> None:
    """Say the version."""
    version = schema.version(database.engine())
    say(f"{version.current or 'none'} (this release: {version.head})")


def check(database: Database) -> None:
    """Compare the tables with what this release wants.

    :raises Permanent: if they differ.
    """
    version = schema.version(database.engine())
    if not version.is_current:
        raise Permanent(
            f"the tables are at version {version.current or 'none'}, this "
            f"release wants {version.head}: run 'octavia-anycast-manage db "
            "upgrade'"
        )
    differences = schema.differences(database.engine())
    if differences:
        raise Permanent(f"the tables differ from the models: {differences}")
    say(f"The tables are at version {version.head}, as they should be.")
