# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer bgp peer`` and ``... bgp speaker``."""

import pytest

SECRET = "a-secret-password"


def test_create_a_peer_with_everything(show):
    made = show(
        "bgp peer create --name tor-1 --peer-ip 192.0.2.1 --remote-as 65001",
        *("--password", SECRET, "--ttl-hops", 1, "--hold-time", 9),
        *("--peer-port", 1790),
        *("--keepalive-interval", 3, "--max-prefixes", 100),
        *("--bfd", "min-tx-ms=50,min-rx-ms=60,multiplier=4"),
        *("--peering-network", "frontend", "--availability-zone", "rack-1"),
        *("--compute-host", "host-1", "--community", "65001:100"),
        *("--community", "65001:1:2", "--as-path-prepend", 2),
        *("--med", 10, "--local-pref", 200),
    )
    expected = {
        "name": "tor-1",
        "peer_ip": "192.0.2.1",
        "remote_as": 65001,
        "auth_type": "md5",
        "peer_port": 1790,
        "ttl_hops": 1,
        "hold_time": 9,
        "keepalive_interval": 3,
        "bfd": {"min_tx_ms": 50, "min_rx_ms": 60, "multiplier": 4},
        "peering_network": "frontend",
        "availability_zone": "rack-1",
        "compute_host": "host-1",
        "max_prefixes": 100,
        "communities": ["65001:100", "65001:1:2"],
        "as_path_prepend": 2,
        "med": 10,
        "local_pref": 200,
        "speakers": [],
    }
    assert {name: made[name] for name in expected} == expected
    assert "password" not in made


@pytest.mark.parametrize("form", ["json", "yaml", "value", "table", "shell"])
def test_a_password_is_never_printed(command, form):
    for words in (
        "create --name tor-1 --peer-ip 192.0.2.1 --remote-as 1 --password",
        "set tor-1 --password",
    ):
        formatted = ("-f", form) if words.startswith("create") else ()
        result = command(f"bgp peer {words}", SECRET, *formatted)
        assert SECRET not in result.out + result.err
    assert SECRET not in command("bgp peer show tor-1 -f", form).out
    assert SECRET not in command("bgp peer list").out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--ttl-hops", 255], "ttl_hops"),
        (["--hold-time", 2], "hold_time"),
        (["--med", -1], "med"),
        (["--community", "x"], "communities"),
        (["--password", "with space"], "password"),
        (["--bfd", "multiplier=1"], "bfd"),
        (["--name", "x" * 256], "name"),
    ],
)
def test_a_peer_is_refused_with_the_name_of_the_field(
    command, arguments, complaint
):
    result = command(
        "bgp peer create --name tor --peer-ip 192.0.2.1 --remote-as 65001",
        *arguments,
        code=1,
    )
    assert complaint in result.err
    assert "(HTTP 400)" in result.err


def test_a_wrong_number_is_wrong_usage(command, cloud):
    result = command(
        "bgp peer create --name t --peer-ip 192.0.2.1 --remote-as x", code=2
    )
    assert "invalid int value: 'x'" in result.err
    assert cloud.requests == []


def test_list_of_peers(show):
    for number in (1, 2):
        show(
            f"bgp peer create --name tor-{number} --remote-as 6500{number}",
            *("--peer-ip", f"192.0.2.{number}"),
            *("--availability-zone", f"rack-{number}"),
        )

    def names(words):
        return [peer["name"] for peer in show(f"bgp peer list {words}")]

    assert names("") == ["tor-1", "tor-2"]
    assert names("--name tor-2") == ["tor-2"]
    assert names("--peer-ip 192.0.2.1") == ["tor-1"]
    assert names("--remote-as 65002") == ["tor-2"]
    assert names("--availability-zone rack-1") == ["tor-1"]
    assert names("--compute-host h") == []
    assert names("--peering-network management") == ["tor-1", "tor-2"]
    assert names("--sort name:desc --limit 1") == ["tor-2"]


