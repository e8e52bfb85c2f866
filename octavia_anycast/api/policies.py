# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Policy rules of what we add, in Octavia's one policy file."""

from collections.abc import Sequence
from typing import Any

from octavia.common import constants, policy
from oslo_policy import policy as oslo_policy

RBAC_DISTRIBUTOR = f"{constants.LOADBALANCER_API}:distributor:"
RBAC_PEER = f"{constants.LOADBALANCER_API}:bgp-peer:"
RBAC_SPEAKER = f"{constants.LOADBALANCER_API}:bgp-speaker:"
RBAC_CLUSTER = f"{constants.LOADBALANCER_API}:cluster:"
GET_PATHS = "get_paths"
GET_VIPS = "get_vips"
GET_VIP = "get_vip"
POST_VIP = "post_vip"
DELETE_VIP = "delete_vip"
GET = constants.RBAC_GET_ONE
PUT = constants.RBAC_PUT
PUT_MAX_SIZE = "put_max_size"
GET_AMPHORAE = "get_amphorae"
GET_DRAIN = "get_drain"
PUT_DRAIN = "put_drain"
DELETE_DRAIN = "delete_drain"
GET_AMPHORA = "get_amphora"
POST_AMPHORA = "post_amphora"
DELETE_AMPHORA = "delete_amphora"
PUT_AMPHORA_DRAIN = "put_amphora_drain"
DELETE_AMPHORA_DRAIN = "delete_amphora_drain"
PUT_PEER = "put_peer"
DELETE_PEER = "delete_peer"
AMPHORA_DRAIN = "/v2/octavia/amphorae/{amphora_id}/drain"
DISTRIBUTORS = "/v2/lbaas/distributors"
VIPS = f"{DISTRIBUTORS}/{{distributor_id}}/vips"
REGISTRATIONS = f"{DISTRIBUTORS}/{{distributor_id}}/amphorae"
REGISTRATION = f"{REGISTRATIONS}/{{registration_id}}"
PEERS = "/v2/lbaas/bgp-peers"
SPEAKERS = "/v2/lbaas/bgp-speakers"
CLUSTER = "/v2/lbaas/loadbalancers/{loadbalancer_id}/cluster"


def _rule(
    name: str, check: str, description: str, method: str, path: str
) -> Any:
    return oslo_policy.DocumentedRuleDefault(
        name, check, description, [{"method": method, "path": path}]
    )


def _collection(
    prefix: str, title: str, path: str, readers: str, member: str
) -> tuple[Any, ...]:
    """The five rules that each collection has; writers are administrators."""
    one = f"{path}/{{{member}}}"
    writers = constants.RULE_API_ADMIN
    return tuple(
        _rule(f"{prefix}{action}", check, description, method, where)
        for action, check, description, method, where in (
            (constants.RBAC_GET_ALL, readers, f"List {title}s", "GET", path),
            (
                constants.RBAC_GET_ONE,
                readers,
                f"Show {title} details",
                "GET",
                one,
            ),
            (constants.RBAC_POST, writers, f"Create a {title}", "POST", path),
            (constants.RBAC_PUT, writers, f"Update a {title}", "PUT", one),
            (
                constants.RBAC_DELETE,
                writers,
                f"Remove a {title}",
                "DELETE",
                one,
            ),
        )
    )


