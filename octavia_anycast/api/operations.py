# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the operations of the OpenAPI document are made of (see openapi).

Our schemas and faults, and how a request, an answer and a list are written
down with them.
"""

from collections.abc import Iterable

from octavia.api.common import types

from octavia_anycast.api import requests, responses, schemas
from octavia_anycast.api.cluster.schemas import SCHEMAS as CLUSTERS
from octavia_anycast.api.drain.schemas import SCHEMAS as DRAINS
from octavia_anycast.api.registration.schemas import SCHEMAS as REGISTRATIONS
from octavia_anycast.api.schemas import Schema, reference
from octavia_anycast.model.bgp import Peer

JSON = "application/json"
ID = frozenset(("id",))
SCHEMAS: dict[str, Schema] = {
    "Distributor": schemas.of_response(responses.DistributorResponse),
    "DistributorRequest": schemas.of_request(requests.DistributorRequest),
    "DistributorChange": schemas.of_change(requests.DistributorChange),
    "Peer": schemas.of_response(responses.PeerResponse),
    "PeerReference": schemas.of_request(requests.PeerReference),
    "PeerRequest": schemas.of_request(Peer, without=ID),
    "PeerChange": schemas.of_change(Peer, without=ID),
    "Speaker": schemas.of_response(responses.SpeakerResponse),
    "SpeakerRequest": schemas.of_request(requests.SpeakerRequest),
    "SpeakerChange": schemas.of_change(requests.SpeakerChange),
    "Path": schemas.of_response(responses.PathResponse),
    "Vip": schemas.of_response(responses.VipResponse, nullable=("peer_id",)),
    "VipRequest": schemas.of_request(requests.VipRequest),
    **CLUSTERS,
    **DRAINS,
    **REGISTRATIONS,
    "Link": schemas.of_response(types.PageType),
    "Fault": {
        "type": "object",
        "anyOf": [
            {"required": ["faultstring"]},
            {"required": ["description"]},
        ],
        "properties": {
            "faultcode": {"type": "string"},
            "faultstring": {
                "type": "string",
                "description": "A sentence that names what is wrong.",
            },
            "debuginfo": {"type": ["string", "null"]},
            "code": {"type": "integer"},
            "title": {"type": "string"},
            "description": {
                "type": "string",
                "description": "The same, where the request was not routed.",
            },
        },
    },
}
FAULTS = {
    400: "A value is refused; the fault names the attribute.",
    401: "There is no valid token.",
    403: "The policy does not allow it.",
    404: "There is no such resource.",
    409: "It contradicts the state of the resource; the fault says how.",
    503: "The database did not answer; try again later.",
}


def operation(
    summary: str,
    name: str,
    answers: dict[int, Schema | None],
    faults: tuple[int, ...],
    *,
    parameters: list[Schema] | None = None,
    body: Schema | None = None,
) -> Schema:
    """A call: what it is for, takes and answers."""
    responses_of: Schema = {}
    for status, schema in answers.items():
        responses_of[str(status)] = {"description": "Done."} | (
            {"content": {JSON: {"schema": schema}}} if schema else {}
        )
    for status in sorted({*faults, 401, 403, 503}):
        responses_of[str(status)] = {
            "description": FAULTS[status],
            "content": {JSON: {"schema": reference("Fault")}},
        }
    return (
        {"summary": summary, "operationId": name, "responses": responses_of}
        | ({"parameters": parameters} if parameters else {})
        | ({"requestBody": body} if body else {})
    )


def body(root: str, name: str) -> Schema:
    """The body of a request, below its root element."""
    return {
        "required": True,
        "content": {JSON: {"schema": rooted(root, reference(name))}},
    }


def one(root: str, name: str, *, is_whole: bool) -> Schema:
    """One resource; ``is_whole``: no ``fields`` can leave anything out."""
    schema = reference(name)
    if is_whole:
        required = sorted(SCHEMAS[name]["properties"])
        schema = {"allOf": [schema, {"required": required}]}
    return rooted(root, schema)


def rooted(root: str, schema: Schema) -> Schema:
    """An object with this one attribute."""
    return {
        "type": "object",
        "properties": {root: schema},
        "required": [root],
        "additionalProperties": False,
    }


def list_of(root: str, name: str) -> Schema:
    """A list with links to the pages before and after."""
    return {
        "type": "object",
        "properties": {
            root: {"type": "array", "items": reference(name)},
            f"{root}_links": {"type": "array", "items": reference("Link")},
        },
        "required": [root],
        "additionalProperties": False,
    }


def path_parameter(name: str) -> Schema:
    """An id in the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    }


def query(name: str, description: str, schema: Schema) -> Schema:
    """An argument of the query."""
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": schema,
    }


def fields(name: str) -> Schema:
    """Which attributes are wanted."""
    return query(
        "fields",
        "Only these attributes; may be given more than once.",
        {
            "type": "array",
            "items": {"enum": sorted(SCHEMAS[name]["properties"])},
        },
    )


def list_parameters(name: str, columns: Iterable[str]) -> list[Schema]:
    """What a list can be asked for: filters, order, pages."""
    properties = SCHEMAS[name]["properties"]
    names = sorted(columns)
    sort = f"^({'|'.join(names)})(:(asc|desc))?"
    return [
        fields(name),
        query("limit", "How many at most.", {"type": "integer"}),
        query("marker", "The id of the last one before.", {"type": "string"}),
        query(
            "page_reverse",
            "Whether the page before the marker is wanted.",
            {"type": "boolean"},
        ),
        query(
            "sort",
            "Attributes, each with :asc or :desc, with commas between.",
            {"type": "string", "pattern": f"{sort}$"},
        ),
        *(
            query(
                one,
                "Only those of which it is this value; may be given more "
                "than once.",
                _filter(properties[one]),
            )
            for one in names
        ),
    ]


def _filter(schema: Schema) -> Schema:
    """What a filter may be: the attribute's type, never null."""
    kept = {"type", "format", "pattern", "anyOf"}
    kinds = schema["type"]
    plain = {key: schema[key] for key in kept & set(schema)}
    if isinstance(kinds, list):
        plain["type"] = kinds[0]
    if "anyOf" in plain:
        plain["anyOf"] = [
            one for one in plain["anyOf"] if one != {"type": "null"}
        ]
    return plain
