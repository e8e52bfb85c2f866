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

from pecan import expose, rest

from octavia_anycast.api import operations, policies
from octavia_anycast.api.path.controller import READERS
from octavia_anycast.api.registration import operations as registrations
from octavia_anycast.api.schemas import Schema, reference
from octavia_anycast.db.amphora import amphora_listing
from octavia_anycast.db.distributor import (
    distributors,
    external_vips,
    peers,
    speakers,
)

VERSION = "3.1.0"
API_VERSION = "2.30"
AMPHORAE = "/v2/octavia/amphorae"


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
            "schemas": operations.SCHEMAS,
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

    @expose(content_type=operations.JSON)
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
    yield from registrations.paths()
    yield _registration()
    yield _cluster()
    yield from _amphorae()
    yield _drain()


def _announced() -> tuple[str, Schema]:
    return (
        f"{policies.DISTRIBUTORS}/{{distributor_id}}/paths",
        {
            "parameters": [operations.path_parameter("distributor_id")],
            "get": operations.operation(
                "List what the amphorae announce",
                "listPaths",
                {200: operations.list_of("paths", "Path")},
                (400, 404),
                parameters=operations.list_parameters("Path", READERS),
            ),
        },
    )


def _vips() -> Iterable[tuple[str, Schema]]:
    of_distributor = operations.path_parameter("distributor_id")
    yield (
        policies.VIPS,
        {
            "parameters": [of_distributor],
            "get": operations.operation(
                "List the external VIPs of a distributor",
                "listVips",
                {200: operations.list_of("vips", "Vip")},
                (400, 404),
                parameters=operations.list_parameters(
                    "Vip", external_vips.COLUMNS
                ),
            ),
            "post": operations.operation(
                "Register an external VIP",
                "registerVip",
                {201: operations.one("vip", "Vip", is_whole=True)},
                (400, 404, 409),
                body=operations.body("vip", "VipRequest"),
            ),
        },
    )
    yield (
        f"{policies.VIPS}/{{vip_id}}",
        {
            "parameters": [
                of_distributor,
                operations.path_parameter("vip_id"),
            ],
            "get": operations.operation(
                "Show an external VIP",
                "showVip",
                {200: operations.one("vip", "Vip", is_whole=False)},
                (404,),
                parameters=[operations.fields("Vip")],
            ),
            "delete": operations.operation(
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
                operations.path_parameter("bgp_speaker_id"),
                operations.path_parameter("bgp_peer_id"),
            ],
            "put": operations.operation(
                "Register a peer; twice is once",
                "registerPeer",
                {200: operations.one("bgp_speaker", "Speaker", is_whole=True)},
                (400, 404, 409),
            ),
            "delete": operations.operation(
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
            "parameters": [operations.path_parameter("loadbalancer_id")],
            "get": operations.operation(
                "Show the cluster of a load balancer",
                "showCluster",
                {200: operations.one("cluster", "Cluster", is_whole=False)},
                (404,),
            ),
            "put": operations.operation(
                "Change a cluster: what is given only",
                "updateCluster",
                {202: operations.one("cluster", "Cluster", is_whole=False)},
                (400, 404, 409),
                body=operations.body("cluster", "ClusterChange"),
            ),
        },
    )


def _amphorae() -> Iterable[tuple[str, Schema]]:
    attributes = set(operations.SCHEMAS["Amphora"]["properties"])
    of_project = operations.query(
        "project_id",
        "Only those of load balancers of this project.",
        {"type": "string"},
    )
    yield (
        AMPHORAE,
        {
            "get": operations.operation(
                "List amphorae, Octavia's own too",
                "listAmphorae",
                {200: operations.list_of("amphorae", "Amphora")},
                (400,),
                parameters=[
                    *operations.list_parameters(
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
            "parameters": [operations.path_parameter("amphora_id")],
            "get": operations.operation(
                "Show an amphora",
                "showAmphora",
                {200: operations.one("amphora", "Amphora", is_whole=False)},
                (404,),
                parameters=[operations.fields("Amphora")],
            ),
            "delete": operations.operation(
                "Delete what is left of an amphora in ERROR",
                "deleteAmphora",
                {204: None},
                (404, 409),
            ),
        },
    )
    yield from _below_an_amphora()


def _below_an_amphora() -> Iterable[tuple[str, Schema]]:
    one = {"parameters": [operations.path_parameter("amphora_id")]}
    counts = {"type": "array", "items": reference("AmphoraStatistics")}
    yield (
        f"{AMPHORAE}/{{amphora_id}}/stats",
        one
        | {
            "get": operations.operation(
                "Show what an amphora counted, for each listener",
                "showAmphoraStatistics",
                {200: operations.rooted("amphora_stats", counts)},
                (404,),
            )
        },
    )
    yield (
        f"{AMPHORAE}/{{amphora_id}}/failover",
        one
        | {
            "put": operations.operation(
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
            "put": operations.operation(
                "Give its agent the configuration anew",
                "configureAmphora",
                {202: None},
                (404,),
            )
        },
    )


def _drain() -> tuple[str, Schema]:
    whole = operations.one("drain", "Drain", is_whole=True)
    return (
        policies.AMPHORA_DRAIN,
        {
            "parameters": [operations.path_parameter("amphora_id")],
            "get": operations.operation(
                "Show how far the drain of an amphora is, and what is left",
                "showDrain",
                {200: whole},
                (404, 409),
            ),
            "put": operations.operation(
                "Take an amphora out of service; twice is once",
                "drainAmphora",
                {202: whole},
                (400, 404, 409),
                body={
                    "required": False,
                    "content": {
                        operations.JSON: {"schema": reference("DrainRequest")}
                    },
                },
            ),
            "delete": operations.operation(
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
            "get": operations.operation(
                f"List {title}s",
                f"list{name}s",
                {200: operations.list_of(f"{root}s", name)},
                (400,),
                parameters=operations.list_parameters(name, columns),
            ),
            "post": operations.operation(
                f"Create a {title}",
                f"create{name}",
                {201: operations.one(root, name, is_whole=True)},
                (400, 409),
                body=operations.body(root, f"{name}Request"),
            ),
        },
    )
    yield (
        f"{path}/{{{root}_id}}",
        {
            "parameters": [operations.path_parameter(f"{root}_id")],
            "get": operations.operation(
                f"Show a {title}",
                f"show{name}",
                {200: operations.one(root, name, is_whole=False)},
                (404,),
                parameters=[operations.fields(name)],
            ),
            "put": operations.operation(
                f"Change a {title}: what is given only",
                f"update{name}",
                {200: operations.one(root, name, is_whole=True)},
                (400, 404, 409),
                body=operations.body(root, f"{name}Change"),
            ),
            "delete": _delete(title, name),
        },
    )


def _delete(title: str, name: str) -> Schema:
    cascade = {
        "name": "cascade",
        "in": "query",
        "description": (
            "Whether its external VIPs and registrations of amphorae go too, "
            "and its peers, as far as no other speaker uses them."
        ),
        "schema": {"type": "boolean", "default": False},
    }
    is_distributor = name == "Distributor"
    return operations.operation(
        f"Delete a {title}",
        f"delete{name}",
        {204: None},
        (400, 404, 409) if is_distributor else (404, 409),
        parameters=[cascade] if is_distributor else [],
    )
