# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The picture's second document: what happened in the last hour.

The page undoes these events, the newest first, to show an earlier state. If
there are more than fit, the oldest are left out, and it says since when it
is whole.

Layer: controller.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from octavia_anycast.controller.picture.document import (
    BYTES_MAX,
    cut,
    encoded,
    milliseconds,
)
from octavia_anycast.controller.picture.overview import (
    ZONE_NAME_BYTES,
    Index,
    short,
)
from octavia_anycast.controller.ports import World
from octavia_anycast.db.monitoring import events

BACK = timedelta(hours=1)
EVENTS_MAX = 3_000
CAUSE_BYTES = 200
HEAD_BYTES = 1_000
# What the name of a zone, or an id, takes at most.
WORD_BYTES = 64


class History:
    """Makes the document of the last hour's events."""

    def __init__(self, world: World) -> None:
        self._world = world

    def make(self, owner_id: str | None = None) -> dict[str, Any]:
        """Read the events; one query, or two.

        :param owner_id: a load balancer, or a distributor with amphorae of
            its own; its events come with their causes
        :raises Retryable: the database does not answer.
        """
        now = self._world.now()
        since = now - BACK
        scopes = [events.Scope(since=since, load_balancer_id=owner_id)]
        if owner_id is not None:
            scopes.append(
                events.Scope(since=since, distributor_id=owner_id, is_own=True)
            )
        found: list[Any] = []
        with self._world.database.transaction() as session:
            for scope in scopes:
                found = found or events.latest(session, scope, EVENTS_MAX + 1)
        rows = _Rows(has_causes=owner_id is not None)
        kept = rows.that_fit(found[:EVENTS_MAX])
        is_cut = len(kept) < len(found)
        return {
            "at": milliseconds(now),
            "since": kept[-1][0] if is_cut else milliseconds(since),
            "owners": rows.owners.texts(),
            "peers": rows.peers.texts(),
            "zones": rows.zones.texts(),
            "events": kept,
        }


class _Rows:
    """Makes the rows of events, as many as fit."""

    def __init__(self, *, has_causes: bool) -> None:
        self._has_causes = has_causes
        self.owners, self.peers, self.zones = Index(), Index(), Index()

    def that_fit(self, found: Iterable[Any]) -> list[Any]:
        """The rows of the first ones."""
        kept: list[Any] = []
        left = BYTES_MAX - HEAD_BYTES
        for event in found:
            before = self._words()
            row = self._of(event)
            left -= len(encoded(row)) + 1
            left -= WORD_BYTES * (self._words() - before)
            if left < 0:
                break
            kept.append(row)
        return kept

    def _words(self) -> int:
        return sum(len(x) for x in (self.owners, self.peers, self.zones))

    def _of(self, event: Any) -> list[Any]:
        """Time, kind, owner, amphora, zone, peer, states, perhaps cause."""
        owner = event.load_balancer_id or event.distributor_id
        zone = cut(event.availability_zone or "", ZONE_NAME_BYTES)
        row = [
            milliseconds(event.created_at),
            event.kind,
            self.owners[owner],
            short(event.amphora_id or ""),
            self.zones[zone],
            self.peers[event.peer_id] if event.peer_id else -1,
            event.from_state,
            event.to_state,
        ]
        return [*row, cut(event.cause, CAUSE_BYTES)][: 8 + self._has_causes]
