# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Failed answers of each listener, in Octavia's heartbeats.

Octavia's ``ereq`` counts requests that HAProxy could not read. An amphora
whose HAProxy reaches no member answers 503 to all, and counts none. A fleet
change wants to know (ADR 0164), so the heartbeat bears, below our key, what
each listener answered with 5xx and, where it forwards TCP, how often a member
could not be reached; what was added since the last heartbeat.

Layer: octavia_adapter.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from octavia.amphorae.backends.health_daemon import health_daemon

from octavia_anycast.model.heartbeat import FAILED, OURS

Row = Mapping[str, str]
Stats = Callable[[str], tuple[list[Row], Any]]


class FailureCounter:
    """What replaces two calls of the process that sends heartbeats.

    :param get_stats: of a statistics socket: its rows, and its pools
    :param build: makes a heartbeat; calls :meth:`get_stats`
    """

    def __init__(
        self, get_stats: Stats, build: Callable[[], dict[str, Any]]
    ) -> None:
        self._get_stats = get_stats
        self._build = build
        self._totals: dict[str, int] = {}
        self._added: dict[str, int] = {}

    def get_stats(self, path: str) -> tuple[list[Row], Any]:
        """Return the statistics as Octavia has them; count by the way."""
        rows, pools = self._get_stats(path)
        for listener_id, total in failures(rows).items():
            # What was counted before this process began is nobody's news.
            before = self._totals.get(listener_id, total)
            self._totals[listener_id] = total
            # HAProxy counts from zero after a reload.
            added = total - before if total >= before else total
            self._added[listener_id] = added
        return rows, pools

    def build(self) -> dict[str, Any]:
        """Make a heartbeat that bears what was added."""
        self._added = {}
        message = self._build()
        self._totals = {
            listener_id: total
            for listener_id, total in self._totals.items()
            if listener_id in message["listeners"]
        }
        message.setdefault(OURS, {})[FAILED] = self._added
        return message


def failures(rows: Iterable[Row]) -> dict[str, int]:
    """Listener -> failed answers, or connections, since HAProxy started."""
    rows = list(rows)
    found = Counter(
        {
            row["pxname"]: _count(row, "hrsp_5xx")
            for row in rows
            if row["svname"] == "FRONTEND"
        }
    )
    for row in rows:
        # A backend is called POOL:LISTENER.
        _, _, listener_id = row["pxname"].partition(":")
        is_tcp = row["svname"] == "BACKEND" and row.get("mode") == "tcp"
        if is_tcp and listener_id in found:
            found[listener_id] += _count(row, "econ")
    return dict(found)


def _count(row: Row, column: str) -> int:
    return int(row.get(column) or 0)


def install() -> FailureCounter:
    """Have the heartbeats of this process and its children bear them."""
    counter = FailureCounter(
        health_daemon.get_stats, health_daemon.build_stats_message
    )
    health_daemon.get_stats = counter.get_stats
    health_daemon.build_stats_message = counter.build
    return counter