@pytest.mark.parametrize("by", ["id", "name"])
def test_set_and_unset_a_peer(command, show, tor, by):
    named = tor[by]
    command(
        f"bgp peer set {named} --med 5 --community 65001:1 --ttl-hops 2",
        *("--bfd", "multiplier=5", "--password", SECRET, "--hold-time", 30),
    )
    command(f"bgp peer set {named} --community 65001:2")
    found = show("bgp peer show", named)
    assert found["communities"] == ["65001:1", "65001:2"]
    assert (found["med"], found["ttl_hops"]) == (5, 2)
    assert found["bfd"]["multiplier"] == 5
    assert found["auth_type"] == "md5"
    command(
        f"bgp peer unset {named} --med --bfd --password --hold-time",
        *("--community", "65001:1"),
    )
    found = show("bgp peer show", named)
    assert (found["med"], found["bfd"], found["auth_type"]) == (None,) * 3
    assert found["communities"] == ["65001:2"]
    assert (found["ttl_hops"], found["hold_time"]) == (2, 90)
    command(f"bgp peer set {named} --no-community --community 65001:3")
    assert show("bgp peer show", named)["communities"] == ["65001:3"]
    command(f"bgp peer unset {named} --all-communities")
    command(f"bgp peer set {named} --name spine --remote-as 7")
    found = show("bgp peer show spine")
    assert (found["communities"], found["remote_as"]) == ([], 7)


def test_set_of_a_peer_waits_for_its_distributors(
    command, show, fabric, controller
):
    command("bgp peer set tor-1 --med 5 --wait")
    found = show("distributor show fabric")
    assert found["provisioning_status"] == "ACTIVE"


def test_delete_a_peer(command, show, tor):
    command("bgp peer delete tor-1")
    assert show("bgp peer list") == []


def test_a_peer_in_use_is_not_deleted(command, fabric):
    result = command("bgp peer delete tor-1", code=1)
    assert "(HTTP 409)" in result.err


def test_a_speaker_from_its_creation_to_its_end(
    command, show, fabric, controller
):
    show(
        "bgp peer create --name tor-6 --peer-ip 2001:db8::1 --remote-as 65001"
    )
    made = show(
        "bgp speaker create --distributor fabric --ip-version 6",
        *("--local-as", 65010, "--driver", "exabgp", "--peer", "tor-6"),
        "--wait",
    )
    assert made["distributor_id"] == fabric.id
    assert len(made["peers"]) == 1
    assert show("bgp speaker show fabric/6")["id"] == made["id"]
    command("bgp speaker remove peer fabric/6 tor-6 --wait")
    assert show("bgp speaker show", made["id"])["peers"] == []
    command("bgp speaker add peer", made["id"], "tor-6", "--wait")
    assert len(show("bgp speaker show fabric/6")["peers"]) == 1
    command("bgp speaker set fabric/6 --local-as 65011 --wait")
    assert show("bgp speaker show fabric/6")["local_as"] == 65011
    command("bgp speaker delete fabric/6 --wait")
    result = command("bgp speaker show fabric/6", code=1)
    assert "Distributor fabric has no BGP speaker for IPv6" in result.err


def test_list_of_speakers(show, fabric, controller):
    show("distributor create --name other")
    show(
        "bgp speaker create --distributor other --ip-version 6",
        *("--local-as", 65020),
    )

    def versions(words):
        found = show(f"bgp speaker list {words}")
        return [speaker["ip_version"] for speaker in found]

    assert versions("--sort ip_version") == [4, 6]
    assert versions("--distributor fabric") == [4]
    assert versions("--ip-version 6") == [6]
    assert versions("--local-as 65020") == [6]
    assert versions("--driver bird") == []


def test_a_peer_of_the_wrong_family_is_refused(command, show, fabric):
    show(
        "bgp peer create --name tor-6 --peer-ip 2001:db8::1 --remote-as 65001"
    )
    result = command("bgp speaker add peer fabric/4 tor-6", code=1)
    assert "(HTTP 400)" in result.err


def test_a_second_speaker_of_one_version_is_refused(command, fabric):
    result = command(
        "bgp speaker create --distributor fabric --ip-version 4",
        *("--local-as", 65010),
        code=1,
    )
    assert "ip_version" in result.err


def test_a_tenant_sees_no_peers(command, fabric, api, cloud):
    cloud.roles = "load-balancer_observer,reader"
    with api.authenticated():
        result = command("bgp peer list", code=1)
    assert "(HTTP 403)" in result.err
    assert "192.0.2.1" not in result.err
