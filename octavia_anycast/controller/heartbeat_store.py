# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heartbeats received: the latest of each amphora, in memory.

Layer: controller. Pure of I/O; the receiver fills it, the reporter reads it.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from octavia_anycast.model.heartbeat import Heartbeat


class HeartbeatStore:
    """The latest heartbeat of each amphora; safe for several threads.

    :param stale_after: seconds after which one says nothing any more
    """

    def __init__(self, *, stale_after: float) -> None:
        self._stale_after = timedelta(seconds=stale_after)
        self._latest: dict[str, tuple[datetime, Heartbeat]] = {}
        self._owner: dict[str, str] = {}
        self._lock = threading.Lock()

    def put(self, heartbeat: Heartbeat, now: datetime) -> str | None:
        """Keep a heartbeat.

        :returns: the load balancer to look at, if what it says is news
        """
        with self._lock:
            before = self._latest.get(heartbeat.amphora_id)
            self._latest[heartbeat.amphora_id] = (now, heartbeat)
            owner = self._owner.get(heartbeat.amphora_id)
        if before and before[1].health() == heartbeat.health():
            return None
        return owner

    def of(
        self,
        applied: Mapping[str, datetime | None],
        load_balancer_id: str,
        now: datetime,
    ) -> Sequence[Heartbeat]:
        """The heartbeats of these amphorae, without stale ones.

        :param applied: amphora_id -> when its configuration was last pushed;
            what it said before that is about another configuration
        """
        with self._lock:
            for amphora_id in applied:
                self._owner[amphora_id] = load_balancer_id
            return [
                self._latest[amphora_id][1]
                for amphora_id, since in sorted(applied.items())
                if since is not None and self._is_fresh(amphora_id, since, now)
            ]

    def prune(self, now: datetime) -> None:
        """Forget amphorae that were not heard of for long."""
        limit = now - 10 * self._stale_after
        with self._lock:
            for amphora_id, (when, _) in list(self._latest.items()):
                if when < limit:
                    del self._latest[amphora_id]
                    self._owner.pop(amphora_id, None)

    def _is_fresh(
        self, amphora_id: str, since: datetime, now: datetime
    ) -> bool:
        found = self._latest.get(amphora_id)
        if found is None:
            return False
        return found[0] > since and now - found[0] < self._stale_after
