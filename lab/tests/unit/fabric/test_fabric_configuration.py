# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Names, addresses and router configurations."""

import itertools

import pytest
from octavia_anycast_lab import settings
from octavia_anycast_lab.fabric import frr, topology
from octavia_anycast_lab.host import netns


@pytest.mark.parametrize("name", ["", "OA", "a-b", "../x", "ninechars", "ä"])
def test_lab_name_is_refused(name):
    with pytest.raises(ValueError, match="lab name"):
        settings.Lab(name=name)


def test_lab_from_environment(monkeypatch):
    monkeypatch.delenv(settings.LAB_ENVIRONMENT, raising=False)
    assert settings.Lab.from_environment().name == settings.DEFAULT_LAB
    monkeypatch.setenv(settings.LAB_ENVIRONMENT, "mine")
    assert settings.Lab.from_environment().name == "mine"
    assert settings.Lab.from_environment("other").name == "other"


def test_prefixes_of_labs_do_not_overlap():
    oa, oat = settings.Lab(name="oa"), settings.Lab(name="oat")
    assert not oat.namespace("ctl").startswith(oa.namespace_prefix)


def test_subnets_are_disjoint():
    subnets = [
        settings.MGMT_NETWORK,
        settings.TENANT_NETWORK_V4,
        settings.VIP_NETWORK_V4,
        *(leaf.gateway_v4.network for leaf in settings.LEAVES),
    ]
    for one, other in itertools.combinations(subnets, 2):
        assert not one.overlaps(other)


def test_fixed_addresses_are_outside_of_the_pool_for_amphorae():
    first, last = settings.MGMT_POOL
    fixed = [settings.CTL_MGMT.ip, *(x.mgmt.ip for x in settings.LEAVES)]
    assert all(address in settings.MGMT_NETWORK for address in fixed)
    assert not any(first <= address <= last for address in fixed)


def test_rack_leaf():
    assert settings.rack_leaf("rack2").name == "leaf2"
    with pytest.raises(KeyError):
        settings.rack_leaf("rack9")


def test_each_router_has_its_own_seed_and_id():
    routers = frr.routers()
    seeds = {
        topology.router_sysctls(router.name)[
            "net.ipv4.fib_multipath_hash_seed"
        ]
        for router in routers
    }
    assert len(seeds) == len(routers)
    assert len({router.router_id for router in routers}) == len(routers)


def test_only_racks_listen_for_amphorae():
    for name, expected in (("leaf1", True), ("leaf3", False)):
        text = frr.render(frr.router(name), "bgpd")
        assert ("bgp listen range" in text) is expected
        assert ("neighbor AMP" in text) is expected


def test_rack_takes_host_routes_only_and_tells_nothing():
    lines = frr.render(frr.router("leaf1"), "bgpd").splitlines()
    assert "ip prefix-list VIP seq 5 permit 198.51.100.0/24 ge 32" in lines
    assert (
        "ipv6 prefix-list VIP seq 5 permit 2001:db8:100::/64 ge 128" in lines
    )
    for version in (4, 6):
        assert f"  neighbor AMP route-map AMP-IN-V{version} in" in lines
    assert lines.count("  neighbor AMP route-map DENY out") == 2
    assert lines.count("  maximum-paths 16") == 2


def test_no_kernel_next_hop_groups():
    for router in frr.routers():
        text = frr.render(router, "zebra")
        assert "no zebra nexthop kernel enable" in text.splitlines()


def test_foreign_sysctls_are_refused():
    with pytest.raises(netns.NamespaceError, match="not per network"):
        netns.sysctls("oa-leaf1", {"kernel.panic": "1"})
