# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The snapshot of a load balancer and the revision that names it."""

import copy
from ipaddress import ip_address

import pytest
from octavia.common import data_models as dm

from octavia_anycast.octavia_adapter.load_balancer import data_model
from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    snapshot,
)
from octavia_anycast.provider import support


@pytest.fixture
def tree():
    """Octavia's data model of a small load balancer."""
    balancer = dm.LoadBalancer(
        id="lb",
        project_id="p",
        enabled=True,
        provisioning_status="PENDING_UPDATE",
        operating_status="ONLINE",
    )
    balancer.vip = dm.Vip(
        load_balancer_id="lb",
        ip_address="198.51.100.10",
        subnet_id="v4",
        network_id="n",
        port_id="port",
    )
    balancer.additional_vips = [
        dm.AdditionalVip(
            load_balancer_id="lb",
            ip_address="2001:db8:100::10",
            subnet_id="v6",
            network_id="n",
            port_id="port",
        )
    ]
    member = dm.Member(
        id="m",
        ip_address="10.10.0.11",
        protocol_port=8080,
        subnet_id="backend",
        enabled=True,
        provisioning_status="ACTIVE",
        operating_status="ONLINE",
    )
    monitor = dm.HealthMonitor(
        id="h", pool_id="p1", enabled=True, provisioning_status="ACTIVE"
    )
    pool = dm.Pool(
        id="p1",
        protocol="HTTP",
        lb_algorithm="ROUND_ROBIN",
        enabled=True,
        members=[member],
        health_monitor=monitor,
        provisioning_status="ACTIVE",
        operating_status="ONLINE",
    )
    policy = dm.L7Policy(
        id="l7",
        position=1,
        enabled=True,
        action="REJECT",
        provisioning_status="ACTIVE",
        l7rules=[dm.L7Rule(id="r", value="/x", provisioning_status="ACTIVE")],
    )
    listener = dm.Listener(
        id="l",
        protocol="HTTP",
        protocol_port=80,
        enabled=True,
        default_pool=pool,
        default_pool_id="p1",
        pools=[pool],
        l7policies=[policy],
        provisioning_status="PENDING_UPDATE",
        operating_status="ONLINE",
    )
    balancer.listeners = [listener]
    balancer.pools = [pool]
    return balancer


def revision(balancer):
    return snapshot(copy.deepcopy(balancer)).revision


def test_sockets_are_the_listeners_on_every_vip(tree):
    sockets = snapshot(tree).listeners
    assert {(s.ip_address, s.port) for s in sockets} == {
        (ip_address("198.51.100.10"), 80),
        (ip_address("2001:db8:100::10"), 80),
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda b: setattr(b, "enabled", False),
        lambda b: setattr(b.listeners[0], "enabled", False),
        lambda b: setattr(b.listeners[0], "provisioning_status", "ERROR"),
        lambda b: setattr(b.listeners[0], "protocol", "UDP"),
        lambda b: setattr(
            b.listeners[0], "provisioning_status", "PENDING_DELETE"
        ),
    ],
)
def test_no_socket_where_haproxy_will_not_listen(tree, change):
    change(tree)
    assert snapshot(tree).listeners == ()


def prometheus(balancer, **changes):
    """Add a listener of that protocol."""
    made = dm.Listener(
        id="metrics",
        protocol="PROMETHEUS",
        protocol_port=8088,
        enabled=True,
        pools=[],
        l7policies=[],
        provisioning_status="ACTIVE",
    )
    for name, value in changes.items():
        setattr(made, name, value)
    balancer.listeners.append(made)


def test_a_listener_of_metrics_is_seen(tree):
    assert not snapshot(copy.deepcopy(tree)).has_metrics_listener
    prometheus(tree)
    assert snapshot(tree).has_metrics_listener


@pytest.mark.parametrize(
    "changes",
    [
        {"enabled": False},
        {"provisioning_status": "ERROR"},
        {"provisioning_status": "PENDING_DELETE"},
        {"protocol": "HTTP"},
    ],
)
def test_a_listener_of_metrics_that_is_not_served_is_none(tree, changes):
    prometheus(tree, **changes)
    assert not snapshot(tree).has_metrics_listener


