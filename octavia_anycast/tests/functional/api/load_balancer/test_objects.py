# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Every object of Octavia on an anycast load balancer, and its rows.

The rows are what the controller works from: the table is that of
doc/source/contributor/octavia-rows.rst.
"""

import pytest

from octavia_anycast.testing import octavia_rows
from octavia_anycast.tests.functional.object_tree import call

CERTIFICATE = "http://barbican/v1/secrets/1"
CREATE, UPDATE, DELETE = "PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE"
LB = ("loadbalancer", UPDATE)
LISTENER = ("listener", UPDATE)
POOL = ("pool", UPDATE)
POLICY = ("l7policy", UPDATE)

LISTENERS = [
    {"protocol": "HTTP", "insert_headers": {"X-Forwarded-For": "true"}},
    {"protocol": "HTTP", "allowed_cidrs": ["10.0.0.0/8", "fd00::/8"]},
    {"protocol": "TCP", "connection_limit": 100},
    {"protocol": "HTTPS"},
    {
        "protocol": "TERMINATED_HTTPS",
        "default_tls_container_ref": CERTIFICATE,
        "sni_container_refs": [CERTIFICATE, CERTIFICATE + "2"],
        "tls_versions": ["TLSv1.2", "TLSv1.3"],
        "tls_ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256",
        "alpn_protocols": ["h2", "http/1.1"],
    },
    {"protocol": "PROMETHEUS"},
]


@pytest.mark.parametrize("body", LISTENERS, ids=lambda b: b["protocol"])
def test_listeners(empty, body):
    assert empty.add(
        "listeners",
        "listener",
        loadbalancer_id=empty.lb,
        protocol_port=443,
        **body,
    )


POOLS = [
    {"protocol": protocol, "lb_algorithm": algorithm} | more
    for protocol, algorithm, more in (
        ("HTTP", "ROUND_ROBIN", {}),
        ("HTTP", "LEAST_CONNECTIONS", {}),
        ("HTTP", "SOURCE_IP", {}),
        (
            "HTTP",
            "ROUND_ROBIN",
            {"tls_enabled": True, "alpn_protocols": ["h2"]},
        ),
        ("TCP", "SOURCE_IP", {"session_persistence": {"type": "SOURCE_IP"}}),
        (
            "HTTP",
            "ROUND_ROBIN",
            {"session_persistence": {"type": "HTTP_COOKIE"}},
        ),
        (
            "HTTP",
            "ROUND_ROBIN",
            {
                "session_persistence": {
                    "type": "APP_COOKIE",
                    "cookie_name": "sid",
                }
            },
        ),
        ("HTTPS", "ROUND_ROBIN", {}),
        ("PROXY", "ROUND_ROBIN", {}),
        ("PROXYV2", "ROUND_ROBIN", {}),
    )
]


@pytest.mark.parametrize("body", POOLS)
def test_pools(empty, body):
    assert empty.add("pools", "pool", loadbalancer_id=empty.lb, **body)


MONITORS = ["HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO"]


@pytest.mark.parametrize("kind", MONITORS)
def test_health_monitors(tree, kind):
    assert tree.add(
        "healthmonitors",
        "healthmonitor",
        pool_id=tree.other_pool,
        type=kind,
        delay=5,
        timeout=3,
        max_retries=2,
    )


ROWS = {
    # name: (method, path, root, body, what is PENDING after it)
    "update load balancer": (
        "PUT",
        "loadbalancers/{lb}",
        "loadbalancer",
        {"name": "x"},
        {LB},
    ),
    "create listener": (
        "POST",
        "listeners",
        "listener",
        {"loadbalancer_id": "{lb}", "protocol": "TCP", "protocol_port": 81},
        {LB, ("listener", CREATE)},
    ),
    "update listener": (
        "PUT",
        "listeners/{listener}",
        "listener",
        {"timeout_client_data": 1000},
        {LB, LISTENER},
    ),
    "delete listener": (
        "DELETE",
        "listeners/{listener}",
        "",
        None,
        {LB, ("listener", DELETE)},
    ),
    "create pool": (
        "POST",
        "pools",
        "pool",
        {
            "loadbalancer_id": "{lb}",
            "protocol": "TCP",
            "lb_algorithm": "ROUND_ROBIN",
        },
        {LB, ("pool", CREATE)},
    ),
    "update pool": (
        "PUT",
        "pools/{pool}",
        "pool",
        {"lb_algorithm": "LEAST_CONNECTIONS"},
        {LB, LISTENER, POOL},
    ),
    "delete pool": (
        "DELETE",
        "pools/{pool}",
        "",
        None,
        {LB, LISTENER, ("pool", DELETE)},
    ),
    "create member": (
        "POST",
        "pools/{pool}/members",
        "member",
        {"address": "10.10.0.12", "protocol_port": 8080},
        {LB, LISTENER, POOL, ("member", CREATE)},
    ),
    "update member": (
        "PUT",
        "pools/{pool}/members/{member}",
        "member",
        {"weight": 7},
        {LB, LISTENER, POOL, ("member", UPDATE)},
    ),
    "delete member": (
        "DELETE",
        "pools/{pool}/members/{member}",
        "",
        None,
        {LB, LISTENER, POOL, ("member", DELETE)},
    ),
    "create health monitor": (
        "POST",
        "healthmonitors",
        "healthmonitor",
        {
            "pool_id": "{other_pool}",
            "type": "TCP",
            "delay": 5,
            "timeout": 3,
            "max_retries": 2,
        },
        {LB, POOL, ("healthmonitor", CREATE)},
    ),
    "update health monitor": (
        "PUT",
        "healthmonitors/{monitor}",
        "healthmonitor",
        {"delay": 9},
        {LB, LISTENER, POOL, ("healthmonitor", UPDATE)},
    ),
    "delete health monitor": (
        "DELETE",
        "healthmonitors/{monitor}",
        "",
        None,
        {LB, LISTENER, POOL, ("healthmonitor", DELETE)},
    ),
    "create L7 policy": (
        "POST",
        "l7policies",
        "l7policy",
        {
            "listener_id": "{listener}",
            "action": "REDIRECT_TO_POOL",
            "redirect_pool_id": "{other_pool}",
        },
        {LB, LISTENER, ("l7policy", CREATE)},
    ),
    "update L7 policy": (
        "PUT",
        "l7policies/{policy}",
        "l7policy",
        {"action": "REJECT"},
        {LB, LISTENER, POLICY},
    ),
    "delete L7 policy": (
        "DELETE",
        "l7policies/{policy}",
        "",
        None,
        {LB, LISTENER, ("l7policy", DELETE)},
    ),
    "create L7 rule": (
        "POST",
        "l7policies/{policy}/rules",
        "rule",
        {"type": "HOST_NAME", "compare_type": "EQUAL_TO", "value": "a.org"},
        {LB, LISTENER, POLICY, ("rule", CREATE)},
    ),
    "update L7 rule": (
        "PUT",
        "l7policies/{policy}/rules/{rule}",
        "rule",
        {"value": "/older"},
        {LB, LISTENER, POLICY, ("rule", UPDATE)},
    ),
    "delete L7 rule": (
        "DELETE",
        "l7policies/{policy}/rules/{rule}",
        "",
        None,
        {LB, LISTENER, POLICY, ("rule", DELETE)},
    ),
    "failover": ("PUT", "loadbalancers/{lb}/failover", "", None, {LB}),
    "cascade delete": (
        "DELETE",
        "loadbalancers/{lb}?cascade=true",
        "",
        None,
        {("loadbalancer", DELETE)},
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_what_a_call_leaves_pending(tree, name):
    *request, pending = ROWS[name]

    answer = call(tree, *request)

    assert 200 <= answer.status < 300, answer.text
    assert octavia_rows.pending() == pending
    assert call(tree, *ROWS["create member"][:-1]).status == 409


def test_new_values_come_with_the_status(tree):
    call(tree, *ROWS["update pool"][:-1])

    listeners = octavia_rows.load_balancer(tree.lb).listeners
    (listener,) = (one for one in listeners if one.id == tree.listener)

    assert listener.default_pool.lb_algorithm == "LEAST_CONNECTIONS"


def members(tree):
    pools = octavia_rows.load_balancer(tree.lb).pools
    (pool,) = (pool for pool in pools if pool.id == tree.pool)
    return {
        m.ip_address: (m.provisioning_status, m.weight) for m in pool.members
    }


@pytest.mark.parametrize("additive", [False, True])
def test_a_batch_writes_all_the_members_rows(tree, additive):
    tree.add(
        f"pools/{tree.pool}/members",
        "member",
        address="10.10.0.12",
        protocol_port=8080,
    )
    answer = tree.api.call(
        "PUT",
        f"/v2/lbaas/pools/{tree.pool}/members?additive_only={additive}",
        {
            "members": [
                {"address": "10.10.0.11", "protocol_port": 8080, "weight": 9},
                {"address": "10.10.0.13", "protocol_port": 8080},
            ]
        },
    )

    assert answer.status == 202, answer.text
    assert members(tree) == {
        "10.10.0.11": (UPDATE, 9),
        "10.10.0.12": ("ACTIVE" if additive else DELETE, 1),
        "10.10.0.13": (CREATE, 1),
    }


def test_a_pool_of_a_listener_marks_that_listener(tree):
    listener = tree.add(
        "listeners",
        "listener",
        loadbalancer_id=tree.lb,
        protocol="HTTP",
        protocol_port=8000,
    )
    body = {
        "listener_id": listener,
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
    }
    tree.api.create("/v2/lbaas/pools", {"pool": body})

    assert octavia_rows.pending() == {LB, LISTENER, ("pool", CREATE)}
    assert octavia_rows.statuses()["listener", listener] == UPDATE
    assert octavia_rows.statuses()["listener", tree.listener] == "ACTIVE"


def test_a_cascade_leaves_the_children_as_they_are(tree):
    call(tree, *ROWS["cascade delete"][:-1])

    children = octavia_rows.statuses()
    del children["loadbalancer", tree.lb]
    assert set(children.values()) == {"ACTIVE"}
    assert len(children) == 8


def test_without_cascade_children_forbid_the_delete(tree):
    answer = tree.api.call("DELETE", f"/v2/lbaas/loadbalancers/{tree.lb}")

    assert answer.status == 400
    assert octavia_rows.pending() == set()


def test_status_tree_and_statistics_are_served(tree):
    path = f"/v2/lbaas/loadbalancers/{tree.lb}"
    status = tree.api.call("GET", f"{path}/status").body["statuses"]
    stats = tree.api.call("GET", f"{path}/stats").body["stats"]

    listeners = status["loadbalancer"]["listeners"]
    (listener,) = (one for one in listeners if one["id"] == tree.listener)
    assert listener["pools"][0]["members"][0]["id"] == tree.member
    assert stats["total_connections"] == 0
