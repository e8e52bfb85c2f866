# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How many new connections each amphora gets, from what heartbeats counted.

Layer: controller. It remembers two looks, not more.
"""

import threading
from collections.abc import Mapping
from datetime import datetime

from octavia_anycast.db.monitoring.pictured import Counted

WINDOW_SECONDS = 10.0
# What is older says nothing of now.
OLD_SECONDS = 30.0


class ConnectionRates:
    """Compares counts with those of some seconds before.

    The first look knows nothing, nor one after a long time without a look or
    a heartbeat. Counts that fall are those of a new start.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._since: dict[str, Counted] = {}
        # amphora_id -> until when it is counted, new connections a second
        self._rates: dict[str, tuple[datetime, float]] = {}

    def look(
        self, counted: Mapping[str, Counted], now: datetime
    ) -> dict[str, float]:
        """amphora_id -> new connections a second, where it is known."""
        with self._guard:
            for amphora_id, count in counted.items():
                self._compare(amphora_id, count)
            for gone in self._since.keys() - counted.keys():
                del self._since[gone]
                self._rates.pop(gone, None)
            return {
                amphora_id: rate
                for amphora_id, (at, rate) in self._rates.items()
                if (now - at).total_seconds() <= OLD_SECONDS
            }

    def _compare(self, amphora_id: str, now: Counted) -> None:
        before = self._since.get(amphora_id)
        if before is None or now.connections < before.connections:
            self._since[amphora_id] = now
            return
        seconds = (now.at - before.at).total_seconds()
        if seconds > OLD_SECONDS:
            self._since[amphora_id] = now
        elif seconds >= WINDOW_SECONDS:
            more = now.connections - before.connections
            self._rates[amphora_id] = now.at, more / seconds
            self._since[amphora_id] = now
