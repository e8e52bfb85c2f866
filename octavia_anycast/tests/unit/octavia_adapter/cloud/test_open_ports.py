# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The doctor wants the rules that the controller makes, each of them.

Octavia's own network driver makes them, with ours above it.
"""

import pytest

from octavia_anycast.octavia_adapter.cloud import open_ports
from octavia_anycast.testing.made_ports import MadePorts, listener

V4, V6 = "198.51.100.20", "2001:db8:100::20"


def made():
    ports = MadePorts(
        V4,
        V6,
        listeners=[
            listener(80, "HTTP"),
            listener(443, "TERMINATED_HTTPS", "192.0.2.0/24"),
            listener(53, "UDP"),
            listener(5060, "SCTP"),
        ],
    )
    ports.balancer.name = "web"
    for one in ports.balancer.listeners:
        one.name = ""
    ports.plug()
    return ports


def missing(ports, *, opens_rescue_port=True):
    """(protocol, port, IP version) of what is wanted and not let in."""
    rules = ports.group.security_group_rules
    wanted = open_ports.wanted_of(
        ports.balancer, opens_rescue_port=opens_rescue_port
    )
    return [
        (one.protocol, one.port, one.ip_version)
        for one in wanted
        if not open_ports.is_open(one, rules)
    ]


def test_what_the_controller_makes_is_all_that_is_wanted():
    assert missing(made()) == []


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (80, [("tcp", 80, 4), ("tcp", 80, 6)]),
        (443, [("tcp", 443, 4)]),
        (53, [("udp", 53, 4), ("udp", 53, 6)]),
        (5060, [("sctp", 5060, 4), ("sctp", 5060, 6)]),
        (1025, [("tcp", 1025, 4), ("tcp", 1025, 6)]),
        (14789, [("udp", 14789, 4), ("udp", 14789, 6)]),
    ],
)
def test_each_rule_that_is_deleted_is_missed(port, expected):
    ports = made()
    for rule in list(ports.proxy.security_group_rules()):
        if rule.port_range_min == port:
            ports.proxy.delete_security_group_rule(rule.id)
    assert missing(ports) == expected


def test_another_family_or_protocol_does_not_stand_for_it():
    ports = made()
    for rule in list(ports.proxy.security_group_rules()):
        if rule.port_range_min == 80 and rule.ether_type == "IPv6":
            ports.proxy.delete_security_group_rule(rule.id)
    ports.proxy.create_security_group_rule(
        security_group_id=ports.group.id,
        direction="ingress",
        ether_type="IPv6",
        protocol="udp",
        port_range_min=80,
        port_range_max=80,
    )
    assert missing(ports) == [("tcp", 80, 6)]


@pytest.mark.parametrize(
    "rule",
    [
        {"protocol": None},
        {"protocol": "6"},
        {"protocol": "tcp", "port_range_min": 1, "port_range_max": 1024},
    ],
)
def test_a_wider_rule_stands_for_it(rule):
    ports = made()
    for one in list(ports.proxy.security_group_rules()):
        if one.port_range_min == 80 and one.ether_type == "IPv4":
            ports.proxy.delete_security_group_rule(one.id)
    ports.proxy.create_security_group_rule(
        security_group_id=ports.group.id,
        direction="ingress",
        ether_type="IPv4",
        **rule,
    )
    assert missing(ports) == []


def test_without_flow_rescue_its_port_is_not_wanted():
    ports = made()
    wanted = open_ports.wanted_of(ports.balancer, opens_rescue_port=False)
    assert {one.port for one in wanted} == {80, 443, 53, 5060, 1025}


def test_groups_of_the_vips_own_decide_of_listeners():
    ports = made()
    ports.balancer.vip.sg_ids = ["mine"]
    wanted = open_ports.wanted_of(ports.balancer, opens_rescue_port=True)
    assert {one.port for one in wanted} == {1025, 14789}


def test_without_a_listener_nothing_is_wanted():
    ports = made()
    ports.balancer.listeners = []
    assert open_ports.wanted_of(ports.balancer, opens_rescue_port=True) == ()
