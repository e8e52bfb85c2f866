# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/zone-drains``: all amphorae of one place, out of service.

A call stores a row, or refuses it; the controller carries it out, and ends it
at its time.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from octavia_anycast.api.declaration import bodies, calls, resource
from octavia_anycast.api.declaration.fields import (
    CREATED_AT,
    FLAG,
    ID,
    ID_AS_TEXT,
    INTEGER,
    MOMENT,
    TEXT,
    Resource,
    between,
    one_of,
)
from octavia_anycast.db.fleet import zone_drains
from octavia_anycast.model.cluster import TIMEOUT_MAX_SECONDS
from octavia_anycast.model.fleet.zone_drain import (
    DURATION_MAX_SECONDS,
    DURATION_MIN_SECONDS,
    ZoneDrain,
    ZoneDrainRequest,
    ZoneDrainState,
    state_of,
)
from octavia_anycast.planning.fleet.zone_drain import progress

ZONE_DRAIN = Resource(
    name="ZoneDrain",
    title="zone drain",
    logged=("availability_zone", "compute_host", "peer_id", "expires_at"),
    root="zone_drain",
    plural="zone_drains",
    filters=zone_drains.COLUMNS,
    fields={
        "id": ID,
        "availability_zone": TEXT.or_null(
            "The availability zone whose amphorae are drained. Of this, "
            "compute_host and peer_id exactly one is given."
        ),
        "compute_host": TEXT.or_null(
            "The compute host whose amphorae are drained."
        ),
        "peer_id": ID_AS_TEXT.or_null(
            "The BGP peer; all amphorae that have it as a peer are drained."
        ),
        "reason": TEXT("Why, in the operator's words."),
        "duration": INTEGER(
            "Seconds after which it ends by itself. Of this and expires_at "
            "exactly one is given.",
            between(DURATION_MIN_SECONDS, DURATION_MAX_SECONDS),
            is_shown=False,
        ),
        "expires_at": MOMENT("When it ends by itself (UTC)."),
        "timeout": INTEGER.or_null(
            "Seconds for which each amphora drains at most before it "
            "withdraws its paths; null: the option drain_timeout. A "
            "distributor's own drain for five seconds at most.",
            between(0, TIMEOUT_MAX_SECONDS),
        ),
        "boot_elsewhere": FLAG(
            "Whether another amphora boots elsewhere for each one, and serves "
            "before that one drains."
        ),
        "force": FLAG(
            "Whether it is not refused for amphorae that cannot be missed; "
            "they stay in service.",
            at="is_forced",
        ),
        "state": one_of(*ZoneDrainState)(
            "DRAINING: some of the amphorae at the place announce, or were "
            "not asked to drain yet; DRAINED: none announces, by their last "
            "reports; ENDING: they are to announce again; ENDED: it is over."
        ),
        "amphora_count": INTEGER("How many amphorae it drains."),
        "waiting_count": INTEGER(
            "How many of them wait: nobody takes their place yet."
        ),
        "draining_count": INTEGER(
            "How many of them are announced with GRACEFUL_SHUTDOWN (RFC 8326)."
        ),
        "drained_count": INTEGER("How many of them are withdrawn."),
        "announcing_count": INTEGER(
            "How many amphorae at the place announce by their last reports, "
            "or will: they boot, or were not asked to drain yet. Those count, "
            "too, that leave, or that something else drains. When it is to "
            "end: 0."
        ),
        "returning_count": INTEGER(
            "How many of them are to announce again before their stand-ins go."
        ),
        "created_at": CREATED_AT,
        "ended_at": MOMENT.or_null("When it ended (UTC); null: it has not."),
        "end_reason": TEXT("Why it ends; empty: it does not yet."),
    },
)
SCHEMAS = {
    "ZoneDrain": ZONE_DRAIN.answer(),
    "ZoneDrainRequest": ZONE_DRAIN.request(ZoneDrainRequest),
}
CALLS = {
    name: call
    for name, call in calls.collection(
        ZONE_DRAIN,
        "/v2/lbaas/zone-drains",
        calls.OPERATORS,
        name="endZoneDrain",
        summary="End a zone drain: its amphorae announce again",
    ).items()
    if name != "put"
}


class ZoneDrainsController(resource.Collection):
    """The zone drains, those that have ended among them."""

    OF = ZONE_DRAIN
    CALLS = CALLS
    ROWS = zone_drains

    def _create(self, session: Any, body: Any) -> ZoneDrain:
        wanted = bodies.read(ZONE_DRAIN, ZoneDrainRequest, body)
        return zone_drains.ask(
            session, wanted, self._settings.drain_limits, datetime.now(UTC)
        )

    def _delete(self, session: Any, id: str) -> None:
        zone_drains.ask_to_end(session, id, datetime.now(UTC))

    def _answers(self, session: Any, records: Sequence[Any]) -> list[Any]:
        found = zone_drains.amphorae_of(session, [one.id for one in records])
        announcing = zone_drains.announcing(session, records)
        return [
            self._shown_one(
                one, found.get(one.id, ()), announcing.get(one.id, 0)
            )
            for one in records
        ]

    @staticmethod
    def _shown_one(
        drain: ZoneDrain, members: Sequence[Any], announcing: int
    ) -> Any:
        counts = progress(members)
        return ZONE_DRAIN.shown(
            drain,
            state=state_of(drain, counts, announcing),
            announcing_count=announcing,
            amphora_count=counts.total,
            waiting_count=counts.waiting,
            draining_count=counts.draining,
            drained_count=counts.drained,
            returning_count=counts.returning,
        )
