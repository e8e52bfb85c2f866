# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What Octavia 19's tests may see in our API that is not in Octavia's.

These tests compare whole documents. They get the application without the
attributes named here, and have to pass: nothing else may differ. Each of the
attributes has to be there: what is not seen any more leaves the list.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Attributes of ours in the object under a root element, and why."""

    root: str
    attributes: frozenset[str]
    reason: str


LOAD_BALANCER = Difference(
    root="loadbalancer",
    attributes=frozenset(
        ("distributor_id", "frontend_network_id", "frontend_subnet_id")
    ),
    reason="the blueprint's attributes of load balancers; null for those of "
    "other providers",
)
AMPHORA = Difference(
    root="amphora",
    attributes=frozenset(
        (
            "frontend_id",
            "frontend_interface",
            "frontend_ip",
            "frontend_port_id",
            "frontend_priority",
            "frontend_subnet_id",
            "service_type",
        )
    ),
    reason="the blueprint's names, beside vrrp_* with the same values",
)
_SHOWN = ("test_get", "test_get_authorized")
_CREATED_WITH_ALL_BELOW = (
    "test_with_additional_vips",
    "test_with_full_listener_certs",
    "test_with_l7policies_one_redirect_pool_one_rule",
    "test_with_l7policies_one_redirect_url_with_default_pool",
    "test_with_l7policies_redirect_pools_no_rules",
    "test_with_l7policy_redirect_pool_no_rule",
    "test_with_l7policy_redirect_pool_one_rule",
    "test_with_many_listeners",
    "test_with_many_listeners_one_pool",
    "test_with_one_listener",
    "test_with_one_listener_allowed_cidrs",
    "test_with_one_listener_one_hm",
    "test_with_one_listener_one_hm_udp",
    "test_with_one_listener_one_member",
    "test_with_one_listener_one_member_sriov",
    "test_with_one_listener_one_pool",
    "test_with_one_listener_sg_ids",
    "test_with_one_listener_sni_containers",
    "test_with_one_listener_with_default_timeouts",
    "test_with_one_of_everything",
    "test_with_sg_ids",
    "test_with_vip_vnic_type_direct",
)
# class::test -> what it may see
EXPECTED: dict[str, Difference] = {
    **{f"TestAmphora::{name}": AMPHORA for name in _SHOWN},
    **{
        f"TestLoadBalancerGraph::{name}": LOAD_BALANCER
        for name in _CREATED_WITH_ALL_BELOW
    },
}
