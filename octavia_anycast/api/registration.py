# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors/ID/amphorae``: registered amphorae.

The distributor's dedicated amphorae announce them, too, beside their own
announcements. Nothing is sent from here: the controller acts upon the rows
(ADR 0086).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from octavia_anycast.api.declaration import bodies, calls, resource
from octavia_anycast.api.declaration.calls import Call, ours
from octavia_anycast.api.declaration.fields import (
    ADDRESS,
    CREATED_AT,
    FLAG,
    ID,
    ID_AS_TEXT,
    INTEGER,
    MOMENT,
    TEXT,
    UPDATED_AT,
    UUID,
    Resource,
    list_of,
    nested,
    one_of,
)
from octavia_anycast.api.drain import options_from
from octavia_anycast.db.registration import amphora_registrations, registering
from octavia_anycast.db.registration.amphora_registrations import (
    RegistrationRecord,
)
from octavia_anycast.db.registration.registering import PathsOfDistributor
from octavia_anycast.model.registration import AmphoraRegistration
from octavia_anycast.model.wire import PathState

_PATH = Resource(
    name="RegisteredPath",
    at="path.",
    fields={
        "amphora_id": UUID("The amphora that the path leads to."),
        "vip_address": ADDRESS("The VIP.", at="path.vip_ip"),
        "next_hop": ADDRESS(
            "The front-end address of that amphora.", at="path.nexthop_ip"
        ),
        "state": one_of(*PathState)(
            "advertised; draining: with GRACEFUL_SHUTDOWN (RFC 8326); "
            "pending: to be advertised, but no dedicated amphora announces it "
            "yet; withdrawn.",
            at="state",
        ),
        "reason": TEXT("Why it is not to be advertised, if it is not."),
        "announcing_count": INTEGER(
            "How many dedicated amphorae announce it.", at="announcing_count"
        ),
    },
)
REGISTRATION = Resource(
    name="AmphoraRegistration",
    title="amphora registration",
    logged=("load_balancer_id", "amphora_id", "drain_deadline"),
    root="amphora",
    plural="amphorae",
    at="registration.",
    filters=amphora_registrations.COLUMNS,
    fields={
        "id": ID,
        "distributor_id": UUID(
            "The distributor that it belongs to.", at="distributor_id"
        ),
        "load_balancer_id": ID_AS_TEXT(
            "The load balancer whose amphorae are registered."
        ),
        "amphora_id": ID_AS_TEXT.or_null(
            "The registered amphora; null: all amphorae of the load "
            "balancer, now and later."
        ),
        "peer_id": ID_AS_TEXT.or_null(
            "The BGP peer to which they are announced; null: for each "
            "amphora, the peers that its zone and host select."
        ),
        "draining": FLAG("Whether its drain was requested."),
        "drain_deadline": MOMENT.or_null(
            "When its paths are withdrawn (UTC); null if they are not."
        ),
        "paths": list_of(nested(_PATH))(
            "Its paths: one for each amphora and VIP."
        ),
        "created_at": CREATED_AT,
        "updated_at": UPDATED_AT,
    },
)


_NOT_GIVEN = frozenset(("id", "drain_wanted_since", "drain_deadline"))
SCHEMAS = {
    "AmphoraRegistration": REGISTRATION.answer(),
    "AmphoraRegistrationRequest": REGISTRATION.request(
        AmphoraRegistration, without=_NOT_GIVEN
    ),
}
_URL = "/v2/lbaas/distributors/{distributor_id}/amphorae"
CALLS = calls.registry(REGISTRATION, _URL, "registration_id")
_DRAIN = f"{_URL}/{{registration_id}}/drain"
CALLS_OF_DRAIN = {
    "put": calls.drain(
        REGISTRATION,
        _DRAIN,
        "drainAmphoraRegistration",
        "Drain the paths of a registration, then withdraw them; idempotent",
        ours("distributor:put_amphora_drain"),
    ),
    "delete": Call(
        "DELETE",
        _DRAIN,
        "undoDrainOfAmphoraRegistration",
        "Undo the drain of a registration: announce its paths again",
        ours("distributor:delete_amphora_drain"),
        faults=(404,),
    ),
}


class _OfDistributor(resource.Collection):
    """What is below one distributor."""

    OF = REGISTRATION
    ROWS = amphora_registrations

    def _answers(self, session: Any, records: Sequence[Any]) -> list[Any]:
        paths = PathsOfDistributor(
            session,
            self._ids[0],
            self._settings.drain_limits,
            datetime.now(UTC),
        )
        return [
            REGISTRATION.shown(
                record,
                draining=record.registration.drain_wanted_since is not None,
                paths=paths.of(record.registration),
            )
            for record in records
        ]


class RegistrationDrainController(_OfDistributor):
    """The drain of one registration."""

    CALLS = CALLS_OF_DRAIN

    def put(self, drain_: Any = None) -> Any:
        """Drain it; idempotent. A timeout counts from the first request."""
        self._check("put")
        distributor_id, registration_id = self._ids
        with self._transaction() as session:
            options = options_from(drain_)
            record = registering.drain_amphora(
                session,
                distributor_id,
                registration_id,
                self._settings.drain_limits,
                datetime.now(UTC),
                options.timeout,
            )
            (shown,) = self._answers(session, [record])
        resource.log_accepted(resource.said(REGISTRATION, shown))
        return REGISTRATION.one(shown)

    def delete(self) -> None:
        """Undo the drain: the paths are announced again."""
        self._check("delete")
        with self._transaction() as session:
            amphora_registrations.set_drain(session, *self._ids)
        resource.log_accepted()


class AmphoraRegistrationsController(_OfDistributor):
    """The registrations of amphorae with one distributor."""

    CALLS = CALLS
    BELOW = {"drain": RegistrationDrainController}

    def _create(self, session: Any, body: Any) -> RegistrationRecord:
        """Register one amphora of a load balancer, or all that it has."""
        wanted = bodies.read(
            REGISTRATION, AmphoraRegistration, body, without=_NOT_GIVEN
        )
        return registering.register_amphora(
            session, self._vip_holders(), self._id, wanted
        )
