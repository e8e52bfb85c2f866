# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer distributor``."""

import pytest
from oslo_config import cfg


def zone(availability_zone=None, network=None, *subnets):
    return {
        "availability_zone": availability_zone,
        "frontend_network_id": network,
        "frontend_subnet_ids": list(subnets),
    }


@pytest.fixture
def networks(api, cloud):
    """Two networks with names: name -> id."""
    ids = {}
    for name, cidr in (("a", "198.51.100.0/24"), ("b", "203.0.113.0/24")):
        network_id, (subnet_id,) = api.neutron.add_network(cidr)
        cloud.name_network(network_id, f"network-{name}")
        cloud.name_subnet(subnet_id, f"subnet-{name}")
        ids |= {f"network-{name}": network_id, f"subnet-{name}": subnet_id}
    return ids


def test_create_with_peers_by_name_and_by_id(show, tor):
    made = show(
        "distributor create --name fabric --description racks --type l3_bgp",
        *("--speaker", "ip-version=4,local-as=65010,driver=exabgp,peer=tor-1"),
        *("--speaker", "ip-version=6,local-as=65010"),
    )
    assert made["name"] == "fabric"
    assert made["description"] == "racks"
    assert made["distributor_type"] == "L3_BGP"
    assert made["provisioning_status"] == "PENDING_CREATE"
    four, six = sorted(made["speakers"], key=lambda s: s["ip_version"])
    assert (four["local_as"], four["driver"]) == (65010, "exabgp")
    assert [peer["id"] for peer in four["peers"]] == [tor["id"]]
    assert six["peers"] == []


def test_create_without_speakers(show):
    assert show("distributor create --name fabric")["speakers"] == []


def test_create_and_wait(show, controller):
    made = show("distributor create --name fabric --default --wait")
    assert made["provisioning_status"] == "ACTIVE"
    assert made["operating_status"] == "ONLINE"
    assert made["is_default"] is True


def test_create_with_zones_by_names(show, networks):
    network_id = networks["network-b"]
    made = show(
        "distributor create --name fabric",
        "--zone",
        "availability-zone=rack-1,network=network-a,subnet=subnet-a",
        *(
            "--zone",
            f"availability-zone=rack-2,network={network_id}",
        ),
    )
    assert made["zones"] == [
        zone("rack-1", networks["network-a"], networks["subnet-a"]),
        zone("rack-2", network_id),
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--zone", "network=nowhere"], "No network found for nowhere"),
        (
            ["--zone", "network=network-a,subnet=nowhere"],
            "No subnet found for nowhere",
        ),
        (
            ["--zone", "network=network-a,subnet=subnet-b"],
            "(HTTP 400)",
        ),
        (
            ["--speaker", "ip-version=4,local-as=1,peer=nobody"],
            "No BGP peer found for nobody",
        ),
        (["--speaker", "ip-version=4,local-as=0"], "local_as"),
        (["--description", "x" * 300], "255 characters (HTTP 400)"),
    ],
)
def test_create_is_refused_with_a_sentence(
    command, show, networks, arguments, complaint
):
    result = command("distributor create --name fabric", *arguments, code=1)
    assert complaint in result.err
    assert result.out == ""
    assert show("distributor list") == []


@pytest.mark.parametrize("by", ["id", "name"])
def test_show_by_name_and_id(show, fabric, by):
    found = show("distributor show", getattr(fabric, by))
    assert found["id"] == fabric.id
    assert found["load_balancer_count"] == 0


@pytest.mark.parametrize("form", ["json", "yaml", "value", "table", "shell"])
def test_show_in_every_format(command, fabric, form):
    text = command("distributor show fabric", "-f", form).out
    assert fabric.id in text
    assert "65010" in text


def test_show_one_column(command, fabric):
    text = command("distributor show fabric -f value -c id").out
    assert text.strip() == fabric.id


def test_a_person_reads_speakers_and_zones_a_line_each(command, show, api):
    network_id, subnet_ids = api.neutron.add_network(
        "198.51.100.0/24", "2001:db8::/64"
    )
    subnets = ",".join(f"subnet={subnet_id}" for subnet_id in subnet_ids)
    show(
        "distributor create --name fabric",
        *("--speaker", "ip-version=4,local-as=65010"),
        *("--zone", f"availability-zone=r1,network={network_id},{subnets}"),
    )
    text = command("distributor show fabric -f value -c zones -c speakers").out
    assert "'ip_version': 4" in text
    text = command("distributor show fabric --max-width 200").out
    assert "ip_version=4, local_as=65010, driver=exabgp" in text
    assert f"frontend_subnet_ids={' '.join(subnet_ids)}" in text


def test_two_of_one_name_have_to_be_told_apart(command, show):
    for _ in range(2):
        show("distributor create --name twin")
    result = command("distributor show twin", code=1)
    assert "2 distributors have the name twin" in result.err


def test_names_may_hold_anything(show):
    for name in ("a/b", "?x=1&y", "../../x", "ü ö", "%41"):
        made = show("distributor create --name", name)
        assert show("distributor show", name)["id"] == made["id"]


