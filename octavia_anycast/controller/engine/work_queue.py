# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The work queue: which load balancer is to be looked at next, and when.

Layer: controller. No I/O, no clock: times are monotonic seconds given in.
"""

import heapq
import random
import threading
from dataclasses import dataclass

IDLE_FACTOR = 1.3
IDLE_MAX_SECONDS = 3.0


@dataclass(slots=True)
class _Entry:
    due: float
    is_busy: bool = False
    is_woken: bool = False
    is_urgent: bool = False
    idle_looks: int = 0


class WorkQueue:
    """Due times of load balancers; safe for several threads."""

    def __init__(
        self, *, poll_interval: float, resync_interval: float
    ) -> None:
        self._poll = poll_interval
        self._resync = resync_interval
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def wake(self, load_balancer_id: str, now: float) -> None:
        """Look at it now; if somebody is at it, once more afterwards."""
        with self._lock:
            entry = self._entries.setdefault(load_balancer_id, _Entry(due=now))
            entry.due = min(entry.due, now)
            entry.is_woken = entry.is_busy
            entry.is_urgent = True
            entry.idle_looks = 0

    def keep(self, load_balancer_ids: set[str], now: float) -> None:
        """Know exactly these, new ones spread over the resync interval."""
        with self._lock:
            for gone in set(self._entries) - load_balancer_ids:
                if not self._entries[gone].is_busy:
                    del self._entries[gone]
            for new in load_balancer_ids - set(self._entries):
                spread = random.uniform(0, self._resync)
                self._entries[new] = _Entry(due=now + spread)

    def take_due(self, now: float, limit: int) -> list[str]:
        """Take those that are due, longest first; they are busy then.

        When there is more to do than gets done, those where something
        happens go before those that are only looked at again.
        """
        with self._lock:
            due = heapq.nsmallest(
                limit,
                (
                    (not entry.is_urgent, entry.due, identifier)
                    for identifier, entry in self._entries.items()
                    if not entry.is_busy and entry.due <= now
                ),
            )
            for *_, identifier in due:
                self._entries[identifier].is_busy = True
            return [identifier for *_, identifier in due]

    def done(
        self,
        load_balancer_id: str,
        now: float,
        *,
        is_settled: bool,
        did_something: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        """Say how it went; decides when to come again.

        One that is under way is looked at each poll interval, less often
        the longer nothing happens.
        """
        with self._lock:
            entry = self._entries.get(load_balancer_id)
            if entry is None:
                return
            entry.is_busy = False
            if entry.is_woken:
                entry.is_woken, entry.due = False, now
                return
            if is_settled:
                entry.idle_looks, entry.is_urgent = 0, False
                entry.due = now + self._resync * random.uniform(0.9, 1.1)
                return
            entry.idle_looks = 0 if did_something else entry.idle_looks + 1
            # One that only waits takes its turn: a thousand may.
            entry.is_urgent = did_something
            wait = self._poll * IDLE_FACTOR**entry.idle_looks
            entry.due = now + max(min(wait, IDLE_MAX_SECONDS), retry_after)

    def forget(self, load_balancer_id: str) -> None:
        """It is gone."""
        with self._lock:
            self._entries.pop(load_balancer_id, None)
