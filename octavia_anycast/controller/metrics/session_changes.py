# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How often BGP sessions came up and went down, by peer.

Layer: controller.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping

from octavia_anycast.model.monitoring.event import Event, EventKind

_KINDS = (EventKind.SESSION_UP, EventKind.SESSION_DOWN)


class SessionChanges:
    """Counts what events tell of sessions; safe for several threads.

    An event may stand for changes before it that were not told: they count.
    No count goes backwards: a change stays with the name that its peer was
    shown by when it was first asked for, whatever becomes of the peer.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._new: Counter[str] = Counter()  # peer_id -> changes
        self._totals: Counter[str] = Counter()  # name -> changes

    def add(self, events: Iterable[Event]) -> None:
        """Count those of sessions."""
        changes = [
            (event.peer_id, event.change_count)
            for event in events
            if event.kind in _KINDS and event.peer_id is not None
        ]
        with self._guard:
            for peer_id, count in changes:
                self._new[peer_id] += count

    def by_name(self, peer_names: Mapping[str, str]) -> dict[str, int]:
        """Name -> changes since this process began; 0 for one without.

        :param peer_names: id -> name that it is shown by, of each peer that
            there is; several may have one. Changes of other peers wait.
        """
        with self._guard:
            for peer_id, name in peer_names.items():
                self._totals[name] += self._new.pop(peer_id, 0)
            return {name: self._totals[name] for name in peer_names.values()}