def test_list_filters(show, settle, controller):
    show("distributor create --name a --disable")
    show("distributor create --name b --default")
    settle()

    def names(*arguments):
        return [d["name"] for d in show("distributor list", *arguments)]

    assert names() == ["a", "b"]
    assert names("--disable") == ["a"]
    assert names("--enable") == ["b"]
    assert names("--default") == ["b"]
    assert names("--name", "a") == ["a"]
    assert names("--provisioning-status", "active") == ["a", "b"]
    assert names("--provisioning-status", "error") == []
    assert names("--operating-status", "online") == ["a", "b"]


def test_list_sorts_and_pages(show):
    ids = {
        name: show("distributor create --name", name)["id"]
        for name in ("b", "a", "c")
    }

    def names(*arguments):
        return [d["name"] for d in show("distributor list", *arguments)]

    assert names("--sort", "name:desc") == ["c", "b", "a"]
    assert names("--sort", "name", "--limit", 2) == ["a", "b"]
    assert names("--sort", "name", "--marker", ids["a"]) == ["b", "c"]
    assert names("--sort-column", "name", "--sort-descending") == [
        "c",
        "b",
        "a",
    ]


def test_list_of_more_than_a_page(show, api):
    for name in ("a", "b", "c", "d", "e"):
        show("distributor create --name", name)
    cfg.CONF.set_override("pagination_max_limit", "2", group="api_settings")
    try:
        found = show("distributor list")
    finally:
        cfg.CONF.clear_override("pagination_max_limit", group="api_settings")
    assert [d["name"] for d in found] == ["a", "b", "c", "d", "e"]


def test_a_wrong_sort_key(command):
    result = command("distributor list --sort nonsense", code=1)
    assert "nonsense" in result.err
    assert "(HTTP 400)" in result.err


def test_set_changes_what_is_given(command, show, fabric, controller):
    done = command(
        "distributor set fabric --name edge --description x --disable",
        *("--default", "--wait"),
    )
    assert done.out == ""
    found = show("distributor show edge")
    assert found["id"] == fabric.id
    assert found["description"] == "x"
    assert found["enabled"] is False
    assert found["is_default"] is True
    command("distributor set edge --enable --no-default")
    found = show("distributor show edge")
    assert (found["enabled"], found["is_default"]) == (True, False)
    assert found["description"] == "x"


def test_set_of_nothing_sends_nothing(command, fabric, cloud):
    before = len(cloud.changes)
    command("distributor set fabric")
    command("distributor unset fabric")
    assert len(cloud.changes) == before


def test_set_adds_and_replaces_zones(
    command, show, fabric, networks, controller
):
    a, b = networks["network-a"], networks["network-b"]

    def zones():
        found = show("distributor show fabric")["zones"]
        return sorted(found, key=lambda z: z["availability_zone"])

    command("distributor set fabric --zone", "availability-zone=r1")
    command(
        "distributor set fabric --zone",
        "availability-zone=r2,network=network-a",
    )
    assert zones() == [zone("r1"), zone("r2", a)]
    command(
        "distributor set fabric --zone",
        "availability-zone=r1,network=network-b,subnet=subnet-b",
    )
    assert zones() == [zone("r1", b, networks["subnet-b"]), zone("r2", a)]
    command("distributor set fabric --no-zone --zone availability-zone=r3")
    assert zones() == [zone("r3")]


def test_unset(command, show, fabric, controller):
    command(
        "distributor set fabric --description x --default",
        *("--zone", "availability-zone=r1"),
        *("--zone", "availability-zone=r2"),
    )
    command("distributor unset fabric --description --default --zone r1")
    found = show("distributor show fabric")
    assert found["description"] == ""
    assert found["is_default"] is False
    assert found["zones"] == [zone("r2")]
    command("distributor unset fabric --all-zones --wait")
    assert show("distributor show fabric")["zones"] == []


def test_a_change_while_one_is_pending_is_refused(command, show):
    show("distributor create --name fabric")
    result = command("distributor set fabric --description x", code=1)
    assert "PENDING_CREATE" in result.err
    assert "(HTTP 409)" in result.err


def test_delete(command, show, fabric, tor, controller):
    command("distributor delete fabric --wait")
    assert show("distributor list") == []
    assert [peer["id"] for peer in show("bgp peer list")] == [tor["id"]]


def test_delete_with_its_peers(command, show, fabric, controller):
    command("distributor delete", fabric.id, "--cascade", "--wait")
    assert show("bgp peer list") == []


def test_delete_of_what_is_not_there(command):
    missing = "0b7d7ad8-93c5-4b2c-8e0c-1f5d6a9f1c01"
    result = command("distributor delete", missing, code=1)
    assert f"No distributor found for {missing}" in result.err


def test_a_reader_may_look_but_not_change(command, show, fabric, api, cloud):
    cloud.roles = "load-balancer_observer,reader"
    with api.authenticated():
        assert show("distributor show fabric")["id"] == fabric.id
        result = command("distributor delete fabric", code=1)
    assert "(HTTP 403)" in result.err
