# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Events: what happened to a load balancer, or behind a distributor."""

from openstack import resource


class Event(resource.Resource):
    """Something that happened."""

    resource_key = "event"
    resources_key = "events"
    allow_list = True

    _query_mapping = resource.QueryParameters(
        "id",
        "kind",
        "created_at",
        "load_balancer_id",
        "distributor_id",
        "amphora_id",
        "availability_zone",
        "peer_id",
        "peer_ip",
        "from_state",
        "to_state",
        "since",
        "until",
        "sort",
    )

    #: The load balancer or distributor, for the request.
    owner_id = resource.URI("owner_id")
    #: When it happened (UTC).
    created_at = resource.Body("created_at")
    #: What happened, such as ``session.down``.
    kind = resource.Body("kind")
    #: The load balancer; None: an amphora of the distributor's own.
    load_balancer_id = resource.Body("load_balancer_id")
    #: The distributor.
    distributor_id = resource.Body("distributor_id")
    #: The amphora; None: the load balancer as a whole, or not to be seen.
    amphora_id = resource.Body("amphora_id")
    #: The availability zone of the amphora, for those who may see it.
    availability_zone = resource.Body("availability_zone")
    #: The BGP peer of a session, for those who may see it.
    peer_id = resource.Body("peer_id")
    #: The peer's address, for those who may see it.
    peer_ip = resource.Body("peer_ip")
    #: The state before.
    from_state = resource.Body("from_state")
    #: The state after.
    to_state = resource.Body("to_state")
    #: Why, in a sentence; None: it is the operator's.
    cause = resource.Body("cause")
    #: For how many changes it stands. *Type: int*
    change_count = resource.Body("change_count", type=int)


class LoadBalancerEvent(Event):
    """Something that happened to a load balancer."""

    base_path = "/lbaas/loadbalancers/%(owner_id)s/events"


class DistributorEvent(Event):
    """Something that happened to an amphora that uses a distributor."""

    base_path = "/lbaas/distributors/%(owner_id)s/events"
