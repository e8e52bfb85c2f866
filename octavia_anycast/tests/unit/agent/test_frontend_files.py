# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's interface files as we write them, read by Octavia's own code."""

import json
from dataclasses import replace
from ipaddress import ip_address

import pytest
from octavia.amphorae.backends.utils import interface_file

from octavia_anycast.agent.frontend.frontend import (
    advertised_mss,
    frontend_file,
    link_local,
    loopback_file,
)
from octavia_anycast.agent.frontend.netlink import Address, Link
from octavia_anycast.agent.gate import inside
from octavia_anycast.model.wire import Frontend, FrontendAddress
from octavia_anycast.tests.unit.agent.states import state

FRONTEND = state().frontend


def read(tmp_path, document):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document))
    return interface_file.InterfaceFile.from_file(str(path))


def pairs(interface):
    return [(a["address"], a["prefixlen"]) for a in interface.addresses]


def test_the_loopback_has_the_vips(tmp_path):
    vips = {ip_address("2001:db8:100::1"), ip_address("198.51.100.1")}
    made = read(tmp_path, loopback_file(frozenset(vips)))
    assert made.name == made.if_type == "lo"
    assert pairs(made) == [
        ("127.0.0.1", 8),
        ("::1", 128),
        ("198.51.100.1", 32),
        ("2001:db8:100::1", 128),
    ]


VIPS = frozenset({ip_address("2001:db8:100::1"), ip_address("198.51.100.1")})


def test_the_front_end_has_addresses_and_default_routes(tmp_path):
    made = read(tmp_path, frontend_file(FRONTEND, VIPS))
    assert made.name == "eth1"
    assert made.mtu == 1450
    assert pairs(made) == [
        ("10.1.0.5", 24),
        ("fd00:10:1::5", 64),
        ("fe80::f816:3eff:fe00:1", 64),
    ]
    main = [r for r in made.routes if "table" not in r]
    assert [(r["dst"], r["gateway"]) for r in main] == [
        ("0.0.0.0/0", "10.1.0.1"),
        ("::/0", "fd00:10:1::1"),
    ]


def test_what_vips_send_leaves_by_the_front_end(tmp_path):
    """Also to a client in a member's subnet, as with Octavia's provider."""
    made = read(tmp_path, frontend_file(FRONTEND, VIPS))
    assert [(r["src"], r["src_len"], r["table"]) for r in made.rules] == [
        ("198.51.100.1", 32, 1),
        ("2001:db8:100::1", 128, 1),
    ]
    own = [r for r in made.routes if r.get("table") == 1]
    assert [(r["dst"], r.get("gateway")) for r in own] == [
        ("10.1.0.0/24", None),
        ("0.0.0.0/0", "10.1.0.1"),
        ("fd00:10:1::/64", None),
        ("::/0", "fd00:10:1::1"),
    ]


def test_no_vip_no_rule(tmp_path):
    assert read(tmp_path, frontend_file(FRONTEND, frozenset())).rules == []


def test_no_gateway_no_default_route(tmp_path):
    closed = replace(FRONTEND.addresses[0], gateway=None)
    alone = replace(FRONTEND, addresses=(closed,))
    made = read(tmp_path, frontend_file(alone, VIPS))
    assert [r["dst"] for r in made.routes] == ["10.1.0.0/24"]


def test_ipv4_alone_has_no_link_local_address(tmp_path):
    single = replace(FRONTEND, addresses=FRONTEND.addresses[:1])
    made = read(tmp_path, frontend_file(single, VIPS))
    assert pairs(made) == [("10.1.0.5", 24)]
    commands = [script["command"] for script in made.scripts["up"]]
    assert commands == ["/usr/local/bin/lvs-masquerade.sh add ipv4 eth1"]


def test_link_local_of_a_mac():
    # The example of RFC 4291, appendix A, with our prefix.
    assert str(link_local("34:56:78:9a:bc:de")) == "fe80::3656:78ff:fe9a:bcde"


class Interfaces:
    """What netlink lists: eth1, up, with these addresses."""

    def __init__(self, frontend, *addresses):
        self.link = Link(
            index=3, name="eth1", mac_address=frontend.mac_address, is_up=True
        )
        self.present = [
            Address(index=3, ip_address=ip, prefix_length=64)
            for ip in map(ip_address, addresses)
        ]

    def links(self):
        return (self.link,)

    def addresses(self):
        return tuple(self.present)


LINK_LOCAL = "fe80::f816:3eff:fe00:1"


@pytest.mark.parametrize(
    ("wanted", "present", "missing"),
    [
        (["10.1.0.5", "fd00::5"], ["10.1.0.5", "fd00::5"], LINK_LOCAL),
        (["fd00::5"], ["fd00::5"], LINK_LOCAL),
        (["fd00::5"], [LINK_LOCAL], "fd00::5"),
        (["10.1.0.5", "fd00::5"], ["10.1.0.5", "fd00::5", LINK_LOCAL], ""),
        (["10.1.0.5"], ["10.1.0.5"], ""),
    ],
)
def test_a_front_end_is_up_with_all_that_can_be_used(wanted, present, missing):
    """Netlink leaves tentative addresses out."""
    frontend = Frontend(
        mac_address="fa:16:3e:00:00:01",
        mtu=1500,
        addresses=tuple(
            FrontendAddress(ip_address=ip_address(text), prefix_length=24)
            for text in wanted
        ),
    )
    there = Interfaces(frontend, *present)
    found = inside._problem(frontend, there.links(), there.addresses())
    assert found == (
        f"{missing} is not on the front-end interface" if missing else ""
    )


@pytest.mark.parametrize(
    ("mtu", "version", "mss"),
    [(1500, 4, 1390), (1500, 6, 1370), (9000, 4, 8890)],
)
def test_the_mss_leaves_room_for_the_tunnel(mtu, version, mss):
    assert advertised_mss(mtu, version) == mss
