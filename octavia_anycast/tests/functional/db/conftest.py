# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Our tables on SQLite."""

import pytest

from octavia_anycast.db import schema
from octavia_anycast.db.engine import Database


@pytest.fixture
def database(tmp_path):
    """An upgraded database with nothing in it."""
    database = Database(f"sqlite:///{tmp_path}/anycast.db")
    schema.upgrade(database.engine())
    return database


@pytest.fixture
def session(database):
    """A session in a transaction."""
    with database.transaction() as session:
        yield session
