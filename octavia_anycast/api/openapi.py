# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The OpenAPI document of our part of the API: ``/v2/lbaas/openapi.json``.

It is made of the types of requests and responses (see schemas), the columns
that lists are filtered by, and the calls that are named here. Any token may
read it: it is no secret what there is.
"""

import functools
import json
from collections.abc import Iterable

from octavia.api.common import types
from pecan import expose, rest

from octavia_anycast.api import (
    cluster_schemas,
    drain_schemas,
    policies,
    requests,
    responses,
    schemas,
)
from octavia_anycast.api.paths import READERS
from octavia_anycast.api.schemas import Schema, reference
from octavia_anycast.db import (
    amphora_listing,
    distributors,
    external_vips,
    peers,
    speakers,
)
from octavia_anycast.model.bgp import Peer

VERSION = "3.1.0"
API_VERSION = "2.30"
JSON = "application/json"
ID = frozenset(("id",))
AMPHORAE = "/v2/octavia/amphorae"
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
    **cluster_schemas.SCHEMAS,
    **drain_schemas.SCHEMAS,
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


@functools.cache
def document() -> Schema:
    """The whole document."""
    return {
        "openapi": VERSION,
        "info": {
            "title": "octavia-anycast",
            "description": (
                "What octavia-anycast adds to Octavia's load balancing API: "
                "distributors, BGP peers and speakers, the paths that "
                "amphorae announce, clusters, and amphorae beside Octavia's "
                "own."
            ),
            "version": API_VERSION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Auth-Token",
                    "description": "A token of Keystone.",
                }
            },
        },
        "paths": dict(_paths()),
    }


class DocumentController(rest.RestController):
    """Serves the document."""

    @expose(content_type=JSON)
    def get(self) -> str:
        """As JSON."""
        return json.dumps(document())


def _paths() -> Iterable[tuple[str, Schema]]:
    yield from _collection(
        policies.DISTRIBUTORS,
        "distributor",
        "Distributor",
        distributors.COLUMNS,
    )
    yield from _collection(policies.PEERS, "bgp_peer", "Peer", peers.COLUMNS)
    yield from _collection(
        policies.SPEAKERS, "bgp_speaker", "Speaker", speakers.COLUMNS
    )
    yield _announced()
    yield from _vips()
    yield _registration()
    yield _cluster()
    yield from _amphorae()
    yield _drain()


def _announced() -> tuple[str, Schema]:
    return (
        f"{policies.DISTRIBUTORS}/{{distributor_id}}/paths",
        {
            "parameters": [_path_parameter("distributor_id")],
            "get": _operation(
                "List what the amphorae announce",
                "listPaths",
                {200: _list_of("paths", "Path")},
                (400, 404),
                parameters=_list_parameters("Path", READERS),
            ),
        },
    )


def _vips() -> Iterable[tuple[str, Schema]]:
    of_distributor = _path_parameter("distributor_id")
    yield (
        policies.VIPS,
        {
            "parameters": [of_distributor],
            "get": _operation(
                "List the external VIPs of a distributor",
                "listVips",
                {200: _list_of("vips", "Vip")},
                (400, 404),
                parameters=_list_parameters("Vip", external_vips.COLUMNS),
            ),
            "post": _operation(
                "Register an external VIP",
                "registerVip",
                {201: _one("vip", "Vip", is_whole=True)},
                (400, 404, 409),
                body=_body("vip", "VipRequest"),
            ),
        },
    )
    yield (
        f"{policies.VIPS}/{{vip_id}}",
        {
            "parameters": [of_distributor, _path_parameter("vip_id")],
            "get": _operation(
                "Show an external VIP",
                "showVip",
                {200: _one("vip", "Vip", is_whole=False)},
                (404,),
                parameters=[_fields("Vip")],
            ),
            "delete": _operation(
                "Unregister an external VIP",
                "unregisterVip",
                {204: None},
                (404,),
            ),
        },
    )


def _registration() -> tuple[str, Schema]:
    return (
        f"{policies.SPEAKERS}/{{bgp_speaker_id}}/bgp-peers/{{bgp_peer_id}}",
        {
            "parameters": [
                _path_parameter("bgp_speaker_id"),
                _path_parameter("bgp_peer_id"),
            ],
            "put": _operation(
                "Register a peer; twice is once",
                "registerPeer",
                {200: _one("bgp_speaker", "Speaker", is_whole=True)},
                (400, 404, 409),
            ),
            "delete": _operation(
                "Unregister a peer, which stays",
                "unregisterPeer",
                {204: None},
                (404, 409),
            ),
        },
    )


def _cluster() -> tuple[str, Schema]:
    return (
        policies.CLUSTER,
        {
            "parameters": [_path_parameter("loadbalancer_id")],
            "get": _operation(
                "Show the cluster of a load balancer",
                "showCluster",
                {200: _one("cluster", "Cluster", is_whole=False)},
                (404,),
            ),
            "put": _operation(
                "Change a cluster: what is given only",
                "updateCluster",
                {202: _one("cluster", "Cluster", is_whole=False)},
                (400, 404, 409),
                body=_body("cluster", "ClusterChange"),
            ),
        },
    )


def _amphorae() -> Iterable[tuple[str, Schema]]:
    attributes = set(SCHEMAS["Amphora"]["properties"])
    of_project = _query(
        "project_id",
        "Only those of load balancers of this project.",
        {"type": "string"},
    )
    yield (
        AMPHORAE,
        {
            "get": _operation(
                "List amphorae, Octavia's own too",
                "listAmphorae",
                {200: _list_of("amphorae", "Amphora")},
                (400,),
                parameters=[
                    *_list_parameters(
                        "Amphora", attributes & set(amphora_listing.COLUMNS)
                    ),
                    of_project,
                ],
            )
        },
    )
    yield (
        f"{AMPHORAE}/{{amphora_id}}",
        {
            "parameters": [_path_parameter("amphora_id")],
            "get": _operation(
                "Show an amphora",
                "showAmphora",
                {200: _one("amphora", "Amphora", is_whole=False)},
                (404,),
                parameters=[_fields("Amphora")],
            ),
            "delete": _operation(
                "Delete what is left of an amphora in ERROR",
                "deleteAmphora",
                {204: None},
                (404, 409),
            ),
        },
    )
    yield from _below_an_amphora()


def _below_an_amphora() -> Iterable[tuple[str, Schema]]:
    one = {"parameters": [_path_parameter("amphora_id")]}
    counts = {"type": "array", "items": reference("AmphoraStatistics")}
    yield (
        f"{AMPHORAE}/{{amphora_id}}/stats",
        one
        | {
            "get": _operation(
                "Show what an amphora counted, for each listener",
                "showAmphoraStatistics",
                {200: _rooted("amphora_stats", counts)},
                (404,),
            )
        },
    )
    yield (
        f"{AMPHORAE}/{{amphora_id}}/failover",
        one
        | {
            "put": _operation(
                "Have another amphora take its place",
                "failoverAmphora",
                {202: None},
                (404, 409),
            )
        },
    )
    yield (
        f"{AMPHORAE}/{{amphora_id}}/config",
        one
        | {
            "put": _operation(
                "Give its agent the configuration anew",
                "configureAmphora",
                {202: None},
                (404,),
            )
        },
    )


def _drain() -> tuple[str, Schema]:
    whole = _one("drain", "Drain", is_whole=True)
    return (
        policies.AMPHORA_DRAIN,
        {
            "parameters": [_path_parameter("amphora_id")],
            "get": _operation(
                "Show how far the drain of an amphora is, and what is left",
                "showDrain",
                {200: whole},
                (404, 409),
            ),
            "put": _operation(
                "Take an amphora out of service; twice is once",
                "drainAmphora",
                {202: whole},
                (400, 404, 409),
                body={
                    "required": False,
                    "content": {JSON: {"schema": reference("DrainRequest")}},
                },
            ),
            "delete": _operation(
                "Have it announce again",
                "undoDrain",
                {204: None},
                (404, 409),
            ),
        },
    )


def _collection(
    path: str, root: str, name: str, columns: Iterable[str]
) -> Iterable[tuple[str, Schema]]:
    title = root.replace("_", " ")
    yield (
        path,
        {
            "get": _operation(
                f"List {title}s",
                f"list{name}s",
                {200: _list_of(f"{root}s", name)},
                (400,),
                parameters=_list_parameters(name, columns),
            ),
            "post": _operation(
                f"Create a {title}",
                f"create{name}",
                {201: _one(root, name, is_whole=True)},
                (400, 409),
                body=_body(root, f"{name}Request"),
            ),
        },
    )
    yield (
        f"{path}/{{{root}_id}}",
        {
            "parameters": [_path_parameter(f"{root}_id")],
            "get": _operation(
                f"Show a {title}",
                f"show{name}",
                {200: _one(root, name, is_whole=False)},
                (404,),
                parameters=[_fields(name)],
            ),
            "put": _operation(
                f"Change a {title}: what is given only",
                f"update{name}",
                {200: _one(root, name, is_whole=True)},
                (400, 404, 409),
                body=_body(root, f"{name}Change"),
            ),
            "delete": _delete(title, name),
        },
    )


def _delete(title: str, name: str) -> Schema:
    cascade = {
        "name": "cascade",
        "in": "query",
        "description": (
            "Whether its external VIPs go too, and its peers, as far as no "
            "other speaker uses them."
        ),
        "schema": {"type": "boolean", "default": False},
    }
    is_distributor = name == "Distributor"
    return _operation(
        f"Delete a {title}",
        f"delete{name}",
        {204: None},
        (400, 404, 409) if is_distributor else (404, 409),
        parameters=[cascade] if is_distributor else [],
    )


def _operation(
    summary: str,
    name: str,
    answers: dict[int, Schema | None],
    faults: tuple[int, ...],
    *,
    parameters: list[Schema] | None = None,
    body: Schema | None = None,
) -> Schema:
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


def _body(root: str, name: str) -> Schema:
    return {
        "required": True,
        "content": {JSON: {"schema": _rooted(root, reference(name))}},
    }


def _one(root: str, name: str, *, is_whole: bool) -> Schema:
    """One resource; ``is_whole``: no ``fields`` can leave anything out."""
    schema = reference(name)
    if is_whole:
        required = sorted(SCHEMAS[name]["properties"])
        schema = {"allOf": [schema, {"required": required}]}
    return _rooted(root, schema)


def _rooted(root: str, schema: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {root: schema},
        "required": [root],
        "additionalProperties": False,
    }


def _list_of(root: str, name: str) -> Schema:
    return {
        "type": "object",
        "properties": {
            root: {"type": "array", "items": reference(name)},
            f"{root}_links": {"type": "array", "items": reference("Link")},
        },
        "required": [root],
        "additionalProperties": False,
    }


def _path_parameter(name: str) -> Schema:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    }


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": schema,
    }


def _fields(name: str) -> Schema:
    return _query(
        "fields",
        "Only these attributes; may be given more than once.",
        {
            "type": "array",
            "items": {"enum": sorted(SCHEMAS[name]["properties"])},
        },
    )


def _list_parameters(name: str, columns: Iterable[str]) -> list[Schema]:
    properties = SCHEMAS[name]["properties"]
    names = sorted(columns)
    sort = f"^({'|'.join(names)})(:(asc|desc))?"
    return [
        _fields(name),
        _query("limit", "How many at most.", {"type": "integer"}),
        _query("marker", "The id of the last one before.", {"type": "string"}),
        _query(
            "page_reverse",
            "Whether the page before the marker is wanted.",
            {"type": "boolean"},
        ),
        _query(
            "sort",
            "Attributes, each with :asc or :desc, with commas between.",
            {"type": "string", "pattern": f"{sort}$"},
        ),
        *(
            _query(
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