RULES = (
    *_collection(
        RBAC_DISTRIBUTOR,
        "Distributor",
        DISTRIBUTORS,
        constants.RULE_API_READ,
        "distributor_id",
    ),
    _rule(
        f"{RBAC_DISTRIBUTOR}{GET_PATHS}",
        constants.RULE_API_READ_GLOBAL,
        "List the paths that the amphorae of a Distributor announce",
        "GET",
        f"{DISTRIBUTORS}/{{distributor_id}}/paths",
    ),
    *(
        _rule(f"{RBAC_DISTRIBUTOR}{action}", check, description, method, path)
        for action, check, description, method, path in (
            (
                GET_VIPS,
                constants.RULE_API_READ_GLOBAL,
                "List the external VIPs of a Distributor",
                "GET",
                VIPS,
            ),
            (
                GET_VIP,
                constants.RULE_API_READ_GLOBAL,
                "Show an external VIP of a Distributor",
                "GET",
                f"{VIPS}/{{vip_id}}",
            ),
            (
                POST_VIP,
                constants.RULE_API_ADMIN,
                "Register an external VIP with a Distributor",
                "POST",
                VIPS,
            ),
            (
                DELETE_VIP,
                constants.RULE_API_ADMIN,
                "Unregister an external VIP from a Distributor",
                "DELETE",
                f"{VIPS}/{{vip_id}}",
            ),
            (
                GET_AMPHORAE,
                constants.RULE_API_READ_GLOBAL,
                "List the Amphorae that are registered with a Distributor",
                "GET",
                REGISTRATIONS,
            ),
            (
                GET_AMPHORA,
                constants.RULE_API_READ_GLOBAL,
                "Show a registration of Amphorae with a Distributor",
                "GET",
                REGISTRATION,
            ),
            (
                POST_AMPHORA,
                constants.RULE_API_ADMIN,
                "Register Amphorae with a Distributor",
                "POST",
                REGISTRATIONS,
            ),
            (
                DELETE_AMPHORA,
                constants.RULE_API_ADMIN,
                "Unregister Amphorae from a Distributor",
                "DELETE",
                REGISTRATION,
            ),
            (
                PUT_AMPHORA_DRAIN,
                constants.RULE_API_ADMIN,
                "Drain registered Amphorae of a Distributor",
                "PUT",
                f"{REGISTRATION}/drain",
            ),
            (
                DELETE_AMPHORA_DRAIN,
                constants.RULE_API_ADMIN,
                "Undo the drain of registered Amphorae of a Distributor",
                "DELETE",
                f"{REGISTRATION}/drain",
            ),
        )
    ),
    # The addresses of the fabric's routers are not for tenants.
    *_collection(
        RBAC_PEER,
        "BGP Peer",
        PEERS,
        constants.RULE_API_READ_GLOBAL,
        "bgp_peer_id",
    ),
    *_collection(
        RBAC_SPEAKER,
        "BGP Speaker",
        SPEAKERS,
        constants.RULE_API_READ,
        "bgp_speaker_id",
    ),
    _rule(
        f"{RBAC_SPEAKER}{PUT_PEER}",
        constants.RULE_API_ADMIN,
        "Register a BGP Peer with a BGP Speaker",
        "PUT",
        f"{SPEAKERS}/{{bgp_speaker_id}}/bgp-peers/{{bgp_peer_id}}",
    ),
    _rule(
        f"{RBAC_SPEAKER}{DELETE_PEER}",
        constants.RULE_API_ADMIN,
        "Unregister a BGP Peer from a BGP Speaker",
        "DELETE",
        f"{SPEAKERS}/{{bgp_speaker_id}}/bgp-peers/{{bgp_peer_id}}",
    ),
    _rule(
        f"{RBAC_CLUSTER}{GET}",
        constants.RULE_API_READ,
        "Show the Cluster of a Load Balancer",
        "GET",
        CLUSTER,
    ),
    _rule(
        f"{RBAC_CLUSTER}{GET_AMPHORAE}",
        constants.RULE_API_READ_GLOBAL,
        "See the Amphorae in the Cluster of a Load Balancer",
        "GET",
        CLUSTER,
    ),
    _rule(
        f"{RBAC_CLUSTER}{PUT}",
        constants.RULE_API_WRITE,
        "Change the Cluster of a Load Balancer: its size up to its max_size",
        "PUT",
        CLUSTER,
    ),
    _rule(
        f"{RBAC_CLUSTER}{PUT_MAX_SIZE}",
        constants.RULE_API_ADMIN,
        "Raise the max_size of the Cluster of a Load Balancer",
        "PUT",
        CLUSTER,
    ),
    *(
        _rule(
            f"{constants.RBAC_AMPHORA}{action}",
            constants.RULE_API_ADMIN,
            description,
            method,
            AMPHORA_DRAIN,
        )
        for action, description, method in (
            (GET_DRAIN, "Show the Drain of an Amphora", "GET"),
            (PUT_DRAIN, "Drain an Amphora", "PUT"),
            (DELETE_DRAIN, "Undo the Drain of an Amphora", "DELETE"),
        )
    ),
)


def list_rules() -> Sequence[Any]:
    """The rules, for oslopolicy-sample-generator."""
    return RULES


def register() -> None:
    """Make Octavia's enforcer know them; idempotent."""
    enforcer = policy.get_enforcer()
    enforcer.register_defaults(
        [rule for rule in RULES if rule.name not in enforcer.registered_rules]
    )
