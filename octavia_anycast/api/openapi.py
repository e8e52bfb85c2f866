# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The OpenAPI document of our part of the API: ``/v2/lbaas/openapi.json``.

It is made of the declarations of the resources and their calls. Any token may
read it: it is no secret what there is.
"""

import functools
import json

from pecan import expose, rest

from octavia_anycast.api import calls
from octavia_anycast.api.amphora import schema as amphora
from octavia_anycast.api.bgp_peer import schema as bgp_peer
from octavia_anycast.api.bgp_speaker import schema as bgp_speaker
from octavia_anycast.api.cluster import schema as cluster
from octavia_anycast.api.distributor import schema as distributor
from octavia_anycast.api.drain import schema as drain
from octavia_anycast.api.external_vip import schema as external_vip
from octavia_anycast.api.fields import TEXT, Field, Resource, Schema
from octavia_anycast.api.path import schema as path
from octavia_anycast.api.registration import schema as registration

VERSION = "3.1.0"
API_VERSION = "2.30"
LINK = Resource(
    name="Link",
    fields=(
        Field("href", TEXT, "The address of a page."),
        Field("rel", TEXT, "next or previous."),
    ),
)
FAULT: Schema = {
    "type": "object",
    "anyOf": [{"required": ["faultstring"]}, {"required": ["description"]}],
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
}
SCHEMAS: dict[str, Schema] = {
    **distributor.SCHEMAS,
    **bgp_peer.SCHEMAS,
    **bgp_speaker.SCHEMAS,
    **path.SCHEMAS,
    **external_vip.SCHEMAS,
    **cluster.SCHEMAS,
    **amphora.SCHEMAS,
    **cluster.SCHEMAS_OF_LOAD_BALANCERS,
    **drain.SCHEMAS,
    **registration.SCHEMAS,
    "Link": LINK.answer(),
    "Fault": FAULT,
}
CALLS = (
    *distributor.CALLS,
    *bgp_peer.CALLS,
    *bgp_speaker.CALLS,
    *path.CALLS,
    *external_vip.CALLS,
    *registration.CALLS,
    *bgp_speaker.CALLS_OF_PEERS,
    *cluster.CALLS,
    *amphora.CALLS,
    *drain.CALLS,
)


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
        "paths": calls.paths(CALLS),
    }


class DocumentController(rest.RestController):
    """Serves the document."""

    @expose(content_type=calls.JSON)
    def get(self) -> str:
        """As JSON."""
        return json.dumps(document())
