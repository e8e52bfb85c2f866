# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How many new connections each amphora gets, from what heartbeats counted.

Layer: controller. It remembers two looks, not more.
"""

import threading
from collections.abc import Mapping

from octavia_anycast.db.pictured import Counted

WINDOW_SECONDS = 10.0


class ConnectionRates:
    """Compares counts with those of some seconds before.

    The first look knows nothing. Counts that fall are those of a new start.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._since: dict[str, Counted] = {}
        self._rates: dict[str, float] = {}

    def look(self, counted: Mapping[str, Counted]) -> dict[str, float]:
        """amphora_id -> new connections a second, where it is known."""
        with self._guard:
            for amphora_id, now in counted.items():
                self._compare(amphora_id, now)
            for gone in self._since.keys() - counted.keys():
                del self._since[gone]
                self._rates.pop(gone, None)
            return dict(self._rates)

    def _compare(self, amphora_id: str, now: Counted) -> None:
        before = self._since.get(amphora_id)
        if before is None or now.connections < before.connections:
            self._since[amphora_id] = now
            return
        seconds = (now.at - before.at).total_seconds()
        if seconds >= WINDOW_SECONDS:
            more = now.connections - before.connections
            self._rates[amphora_id] = more / seconds
            self._since[amphora_id] = now
