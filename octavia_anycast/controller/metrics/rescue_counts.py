# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Counts of flow rescue, over all amphorae, which never go backwards.

An amphora's counts go with it, and begin anew with its programs. So what is
summed here is what was added from one look to the next, as Prometheus does
with counters of many processes.

Layer: controller.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from octavia_anycast.model.wire import MemberCounts
from octavia_anycast.planning.amphora.recorded import CountedAmphora

EVENTS = tuple(MemberCounts.__dataclass_fields__)
_Counts = Mapping[str, int]


class RescueCounts:
    """Sums what amphorae count, as long as this process looks.

    The first look adds nothing: what was counted before is not known to be
    new. One thread at a time may use it.
    """

    def __init__(self) -> None:
        self._totals = Counter(dict.fromkeys(EVENTS, 0))
        # (amphora_id, member) -> what it counted at the last look
        self._before: dict[tuple[str, str], _Counts] | None = None

    def look(self, amphorae: Sequence[CountedAmphora]) -> dict[str, int]:
        """Event -> how often it was counted, up to this look."""
        now = {
            (amphora.amphora_id, member): counts
            for amphora in amphorae
            if amphora.said is not None
            for member, counts in amphora.said.rescue.items()
        }
        before = self._before
        if before is None:
            self._before = now
            return dict(self._totals)
        for key, counts in now.items():
            self._add(before.get(key, {}), counts)
        # What cannot be read now may be read again.
        unread = {x.amphora_id for x in amphorae if x.said is None}
        kept = {key: was for key, was in before.items() if key[0] in unread}
        self._before = now | kept
        return dict(self._totals)

    def _add(self, before: _Counts, now: _Counts) -> None:
        if now == before:
            return
        for event in EVENTS:
            count, last = now.get(event, 0), before.get(event, 0)
            self._totals[event] += count - last if count >= last else count
