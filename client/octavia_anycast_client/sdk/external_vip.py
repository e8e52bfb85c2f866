# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""External VIPs: what a distributor's own amphorae announce for others."""

from ipaddress import ip_address
from typing import Any, Self

from openstack import exceptions, resource

from octavia_anycast_client.sdk.resource import Resource


class ExternalVip(Resource):
    """A VIP that leads to what is no amphora of a load balancer."""

    kind = "external VIP"
    resource_key = "vip"
    resources_key = "vips"
    base_path = "/lbaas/distributors/%(owner_id)s/vips"
    allow_commit = False

    _query_mapping = resource.QueryParameters(
        "id",
        "vip_address",
        "next_hop",
        "peer_id",
        "created_at",
        "updated_at",
        "sort",
    )

    #: The distributor, for the request.
    owner_id = resource.URI("owner_id")
    #: The distributor.
    distributor_id = resource.Body("distributor_id")
    #: The VIP.
    vip_address = resource.Body("vip_address")
    #: Where it leads to.
    next_hop = resource.Body("next_hop")
    #: The peer that it is announced to; None: all.
    peer_id = resource.Body("peer_id")
    #: How many amphorae announce it now. *Type: int*
    announcing_count = resource.Body("announcing_count", type=int)
    #: When it was registered.
    created_at = resource.Body("created_at")
    #: When it was last changed.
    updated_at = resource.Body("updated_at")

    @classmethod
    def of_address(cls, session: Any, owner_id: str, text: str) -> Self:
        """The one of this id or address; an address is there once.

        :raises openstack.exceptions.NotFoundException: without any.
        """
        try:
            query = {"vip_address": str(ip_address(text))}
        except ValueError:
            query = {"id": text}
        found: list[Self]
        found = list(cls.list(session, owner_id=owner_id, **query))
        if not found:
            raise exceptions.NotFoundException(
                f"No {cls.kind} found for {text}"
            )
        return found[0]
