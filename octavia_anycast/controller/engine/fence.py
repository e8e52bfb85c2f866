# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The fence: a plan goes on for as long as nobody else may have begun one.

A process that is paused loses its lock without noticing: the lease ends, and
another controller works on the same load balancer. So each action asks again
before it begins, and what it records is recorded only if it is still the last
that began a plan (ADR 0160).

Layer: controller. Safe for several threads.
"""

import time
from collections.abc import Callable
from typing import Any

from octavia_anycast.db import epochs
from octavia_anycast.db.engine import Database
from octavia_anycast.model.errors import Overtaken, Retryable

# So long a node of the database may be behind another one of a cluster.
BEHIND_SECONDS = 1.0
BEHIND_LOOKS = 20
_OVERTAKEN = "another controller has begun a plan meanwhile"
_Holds = Callable[[], bool]


class Fence:
    """One plan for a cluster, or for a distributor's own amphorae.

    :param table: of the row that is begun
    :param key: of that row
    :param what: the row, for sentences
    :param holds: whether the lock is surely still held; asks nobody
    """

    def __init__(
        self,
        database: Database,
        table: epochs.Fenced,
        key: str,
        *,
        what: str,
        holds: _Holds,
    ) -> None:
        self._database = database
        self._table = table
        self._key = key
        self._what = what
        self._holds = holds
        self._mine = 0
        self._is_lost = False

    def begin(self, seen: int) -> None:
        """Begin a plan.

        :param seen: the epoch when what the plan is made from was read
        :raises Overtaken: another plan was begun since then.
        """

        def begin(session: Any) -> None:
            is_begun = epochs.begin(session, self._table, self._key, seen)
            if not is_begun:
                self._not_behind(session, seen)
            self._require(
                is_begun,
                "another controller has begun a plan since this one looked",
            )

        self.require_lock()
        self._database.transact(begin)
        self._mine = seen + 1

    def check(self) -> None:
        """See that an action may begin.

        :raises Overtaken: it may not.
        """
        self.require_lock()
        for _ in range(BEHIND_LOOKS):
            if not self._is_behind():
                return
            time.sleep(BEHIND_SECONDS / BEHIND_LOOKS)
        self._require(False, "a node of the database is behind")

    def _is_behind(self) -> bool:
        """Whether a node answers that does not know this plan yet.

        :raises Overtaken: the epoch is not ours any more.
        """
        with self._database.transaction() as session:
            found = epochs.read(session, self._table, self._key)
        if found is not None and found < self._mine:
            return True
        self._require(found == self._mine, _OVERTAKEN)
        return False

    def _not_behind(self, session: Any, known: int) -> None:
        """Tell a node that is behind from one where somebody was faster.

        :raises Retryable: it is behind.
        """
        found = epochs.read(session, self._table, self._key)
        if found is not None and found < known:
            raise Retryable(
                f"A node of the database is behind with {self._what}."
            )

    def guard(self, session: Any) -> None:
        """Have a transaction fail if another plan is begun before its end.

        :raises Overtaken: one was begun already.
        :raises Retryable: a node of the database does not know ours yet.
        """
        is_ours = epochs.guard(session, self._table, self._key, self._mine)
        if not is_ours:
            self._not_behind(session, self._mine)
        self._require(is_ours, _OVERTAKEN)

    def require_lock(self) -> None:
        """See that the lock is still held.

        :raises Overtaken: its time may be over.
        """
        self._require(self._holds(), "the time of its lock is over")

    def require(self) -> None:
        """See that nobody has overtaken any part of this plan.

        :raises Overtaken: somebody has.
        """
        self._require(not self._is_lost, "another controller goes on with it")

    def _require(self, is_ours: bool, why: str) -> None:
        if not is_ours:
            self._is_lost = True
            raise Overtaken(
                f"The work on {self._what} is broken off: {why}. It is looked "
                "at again."
            )
