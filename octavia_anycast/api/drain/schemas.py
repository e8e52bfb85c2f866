# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""JSON Schemas of the drain of an amphora."""

from octavia_anycast.api import schemas
from octavia_anycast.api.drain.types import (
    DrainRequest,
    DrainResponse,
    DrainVipResponse,
)
from octavia_anycast.api.schemas import Schema
from octavia_anycast.model.cluster import TIMEOUT_MAX_SECONDS, DrainState

_DESCRIPTIONS = {
    "state": (
        "NONE: it is in service; PENDING: asked for, and not begun; "
        "DRAINING: announced with GRACEFUL_SHUTDOWN (RFC 8326); DRAINED: "
        "withdrawn."
    ),
    "announcing": "Whether some BGP peer holds its path for this VIP.",
    "reported_at": "When its agent said so (UTC); null if never.",
}


def _described(schema: Schema) -> Schema:
    for name, text in _DESCRIPTIONS.items():
        if name in schema["properties"]:
            schema["properties"][name]["description"] = text
    return schema


def _drain() -> Schema:
    schema = schemas.of_response(
        DrainResponse,
        nullable=("since", "deadline", "connections", "reported_at"),
    )
    schema["properties"]["state"] = {
        "type": "string",
        "enum": [state.value for state in DrainState],
    }
    schema["properties"]["vips"] = {
        "type": "array",
        "items": _described(
            schemas.of_response(DrainVipResponse, nullable=("connections",))
        ),
    }
    return _described(schema)


def _request() -> Schema:
    schema = schemas.of_request(DrainRequest)
    options = schema["properties"]["drain"]
    options.pop("default", None)
    options["properties"]["timeout"] |= {
        "minimum": 0,
        "maximum": TIMEOUT_MAX_SECONDS,
    }
    return schema


SCHEMAS: dict[str, Schema] = {"Drain": _drain(), "DrainRequest": _request()}
