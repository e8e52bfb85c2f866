# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""JSON Schemas of registrations of amphorae with a distributor."""

from octavia_anycast.api import schemas
from octavia_anycast.api.registration.types import (
    AmphoraRegistrationRequest,
    AmphoraRegistrationResponse,
    RegisteredPathResponse,
)
from octavia_anycast.api.schemas import Schema

_DESCRIPTIONS = {
    "load_balancer_id": "The load balancer whose amphorae are registered.",
    "amphora_id": "The one that is; null: all that it has, now and later.",
    "peer_id": (
        "The BGP peer that is told; null: for each amphora those peers that "
        "its zone and host select."
    ),
}
_PATH_DESCRIPTIONS = {
    "amphora_id": "The amphora that the path leads to.",
    "next_hop": "That amphora's front-end address.",
    "state": (
        "advertised; draining: with GRACEFUL_SHUTDOWN (RFC 8326); pending: "
        "wanted, but none of the distributor's own amphorae announces it "
        "yet; withdrawn."
    ),
    "reason": "Why, if it is not to be advertised.",
    "announcing_count": (
        "How many of the distributor's own amphorae announce it."
    ),
}


def _described(schema: Schema, texts: dict[str, str]) -> Schema:
    for name, text in texts.items():
        schema["properties"][name]["description"] = text
    return schema


def _registration() -> Schema:
    schema = schemas.of_response(
        AmphoraRegistrationResponse,
        nullable=("amphora_id", "peer_id", "drain_deadline"),
    )
    path = schemas.of_response(RegisteredPathResponse)
    schema["properties"]["paths"] |= {
        "items": _described(path, _PATH_DESCRIPTIONS)
    }
    return _described(schema, _DESCRIPTIONS)


SCHEMAS: dict[str, Schema] = {
    "AmphoraRegistration": _registration(),
    "AmphoraRegistrationRequest": _described(
        schemas.of_request(AmphoraRegistrationRequest), _DESCRIPTIONS
    ),
}
