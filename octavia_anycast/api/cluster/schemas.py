# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""JSON Schemas of clusters, amphorae and what we add to load balancers."""

from octavia.api.v2.types import amphora as stock_types

from octavia_anycast.api import schemas
from octavia_anycast.api.amphora.types import AmphoraResponse
from octavia_anycast.api.cluster.changes import ClusterChange
from octavia_anycast.api.cluster.controller import (
    ClusterResponse,
    MemberResponse,
)
from octavia_anycast.api.load_balancer.types import LoadBalancerResponse
from octavia_anycast.api.schemas import Schema
from octavia_anycast.model.distributor import ATTRIBUTES

_NEVER_NULL = frozenset(
    ("id", "status", "role", "cert_busy", "created_at", "amphorae")
)
_OF_CLUSTERS = {
    "enabled": (
        "Whether the cluster manager replaces amphorae and scales; if not, "
        "what runs goes on."
    ),
    "amphora_count": "How many amphorae there are, booting ones included.",
    "distributor_id": "The distributor that it uses.",
    "frontend_network_id": (
        "The network of the amphorae's front ends that was chosen; null for "
        "that of the distributor's zones, or the VIP's own."
    ),
    "operating_status": (
        "ONLINE: all amphorae announce; DEGRADED: at least min_size do; "
        "ERROR: fewer; OFFLINE: none, or it is disabled."
    ),
    "reason": "The statuses in a sentence.",
    "provisioning_status": "The load balancer's, as the controller sees it.",
    "availability_zone": "The availability zone that it was booted in.",
}
_CHOSEN = ("frontend_network_id", "frontend_subnet_id")


def _nullable(kind: type) -> frozenset[str]:
    names = frozenset(a.name for a in kind._wsme_attributes)  # type: ignore[attr-defined]
    return names - _NEVER_NULL


def _described(schema: Schema, descriptions: dict[str, str]) -> Schema:
    for name, text in descriptions.items():
        if name in schema["properties"]:
            schema["properties"][name]["description"] = text
    return schema


def _cluster() -> Schema:
    schema = schemas.of_response(
        ClusterResponse, nullable=(*_CHOSEN, "autoscale", "scaled_at")
    )
    schema["properties"]["amphorae"]["items"] = _described(
        schemas.of_response(
            MemberResponse, nullable=("availability_zone", "frontend_ip")
        ),
        _OF_CLUSTERS,
    )
    return _described(schema, _OF_CLUSTERS)


def _load_balancer() -> Schema:
    """Ours alone: the rest is in Octavia's own reference."""
    whole = schemas.of_response(
        LoadBalancerResponse, nullable=ATTRIBUTES, only=ATTRIBUTES
    )
    whole["description"] = (
        "What a load balancer of the provider anycast has beside Octavia's "
        "attributes: in the body of a create, in every answer, and as "
        "filters of a list. Each may be left out of a create; none can be "
        "changed afterwards. Null for load balancers of other providers."
    )
    whole["additionalProperties"] = True
    return _described(whole, _OF_CLUSTERS)


SCHEMAS: dict[str, Schema] = {
    "Cluster": _cluster(),
    "ClusterChange": _described(
        schemas.of_change(ClusterChange), _OF_CLUSTERS
    ),
    "Amphora": schemas.of_response(
        AmphoraResponse, nullable=_nullable(AmphoraResponse)
    ),
    "AmphoraStatistics": schemas.of_response(
        stock_types.AmphoraStatisticsResponse, nullable=("loadbalancer_id",)
    ),
    "LoadBalancerChoice": _load_balancer(),
}