def test_a_disabled_load_balancer_has_no_listener_of_metrics(tree):
    prometheus(tree)
    tree.enabled = False
    assert not snapshot(tree).has_metrics_listener


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_members_that_lvs_serves_have_one_order(tree, protocol):
    """The scheduler of SOURCE_IP takes it: all amphorae have to agree."""
    (pool,) = tree.pools
    pool.protocol = protocol
    pool.members = [
        dm.Member(id=identifier, provisioning_status="ACTIVE")
        for identifier in ("m3", "m1", "m2")
    ]
    data_model.prune(tree)
    assert [member.id for member in pool.members] == ["m1", "m2", "m3"]


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
@pytest.mark.parametrize(
    ("field", "value", "is_served"),
    [
        ("provisioning_status", "ACTIVE", True),
        ("provisioning_status", "ERROR", False),
        ("provisioning_status", "PENDING_DELETE", False),
        ("enabled", False, False),
    ],
)
def test_listeners_that_lvs_serves(tree, protocol, field, value, is_served):
    tree.listeners[0].protocol = protocol
    setattr(tree.listeners[0], field, value)
    expected = ("l",) if is_served else ()
    assert snapshot(copy.deepcopy(tree)).lvs_listener_ids == expected
    tree.enabled = False
    assert snapshot(tree).lvs_listener_ids == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda b: setattr(b.listeners[0], "protocol_port", 81),
        lambda b: setattr(b.listeners[0], "tls_certificate_id", "ref"),
        lambda b: setattr(b.listeners[0], "default_pool_id", None),
        lambda b: setattr(
            b.listeners[0], "sni_containers", [dm.SNI(tls_container_id="s")]
        ),
        lambda b: setattr(
            b.listeners[0],
            "allowed_cidrs",
            [dm.ListenerCidr(listener_id="l", cidr="192.0.2.0/24")],
        ),
        lambda b: setattr(b.listeners[0].l7policies[0], "position", 2),
        lambda b: setattr(
            b.listeners[0].l7policies[0].l7rules[0], "value", "/y"
        ),
        lambda b: setattr(b.pools[0], "lb_algorithm", "SOURCE_IP"),
        lambda b: setattr(
            b.pools[0],
            "session_persistence",
            dm.SessionPersistence(pool_id="p1", type="SOURCE_IP"),
        ),
        lambda b: setattr(b.pools[0].members[0], "weight", 7),
        lambda b: setattr(
            b.pools[0].members[0], "provisioning_status", "PENDING_DELETE"
        ),
        lambda b: setattr(b.pools[0].health_monitor, "delay", 9),
        lambda b: setattr(
            b.pools[0].health_monitor, "provisioning_status", "PENDING_DELETE"
        ),
        lambda b: setattr(b.vip, "qos_policy_id", "q"),
        lambda b: setattr(b.vip, "sg_ids", ["sg"]),
        lambda b: setattr(b, "enabled", False),
    ],
)
def test_whatever_configures_changes_the_revision(tree, change):
    before = revision(tree)
    change(tree)
    assert revision(tree) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda b: setattr(b, "provisioning_status", "ACTIVE"),
        lambda b: setattr(b, "operating_status", "ERROR"),
        lambda b: setattr(b, "name", "another"),
        lambda b: setattr(b, "updated_at", "2026-01-01"),
        lambda b: setattr(b.pools[0].members[0], "operating_status", "X"),
        lambda b: setattr(b.listeners[0], "provisioning_status", "ACTIVE"),
    ],
)
def test_statuses_and_names_do_not(tree, change):
    before = revision(tree)
    change(tree)
    assert revision(tree) == before


def test_what_is_being_deleted_is_pending_but_not_in_the_tree(tree):
    tree.pools[0].members[0].provisioning_status = "PENDING_DELETE"
    made = snapshot(tree)
    assert ("members", "m") in {(p.kind, p.id) for p in made.pending}
    assert tree.pools[0].members == []
    assert made.member_subnet_ids == ()


@pytest.mark.parametrize(
    ("protocol", "has_policies"),
    [("HTTP", True), ("TERMINATED_HTTPS", True), ("TCP", False)],
)
def test_policies_of_a_listener_that_cannot_have_any_are_left_out(
    tree, protocol, has_policies
):
    tree.listeners[0].protocol = protocol
    tree.listeners[0].l7policies[0].provisioning_status = "PENDING_CREATE"
    made = snapshot(tree)
    assert bool(tree.listeners[0].l7policies) is has_policies
    assert ("l7policies", "l7") in {(p.kind, p.id) for p in made.pending}


def test_the_api_refuses_what_the_snapshot_leaves_out():
    assert data_model.L7_PROTOCOLS == support.L7_PROTOCOLS


def test_members_of_a_disabled_pool_are_not_disabled_themselves(tree):
    """Octavia leaves their status as it was last known."""
    tree.pools[0].enabled = False
    found = snapshot(tree).disabled_ids
    assert "p1" in found
    assert "m" not in found
    assert "l" not in snapshot(tree).disabled_ids
