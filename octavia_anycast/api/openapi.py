# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The OpenAPI document of our part of the API: ``/v2/lbaas/openapi.json``.

It is made of the declarations of the resources and their calls. Any token may
read it: it is no secret what there is.
"""

import functools
import json

from pecan import expose, rest

from octavia_anycast.api import (
    cluster,
    distributor,
    drain,
    event,
    external_vip,
    path,
    registration,
)
from octavia_anycast.api.amphora import schema as amphora
from octavia_anycast.api.bgp import peer, speaker
from octavia_anycast.api.declaration import calls
from octavia_anycast.api.declaration.fields import TEXT, Resource, Schema
from octavia_anycast.api.doctor import check
from octavia_anycast.api.fleet import change, zone_drain

VERSION = "3.1.0"
API_VERSION = "2.30"
LINK = Resource(
    name="Link",
    fields={
        "href": TEXT("The URL of a page."),
        "rel": TEXT("next or previous."),
    },
)
FAULT: Schema = {
    "type": "object",
    "anyOf": [{"required": ["faultstring"]}, {"required": ["description"]}],
    "properties": {
        "faultcode": {"type": "string"},
        "faultstring": {
            "type": "string",
            "description": "A sentence that says what is wrong.",
        },
        "debuginfo": {"type": ["string", "null"]},
        "code": {"type": "integer"},
        "title": {"type": "string"},
        "description": {
            "type": "string",
            "description": "The same, of a request that was not routed.",
        },
    },
}
SCHEMAS: dict[str, Schema] = {
    **distributor.SCHEMAS,
    **peer.SCHEMAS,
    **speaker.SCHEMAS,
    **path.SCHEMAS,
    **check.SCHEMAS,
    **event.SCHEMAS,
    **external_vip.SCHEMAS,
    **cluster.SCHEMAS,
    **amphora.SCHEMAS,
    **drain.SCHEMAS,
    **registration.SCHEMAS,
    **zone_drain.SCHEMAS,
    **change.SCHEMAS,
    "Link": LINK.answer(),
    "Fault": FAULT,
}
CALLS = tuple(
    call
    for declared in (
        distributor.CALLS,
        peer.CALLS,
        speaker.CALLS,
        path.CALLS,
        check.CALLS,
        event.CALLS_OF_DISTRIBUTORS,
        external_vip.CALLS,
        registration.CALLS,
        registration.CALLS_OF_DRAIN,
        speaker.CALLS_OF_PEERS,
        cluster.CALLS,
        event.CALLS,
        amphora.CALLS,
        amphora.CALLS_OF_STATISTICS,
        amphora.CALLS_OF_FAILOVER,
        amphora.CALLS_OF_CONFIG,
        drain.CALLS,
        zone_drain.CALLS,
        change.CALLS,
        change.CALLS_OF_FLEET,
    )
    for call in declared.values()
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
                "amphorae announce, checks of all that, clusters, "
                "amphorae beside Octavia's own, zone drains, and fleet "
                "changes."
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
