# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What Neutron says of ports and rules, as the filter reads it."""

import ipaddress

import pytest
from octavia_anycast_lab.vm.network import rules
from octavia_anycast_lab.vm.network.rules import Direction

MAC = "fa:16:3e:00:00:01"
HOSTS = ("rack1-host1", "rack1-host2")


def nets(*texts):
    return tuple(ipaddress.ip_network(text) for text in texts)


def port(**values):
    return {
        "id": "11111111-2222-3333-4444-555555555555",
        "network_id": "net",
        "mac_address": MAC.upper(),
        "fixed_ips": [
            {"ip_address": "10.1.0.5"},
            {"ip_address": "fd00:10:1::5"},
        ],
        "allowed_address_pairs": [],
        "security_groups": ["mine"],
        "port_security_enabled": True,
        "status": "DOWN",
        "binding:host_id": "rack1-host1",
        "binding:vif_type": "tap",
    } | values


def rule(**values):
    return {
        "id": "rule",
        "security_group_id": "mine",
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": None,
    } | values


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, {}),
        ({"direction": "egress"}, {"direction": Direction.EGRESS}),
        ({"ethertype": "IPv6"}, {"version": 6}),
        ({"protocol": "tcp"}, {"protocol": 6}),
        ({"protocol": "17"}, {"protocol": 17}),
        ({"protocol": 132}, {"protocol": 132}),
        ({"protocol": "sctp"}, {"protocol": 132}),
        ({"protocol": "vrrp"}, {"protocol": 112}),
        ({"protocol": "icmp"}, {"protocol": 1}),
        ({"protocol": "any"}, {"protocol": None}),
        (
            {"protocol": "icmp", "ethertype": "IPv6"},
            {"protocol": 58, "version": 6},
        ),
        (
            {"protocol": "icmpv6", "ethertype": "IPv6"},
            {"protocol": 58, "version": 6},
        ),
        (
            {
                "protocol": "udp",
                "port_range_min": 3784,
                "port_range_max": 3785,
            },
            {"protocol": 17, "low": 3784, "high": 3785},
        ),
        (
            {"remote_ip_prefix": "172.31.0.0/24"},
            {"remote": nets("172.31.0.0/24")},
        ),
        ({"remote_ip_prefix": "0.0.0.0/0"}, {"remote": None}),
        ({"remote_group_id": "mine"}, {"remote": nets("10.1.0.5/32")}),
        (
            {"remote_group_id": "mine", "ethertype": "IPv6"},
            {"remote": nets("fd00:10:1::5/128"), "version": 6},
        ),
        ({"remote_group_id": "nobody's"}, {"remote": ()}),
    ],
)
def test_rule(raw, expected):
    plain = {"direction": Direction.INGRESS, "version": 4}
    (found,) = rules.ports_of([port()], [rule(**raw)], HOSTS)[0].rules
    assert found == rules.Rule(**(plain | expected))


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"protocol": "nonsense"}, "protocol 'nonsense' is not known"),
        ({"remote_address_group_id": "a"}, "remote_address_group_id"),
    ],
)
def test_unknown_rule_is_refused(raw, sentence):
    with pytest.raises(ValueError, match=sentence):
        rules.ports_of([port()], [rule(**raw)], HOSTS)


def test_group_has_the_address_pairs_of_ports_anywhere():
    """Neutron counts them, and ports that no machine has (the VIP's)."""
    elsewhere = port(
        id="other",
        fixed_ips=[{"ip_address": "198.51.100.20"}],
        allowed_address_pairs=[{"ip_address": "192.0.2.0/28"}],
        **{"binding:host_id": "", "binding:vif_type": "unbound"},
    )
    found = rules.ports_of(
        [port(), elsewhere], [rule(remote_group_id="mine")], HOSTS
    )
    assert [p.id for p in found] == [port()["id"]]
    assert found[0].rules[0].remote == nets(
        "10.1.0.5/32", "192.0.2.0/28", "198.51.100.20/32"
    )


@pytest.mark.parametrize(
    "values",
    [
        {"binding:host_id": "rack2-host1"},
        {"binding:vif_type": "binding_failed"},
        {"binding:host_id": None},
    ],
)
def test_port_of_another_host_is_none_of_ours(values):
    assert rules.ports_of([port(**values)], [], HOSTS) == ()


def test_port_has_the_rules_of_all_its_groups_once():
    both = port(security_groups=["mine", "second", "empty"])
    found = rules.ports_of(
        [both],
        [
            rule(protocol="tcp"),
            rule(protocol="tcp", security_group_id="second"),
            rule(protocol="udp", security_group_id="second"),
            rule(protocol="sctp", security_group_id="third"),
        ],
        HOSTS,
    )[0]
    assert sorted(r.protocol for r in found.rules) == [6, 17]


def test_addresses_of_a_port():
    pairs = [
        {"ip_address": "198.51.100.20"},
        {"ip_address": "2001:db8:100::20", "mac_address": MAC},
        {"ip_address": "192.0.2.0/24", "mac_address": "fa:16:3e:00:00:02"},
        {"ip_address": "192.0.2.7", "mac_address": "fa:16:3e:00:00:02"},
    ]
    (found,) = rules.ports_of([port(allowed_address_pairs=pairs)], [], HOSTS)
    assert found.macs == (MAC, "fa:16:3e:00:00:02")
    assert found.networks(MAC, 4) == nets("10.1.0.5/32", "198.51.100.20/32")
    assert found.networks(MAC, 6) == nets(
        "2001:db8:100::20/128",
        "fd00:10:1::5/128",
        "fe80::f816:3eff:fe00:1/128",
    )
    assert found.networks("fa:16:3e:00:00:02", 4) == nets("192.0.2.0/24")


def test_what_else_a_port_says():
    (found,) = rules.ports_of(
        [port(port_security_enabled=False, status="ACTIVE")], [], HOSTS
    )
    assert (found.tap, found.is_filtered, found.is_active) == (
        "tap11111111-22",
        False,
        True,
    )
    # Only the status differs: nothing for the filter to do.
    assert (
        found
        == rules.ports_of([port(port_security_enabled=False)], [], HOSTS)[0]
    )
