# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A load balancer with one of each of Octavia's objects, for tests."""

from dataclasses import dataclass

from octavia_anycast.testing import octavia_rows, samples


@dataclass
class Tree:
    """Identifiers of one of each."""

    api: object
    lb: str
    listener: str = ""
    pool: str = ""
    other_pool: str = ""
    member: str = ""
    monitor: str = ""
    policy: str = ""
    rule: str = ""
    tcp: str = ""

    def add(self, path, root, **body):
        """Create it and settle its rows; its id."""
        created = self.api.create(f"/v2/lbaas/{path}", {root: body})
        octavia_rows.settle()
        return created["id"]


def make_load_balancer(api):
    api.create("/v2/lbaas/distributors", samples.distributor(is_default=True))
    _, (v4, v6) = api.neutron.add_network(
        "198.51.100.0/24", "2001:db8:100::/64"
    )
    body = {"vip_subnet_id": v4, "additional_vips": [{"subnet_id": v6}]}
    created = api.create("/v2/lbaas/loadbalancers", {"loadbalancer": body})
    octavia_rows.settle()
    return Tree(api=api, lb=created["id"])


def add_one_of_each(t):
    t.pool = t.add(
        "pools",
        "pool",
        loadbalancer_id=t.lb,
        protocol="HTTP",
        lb_algorithm="ROUND_ROBIN",
    )
    t.other_pool = t.add(
        "pools",
        "pool",
        loadbalancer_id=t.lb,
        protocol="HTTP",
        lb_algorithm="SOURCE_IP",
    )
    t.listener = t.add(
        "listeners",
        "listener",
        loadbalancer_id=t.lb,
        protocol="HTTP",
        protocol_port=80,
        default_pool_id=t.pool,
    )
    t.member = t.add(
        f"pools/{t.pool}/members",
        "member",
        address="10.10.0.11",
        protocol_port=8080,
    )
    t.monitor = t.add(
        "healthmonitors",
        "healthmonitor",
        pool_id=t.pool,
        type="HTTP",
        delay=5,
        timeout=3,
        max_retries=2,
    )
    t.policy = t.add(
        "l7policies",
        "l7policy",
        listener_id=t.listener,
        action="REDIRECT_TO_URL",
        redirect_url="https://example.org/",
    )
    t.rule = t.add(
        f"l7policies/{t.policy}/rules",
        "rule",
        type="PATH",
        compare_type="STARTS_WITH",
        value="/old",
    )
    t.tcp = t.add(
        "listeners",
        "listener",
        loadbalancer_id=t.lb,
        protocol="TCP",
        protocol_port=2222,
    )


def call(tree, method, path, root, body):
    names = vars(tree)
    filled = body and {
        key: value.format(**names) if isinstance(value, str) else value
        for key, value in body.items()
    }
    return tree.api.call(
        method,
        f"/v2/lbaas/{path.format(**names)}",
        {root: filled} if root else None,
    )
