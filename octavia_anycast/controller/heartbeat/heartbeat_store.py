# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Heartbeats received: the latest of each amphora, in memory.

Layer: controller. Pure of I/O; the receiver fills it, the reporter reads it.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from octavia_anycast.model.heartbeat import Heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the amphorae of a load balancer say.

    ``is_current``: all of it was made after the last push of each. The first
    heartbeat that arrives after a push may have been made before it; the
    second one was not.
    """

    beats: tuple[Heartbeat, ...] = ()
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class _Heard:
    """The latest heartbeat, and when it and the one before arrived."""

    at: datetime
    before: datetime | None
    beat: Heartbeat

    def is_second_since(self, moment: datetime | None) -> bool:
        return (
            moment is not None
            and self.before is not None
            and self.before > moment
        )


class HeartbeatStore:
    """The latest heartbeat of each amphora; safe for several threads.

    :param stale_after: seconds after which one says nothing any more
    """

    def __init__(self, *, stale_after: float) -> None:
        self._stale_after = timedelta(seconds=stale_after)
        self._latest: dict[str, _Heard] = {}
        self._owner: dict[str, str] = {}
        self._applied: dict[str, datetime | None] = {}
        self._lock = threading.Lock()

    def put(self, heartbeat: Heartbeat, now: datetime) -> str | None:
        """Keep a heartbeat.

        :param now: when it arrived
        :returns: the load balancer to look at, if what it says is news, or
            if it is the first that is sure to be about its configuration
        """
        amphora_id = heartbeat.amphora_id
        with self._lock:
            before = self._latest.get(amphora_id)
            heard = _Heard(now, before.at if before else None, heartbeat)
            self._latest[amphora_id] = heard
            owner = self._owner.get(amphora_id)
            applied = self._applied.get(amphora_id)
        if before is None or before.beat.health() != heartbeat.health():
            return owner
        is_sure = heard.is_second_since(applied)
        return owner if is_sure > before.is_second_since(applied) else None

    def of(
        self,
        applied: Mapping[str, datetime | None],
        load_balancer_id: str,
        now: datetime,
    ) -> Told:
        """The heartbeats of these amphorae, without stale ones.

        :param applied: amphora_id -> when its configuration was last pushed;
            what it said before that is about another configuration
        """
        with self._lock:
            for amphora_id in applied:
                self._owner[amphora_id] = load_balancer_id
            self._applied.update(applied)
            fresh = [
                (self._latest[amphora_id], since)
                for amphora_id, since in sorted(applied.items())
                if since is not None and self._is_fresh(amphora_id, since, now)
            ]
        return Told(
            beats=tuple(heard.beat for heard, _ in fresh),
            is_current=all(
                heard.is_second_since(since) for heard, since in fresh
            ),
        )

    def prune(self, now: datetime) -> None:
        """Forget amphorae that were not heard of for long."""
        limit = now - 10 * self._stale_after
        with self._lock:
            for amphora_id, heard in list(self._latest.items()):
                if heard.at < limit:
                    del self._latest[amphora_id]
                    self._owner.pop(amphora_id, None)
                    self._applied.pop(amphora_id, None)

    def _is_fresh(
        self, amphora_id: str, since: datetime, now: datetime
    ) -> bool:
        found = self._latest.get(amphora_id)
        if found is None:
            return False
        return found.at > since and now - found.at < self._stale_after
