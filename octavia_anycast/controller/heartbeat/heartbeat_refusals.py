# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Datagrams that are no heartbeats of ours: from where, how many, why.

Anybody who reaches the port may send them, so memory and log are bounded:
so many sources, a line a source and hour, so many lines a minute.

Layer: controller. Pure of I/O but for the log.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from oslo_log import log as logging

from octavia_anycast.model.heartbeat import Refusal

LOG = logging.getLogger(__name__)
SOURCES_MAX = 1024
_LINES_PER_MINUTE = 10
_AGAIN_AFTER = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class _Source:
    """What came from one address."""

    count: int
    why: Refusal
    last_at: datetime
    told_at: datetime | None = None
    told_why: Refusal | None = None


class HeartbeatRefusals:
    """Counts refused datagrams by source; safe for several threads.

    ``receiver_error``: why no heartbeats are received at all; empty: they are.
    ``listening_since``: since when this process has recorded each good one;
    None: it records none. ``first_at``: when it received the first of them.
    """

    def __init__(self) -> None:
        self.receiver_error = ""
        self.listening_since: datetime | None = None
        self.first_at: datetime | None = None
        self.total = 0
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._lock = threading.Lock()
        self._minute: datetime | None = None
        self._lines = 0

    def note(self, source: str, why: Refusal, now: datetime) -> None:
        """Count one; log it where it is news."""
        with self._lock:
            self.total += 1
            seen = self._sources.pop(source, None)
            if seen is None:
                seen = _Source(0, why, now)
                if len(self._sources) >= SOURCES_MAX:
                    self._sources.popitem(last=False)
            self._sources[source] = seen
            seen.count += 1
            seen.why, seen.last_at = why, now
            if not self._is_news(seen, now):
                return
            seen.told_at, seen.told_why = now, why
            count = seen.count
        LOG.warning(
            "Datagrams from %s are refused as heartbeats: %s. %d so far; the "
            "next line about this address is in an hour.",
            source,
            why,
            count,
        )

    def why(self, source: str, since: datetime) -> Refusal | None:
        """Why the last datagram from there was refused, if since then."""
        with self._lock:
            seen = self._sources.get(source)
            return seen.why if seen and seen.last_at >= since else None

    def counts(self) -> dict[str, int]:
        """Source -> refused datagrams, of the latest sources."""
        with self._lock:
            return {s: seen.count for s, seen in self._sources.items()}

    def _is_news(self, seen: _Source, now: datetime) -> bool:
        if (
            seen.told_at is not None
            and seen.told_why is seen.why
            and now - seen.told_at < _AGAIN_AFTER
        ):
            return False
        if self._minute is None or now - self._minute >= _MINUTE:
            self._minute, self._lines = now, 0
        self._lines += 1
        return self._lines <= _LINES_PER_MINUTE
