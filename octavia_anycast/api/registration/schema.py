# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of a registration of amphorae with a distributor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from octavia_anycast.api import calls, policies, requests
from octavia_anycast.api.fields import (
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
    Field,
    Resource,
    list_of,
    nested,
    one_of,
)
from octavia_anycast.db.models import new_id
from octavia_anycast.db.registration import amphora_registrations
from octavia_anycast.db.registration.amphora_registrations import (
    RegistrationRecord,
)
from octavia_anycast.model import codec
from octavia_anycast.model.registration import (
    AmphoraRegistration,
    ShownRegisteredPath,
)
from octavia_anycast.model.wire import PathState


@dataclass(frozen=True, slots=True, kw_only=True)
class AmphoraRegistrationRequest:
    """Amphorae to register; null: all of the load balancer, all peers."""

    load_balancer_id: str
    amphora_id: str | None = None
    peer_id: str | None = None

    def __post_init__(self) -> None:
        requests.check_id("load_balancer_id", self.load_balancer_id)
        if self.amphora_id is not None:
            requests.check_id("amphora_id", self.amphora_id)
        if self.peer_id is not None:
            requests.check_id("peer_id", self.peer_id)


_PATH = Resource(
    name="RegisteredPath",
    at="path.",
    fields=(
        Field("amphora_id", UUID, "The amphora that the path leads to."),
        Field("vip_address", ADDRESS, "The VIP.", at="path.vip_ip"),
        Field(
            "next_hop",
            ADDRESS,
            "That amphora's front-end address.",
            at="path.nexthop_ip",
        ),
        Field(
            "state",
            one_of(*PathState),
            "advertised; draining: with GRACEFUL_SHUTDOWN (RFC 8326); "
            "pending: wanted, but none of the distributor's own amphorae "
            "announces it yet; withdrawn.",
            at="state",
        ),
        Field("reason", TEXT, "Why, if it is not to be advertised."),
        Field(
            "announcing_count",
            INTEGER,
            "How many of the distributor's own amphorae announce it.",
            at="announcing_count",
        ),
    ),
)
REGISTRATION = Resource(
    name="AmphoraRegistration",
    root="amphora",
    plural="amphorae",
    at="registration.",
    filters=amphora_registrations.COLUMNS,
    fields=(
        ID,
        Field(
            "distributor_id",
            UUID,
            "The distributor that it belongs to.",
            at="distributor_id",
        ),
        Field(
            "load_balancer_id",
            ID_AS_TEXT,
            "The load balancer whose amphorae are registered.",
        ),
        Field(
            "amphora_id",
            ID_AS_TEXT.or_null,
            "The one that is; null: all that it has, now and later.",
        ),
        Field(
            "peer_id",
            ID_AS_TEXT.or_null,
            "The BGP peer that is told; null: for each amphora those peers "
            "that its zone and host select.",
        ),
        Field("draining", FLAG, "Whether it was asked to drain."),
        Field(
            "drain_deadline",
            MOMENT.or_null,
            "When its paths are withdrawn (UTC); null: never.",
        ),
        Field(
            "paths",
            list_of(nested(_PATH)),
            "What follows from it: a path for each amphora and VIP.",
        ),
        CREATED_AT,
        UPDATED_AT,
    ),
)
SCHEMAS = {
    "AmphoraRegistration": REGISTRATION.answer(),
    "AmphoraRegistrationRequest": REGISTRATION.request(
        AmphoraRegistrationRequest
    ),
}
_DRAIN = f"{policies.REGISTRATION}/drain"
CALLS = (
    calls.lists(
        REGISTRATION,
        policies.REGISTRATIONS,
        "listAmphoraRegistrations",
        "List the amphorae that are registered with a distributor",
        400,
        404,
    ),
    calls.creates(
        REGISTRATION,
        policies.REGISTRATIONS,
        "registerAmphora",
        "Have a distributor's own amphorae announce others",
        400,
        404,
        409,
    ),
    calls.shows(
        REGISTRATION,
        policies.REGISTRATION,
        "showAmphoraRegistration",
        "Show a registration of amphorae",
    ),
    calls.deletes(
        policies.REGISTRATION,
        "unregisterAmphora",
        "Have them announce themselves only",
        404,
    ),
    calls.drains(
        REGISTRATION,
        _DRAIN,
        "drainAmphoraRegistration",
        "Drain a registration's paths, then withdraw them; idempotent",
    ),
    calls.deletes(
        _DRAIN,
        "undoDrainOfAmphoraRegistration",
        "Have its paths announced again",
        404,
    ),
)


def registration_from(body: Any) -> AmphoraRegistration:
    """Read the body of a POST; it gets an id.

    :raises InvalidRequest: with the path of the offending field.
    """
    given = requests.under(REGISTRATION.root, body)
    request = codec.read(AmphoraRegistrationRequest, given)
    return AmphoraRegistration(
        id=new_id(),
        load_balancer_id=request.load_balancer_id,
        amphora_id=request.amphora_id,
        peer_id=request.peer_id,
    )


def response_of(
    record: RegistrationRecord, paths: Sequence[ShownRegisteredPath]
) -> Any:
    """Make the answer of a registration."""
    is_draining = record.registration.drain_wanted_since is not None
    return REGISTRATION.shown(
        record,
        draining=is_draining,
        paths=paths,
    )
