# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The ruleset's text; what it does to packets: ``test_port_filter.py``."""

import dataclasses
import ipaddress

import pytest
from octavia_anycast_lab.vm.network import nft, rules
from octavia_anycast_lab.vm.network.rules import Direction

LEAF = ipaddress.ip_network("10.1.0.1/32")
PORT = rules.Port(
    id="11111111-2222-3333-4444-555555555555",
    network_id="net",
    mac="fa:16:3e:00:00:01",
    rules=(rules.Rule(direction=Direction.INGRESS, version=4, remote=()),),
)
TAP = "tap11111111-22"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "ether type ip"),
        ({"version": 6}, "ether type ip6"),
        (
            {"protocol": 6, "low": 80, "high": 80},
            "ether type ip meta l4proto 6 th dport 80-80",
        ),
        (
            {"protocol": 17, "low": 3784, "high": 3785, "remote": (LEAF,)},
            "ether type ip ip saddr { 10.1.0.1/32 } meta l4proto 17 "
            "th dport 3784-3785",
        ),
        (
            {"direction": Direction.EGRESS, "remote": (LEAF,)},
            "ether type ip ip daddr { 10.1.0.1/32 }",
        ),
        (
            {"protocol": 1, "low": 3, "high": 4},
            "ether type ip meta l4proto 1 icmp type 3 icmp code 4",
        ),
        (
            {"version": 6, "protocol": 58, "low": 2},
            "ether type ip6 meta l4proto 58 icmpv6 type 2",
        ),
        ({"protocol": 112}, "ether type ip meta l4proto 112"),
    ],
)
def test_match(values, text):
    plain = {"direction": Direction.INGRESS, "version": 4}
    assert nft.match_of(rules.Rule(**(plain | values))) == text


def test_rule_for_a_group_of_nobody_is_no_rule():
    without = dataclasses.replace(PORT, rules=())
    assert PORT.rules
    assert nft.ruleset((PORT,), ()) == nft.ruleset((without,), ())


def test_what_is_gone_is_removed_and_what_stays_is_not():
    gone = nft.Present(
        chains=frozenset({"forward", "note-to", f"{TAP}-to", "tapold-to"}),
        counters=frozenset(
            {"unknown", f"{TAP}-to-denied", "tapold-to-denied"}
        ),
    )
    removed = [
        line
        for line in nft.ruleset((PORT,), ("fe",), gone).splitlines()
        if line.startswith("delete ")
    ]
    assert removed == [
        f"delete chain bridge {nft.TABLE} tapold-to",
        f"delete counter bridge {nft.TABLE} tapold-to-denied",
    ]


def test_port_without_port_security_has_no_chain():
    plain = rules.Port(
        id=PORT.id, network_id="net", mac=PORT.mac, is_filtered=False
    )
    text = nft.ruleset((plain,), ("fe",))
    assert f"{TAP}-" not in text
    # It is known: what it sends is not that of a stranger.
    assert f'iifname "tap*" iifname != {{ "{TAP}" }}' in text


def test_each_bridge_has_its_own_connections():
    text = nft.ruleset((), ("fe", "br-mgmt"))
    assert 'iifname "fe" ct zone set 1' in text
    assert 'iifname "br-mgmt" ct zone set 2' in text
