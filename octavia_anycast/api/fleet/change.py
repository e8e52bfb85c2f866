# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/fleet-changes`` and ``/v2/lbaas/fleet``.

A call stores what an operator asks for, or refuses it; the controller carries
it out, step by step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

from octavia_anycast.api.declaration import bodies, calls, resource
from octavia_anycast.api.declaration.calls import Call, ours
from octavia_anycast.api.declaration.fields import (
    CREATED_AT,
    FLAG,
    ID,
    INTEGER,
    MOMENT,
    TEXT,
    UUID,
    Resource,
    between,
    list_of,
    nested,
    one_of,
)
from octavia_anycast.db.fleet import changes
from octavia_anycast.model import codec
from octavia_anycast.model.fleet.change import (
    CANARIES_MAX,
    PARALLEL_MAX,
    SOAK_MAX_SECONDS,
    ChangeKind,
    ChangeState,
    FleetChange,
    FleetChangeRequest,
)


class Turn(StrEnum):
    """What an operator may make of a fleet change."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    ABORTED = "ABORTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetChangeTurn:
    """The body of a PUT."""

    state: Turn


FLEET_CHANGE = Resource(
    name="FleetChange",
    title="fleet change",
    logged=("kind", "compute_host", "state"),
    root="fleet_change",
    plural="fleet_changes",
    filters=changes.COLUMNS,
    fields={
        "id": ID,
        "kind": one_of(*ChangeKind)(
            "Which amphorae are replaced. image: those that were booted from "
            "another image than boots now; host: those of compute_host; "
            "certificate: none, but each agent gets a new certificate."
        ),
        "compute_host": TEXT.or_null(
            "The compute host, of the kind host; null: of others."
        ),
        "canaries": INTEGER(
            "So many load balancers get one new amphora first.",
            between(0, CANARIES_MAX),
        ),
        "soak": INTEGER(
            "Seconds for which these serve before the others follow.",
            between(0, SOAK_MAX_SECONDS),
        ),
        "parallel": INTEGER(
            "So many amphorae are replaced at the same time, at most one of a "
            "load balancer.",
            between(1, PARALLEL_MAX),
        ),
        "state": one_of(*ChangeState)(
            "RUNNING; PAUSED: nothing more begins; HALTED: by itself, for a "
            "reason; ABORTED: by an operator; DONE. Canaries of one that is "
            "HALTED or ABORTED are taken back."
        ),
        "reason": TEXT(
            "Why it is not RUNNING; of one that is: amphorae whose images are "
            "not known, or empty."
        ),
        "proven": FLAG(
            "Whether the canaries have served for long enough.",
            at="is_proven",
        ),
        "replaced_count": INTEGER(
            "How many amphorae it has replaced; of the kind certificate, how "
            "many have a new one."
        ),
        "under_way_count": INTEGER("How many are being replaced."),
        "waiting_count": INTEGER("How many are still to be replaced."),
        "held_count": INTEGER(
            "How many others wait for something else: their cluster manager "
            "is off, they are drained, their image is not known (yet), or, "
            "for new certificates, their agents did not answer for 2 minutes."
        ),
        "created_at": CREATED_AT,
        "ended_at": MOMENT.or_null("When it ended (UTC); null: it has not."),
    },
)
_IMAGE = Resource(
    name="FleetImage",
    fields={
        "image_id": TEXT.or_null(
            "The image, as the compute service names it; null: it was not "
            "looked up yet; empty: it is not known."
        ),
        "amphora_count": INTEGER("Amphorae that were booted from it."),
        "load_balancer_count": INTEGER(
            "Load balancers that have any of these."
        ),
    },
)
FLEET = Resource(
    name="Fleet",
    title="fleet",
    root="fleet",
    fields={
        "images": list_of(nested(_IMAGE))("Amphorae by their image."),
        "fleet_change_id": UUID.or_null(
            "The last fleet change; null: there was none."
        ),
    },
)
_TURN = Resource(
    name="FleetChangeTurn",
    fields={
        "state": one_of(*Turn)(
            "PAUSED pauses it, RUNNING resumes it, also after it HALTED, and "
            "ABORTED ends it."
        )
    },
)
SCHEMAS = {
    "FleetChange": FLEET_CHANGE.answer(),
    "FleetChangeRequest": FLEET_CHANGE.request(FleetChangeRequest),
    "FleetChangeChange": _TURN.request(FleetChangeTurn),
    "Fleet": FLEET.answer(),
}
CALLS = {
    name: call
    for name, call in calls.collection(
        FLEET_CHANGE, "/v2/lbaas/fleet-changes", calls.OPERATORS
    ).items()
    if name != "delete"
}
CALLS_OF_FLEET = {
    "get": Call(
        "GET",
        "/v2/lbaas/fleet",
        "showFleet",
        "Show the amphorae of all load balancers by their image",
        ours("fleet:get", calls.OPERATORS),
        FLEET,
        (400,),
    )
}


class FleetChangesController(resource.Collection):
    """The fleet changes, those that have ended among them."""

    OF = FLEET_CHANGE
    CALLS = CALLS
    ROWS = changes

    def _create(self, session: Any, body: Any) -> FleetChange:
        wanted = bodies.read(FLEET_CHANGE, FleetChangeRequest, body)
        return changes.ask(session, wanted, datetime.now(UTC))

    def _update(self, session: Any, id: str, body: Any) -> Any:
        given = bodies.under(FLEET_CHANGE, body)
        wanted = codec.read(FleetChangeTurn, given)
        return changes.turn(
            session, id, ChangeState(wanted.state.value), datetime.now(UTC)
        )

    def _answers(self, session: Any, records: Sequence[Any]) -> list[Any]:
        return [self._shown_one(session, one) for one in records]

    @staticmethod
    def _shown_one(session: Any, change: FleetChange) -> Any:
        counts = changes.progress_of(session, change, datetime.now(UTC))
        return FLEET_CHANGE.shown(
            change,
            replaced_count=counts.replaced,
            under_way_count=counts.under_way,
            waiting_count=counts.waiting,
            held_count=counts.held,
        )


class FleetController(resource.Collection):
    """All amphorae of load balancers."""

    OF = FLEET
    CALLS = CALLS_OF_FLEET

    def get(self) -> Any:
        """Show them."""
        self._check("get")
        with self._transaction() as session:
            latest = changes.latest(session)
            found = SimpleNamespace(
                images=changes.image_counts(session),
                fleet_change_id=latest.id if latest else None,
            )
            return FLEET.one(FLEET.shown(found))
