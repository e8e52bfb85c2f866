# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load balancers with their front end, and their cluster of amphorae."""

from openstack import resource
from openstack.load_balancer.v2 import load_balancer

from octavia_anycast_client.sdk.resource import Resource


class LoadBalancer(Resource, load_balancer.LoadBalancer):
    """A load balancer; the three attributes are fixed once it exists."""

    kind = "load balancer"

    _query_mapping = resource.QueryParameters(
        "frontend_network_id",
        "frontend_subnet_id",
        "distributor_id",
        **load_balancer.LoadBalancer._query_mapping._mapping,
    )

    #: The network of the amphorae's front-end addresses.
    frontend_network_id = resource.Body("frontend_network_id")
    #: The subnet of the amphorae's front-end addresses.
    frontend_subnet_id = resource.Body("frontend_subnet_id")
    #: The distributor that announces its VIPs.
    distributor_id = resource.Body("distributor_id")


class Cluster(resource.Resource):
    """The amphorae of one load balancer."""

    resource_key = "cluster"
    base_path = "/lbaas/loadbalancers/%(balancer_id)s/cluster"
    allow_fetch = True
    allow_commit = True
    requires_id = False

    #: The load balancer, for the request.
    balancer_id = resource.URI("balancer_id")
    #: The load balancer.
    load_balancer_id = resource.Body("load_balancer_id")
    #: The distributor that announces its VIPs.
    distributor_id = resource.Body("distributor_id")
    #: The network of the amphorae's front-end addresses.
    frontend_network_id = resource.Body("frontend_network_id")
    #: The subnet of the amphorae's front-end addresses.
    frontend_subnet_id = resource.Body("frontend_subnet_id")
    #: Amphorae that shall serve. *Type: int*
    desired_size = resource.Body("desired_size", type=int)
    #: Amphorae without which it is in ERROR. *Type: int*
    min_size = resource.Body("min_size", type=int)
    #: Amphorae at most. *Type: int*
    max_size = resource.Body("max_size", type=int)
    #: Seconds between two changes of size. *Type: int*
    cooldown = resource.Body("cooldown", type=int)
    #: Whether it is looked after: scaled, and what dies replaced.
    #: *Type: bool*
    is_enabled = resource.Body("enabled", type=bool)
    #: Amphorae that stand by. *Type: int*
    spare_count = resource.Body("spare_count", type=int)
    #: Whether its amphorae keep each other's connections. *Type: bool*
    flow_rescue = resource.Body("flow_rescue", type=bool)
    #: ``metric``, ``target``, ``tolerance`` and ``scale_in_delay``, or
    #: None. *Type: dict*
    autoscale = resource.Body("autoscale")
    #: When its wanted size last changed.
    scaled_at = resource.Body("scaled_at")
    #: Why autoscaling changed it; empty if its user did.
    scaling_reason = resource.Body("scaling_reason")
    #: ``ACTIVE_ACTIVE``.
    cluster_type = resource.Body("cluster_type")
    #: As of a load balancer.
    provisioning_status = resource.Body("provisioning_status")
    #: As of a load balancer.
    operating_status = resource.Body("operating_status")
    #: Why it is in that state.
    reason = resource.Body("reason")
    #: What the amphorae shall have applied.
    config_revision = resource.Body("config_revision")
    #: Amphorae that there are. *Type: int*
    amphora_count = resource.Body("amphora_count", type=int)
    #: Amphorae that serve in the place of others, which are drained with a
    #: zone or by a fleet change, and stay. *Type: int*
    stand_in_count = resource.Body("stand_in_count", type=int)
    #: Amphorae that announce. *Type: int*
    announcing_count = resource.Body("announcing_count", type=int)
    #: The amphorae, for those who may see them. *Type: list of dicts*
    amphorae = resource.Body("amphorae", type=list)
