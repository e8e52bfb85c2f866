# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""External VIPs of a distributor with amphorae of its own."""

import pytest


@pytest.fixture
def dedicated(command, fabric, settle):
    """The distributor fabric, with an amphora of its own."""
    command("distributor set fabric --dedicated-count 1")
    settle()
    return fabric


def test_a_distributor_says_how_many_amphorae_are_its_own(show, dedicated):
    assert show("distributor show fabric")["dedicated_count"] == 1


def test_a_distributor_is_made_with_amphorae_of_its_own(show, tor):
    made = show(
        "distributor create --name own --dedicated-count 2",
        *("--speaker", "ip-version=4,local-as=65010,peer=tor-1"),
    )
    assert made["dedicated_count"] == 2


def test_life_of_an_external_vip(command, show, dedicated, tor):
    made = show(
        "distributor vip register fabric --vip-address 203.0.113.7",
        *("--next-hop", "192.0.2.99", "--peer", "tor-1"),
    )
    expected = {
        "vip_address": "203.0.113.7",
        "next_hop": "192.0.2.99",
        "peer_id": tor["id"],
        "distributor_id": dedicated.id,
        "announcing_count": 0,
    }
    assert {name: made[name] for name in expected} == expected
    other = show(
        "distributor vip register fabric --vip-address 203.0.113.8",
        *("--next-hop", "192.0.2.99"),
    )
    for named in (made["id"], "203.0.113.7"):
        assert show("distributor vip show fabric", named) == made
    listed = show("distributor vip list fabric")
    assert [vip["id"] for vip in listed] == [made["id"], other["id"]]
    listed = show("distributor vip list fabric --peer tor-1")
    assert [vip["id"] for vip in listed] == [made["id"]]
    listed = show("distributor vip list fabric --vip-address 203.0.113.8")
    assert [vip["id"] for vip in listed] == [other["id"]]
    command("distributor vip unregister fabric 203.0.113.7")
    command("distributor vip unregister fabric", other["id"])
    assert show("distributor vip list fabric") == []


@pytest.mark.parametrize("vip", ["203.0.113.7", "nothing"])
def test_what_is_not_there_is_named(command, dedicated, vip):
    result = command("distributor vip show fabric", vip, code=1)
    assert f"No external VIP found for {vip}" in result.err


def test_without_amphorae_of_its_own_it_is_refused(command, fabric):
    result = command(
        "distributor vip register fabric --vip-address 203.0.113.7",
        *("--next-hop", "192.0.2.99"),
        code=1,
    )
    assert "(HTTP 409)" in result.err
