# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Our tables on SQLite."""

import pytest


@pytest.fixture
def session(database):
    """A session in a transaction."""
    with database.transaction() as session:
        yield session
