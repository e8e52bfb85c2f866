# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How often BGP sessions came up and went down, by peer.

Layer: controller.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping

from octavia_anycast.model.event import Event, EventKind

_KINDS = (EventKind.SESSION_UP, EventKind.SESSION_DOWN)


class SessionChanges:
    """Counts what events tell of sessions; safe for several threads.

    An event may stand for changes before it that were not told: they count.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counts: Counter[str] = Counter()  # peer_id -> changes

    def add(self, events: Iterable[Event]) -> None:
        """Count those of sessions."""
        changes = [
            (event.peer_id, event.change_count)
            for event in events
            if event.kind in _KINDS and event.peer_id is not None
        ]
        with self._guard:
            for peer_id, count in changes:
                self._counts[peer_id] += count

    def by_name(self, peer_names: Mapping[str, str]) -> Counter[str]:
        """Name of a peer -> changes; 0 for one without.

        :param peer_names: id -> name of each peer that there is; what is not
            among them is left out
        """
        found: Counter[str] = Counter()
        with self._guard:
            for peer_id, name in peer_names.items():
                found[name] += self._counts[peer_id]
        return found
