# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The database of a controller that may die at any call."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from octavia_anycast.db.engine import Database


class Died(Exception):
    """The controller is dead; nothing it calls happens any more."""


class Fate(Protocol):
    """Who decides when the controller dies."""

    is_dead: bool

    def step(self, name: str) -> None:
        """Count a call; die in it, if it is the one."""


class MortalDatabase(Database):
    """The database as a process sees it that may die at any transaction."""

    def __init__(self, database: Database, fate: Fate) -> None:
        self._database = database
        self._fate = fate

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """As the real one; does not commit once dead."""
        self._fate.step("transaction")
        with self._database.transaction() as session:
            yield session
            if self._fate.is_dead:
                raise Died("transaction")
