# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BGP types: an object that exists is valid."""

from ipaddress import ip_address

import pytest

from octavia_anycast.model.bgp import (
    AuthType,
    BfdTimers,
    Peer,
    PeeringNetwork,
    Speaker,
    SpeakerDriver,
)
from octavia_anycast.model.errors import InvalidRequest


def peer(**changes):
    """A valid peer, changed."""
    values = {
        "id": "p1",
        "peer_ip": ip_address("172.31.0.11"),
        "remote_as": 65001,
    }
    return Peer(**{**values, **changes})


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("remote_as", {"remote_as": 0}),
        ("remote_as", {"remote_as": 4_294_967_296}),
        ("remote_as", {"remote_as": True}),
        ("remote_as", {"remote_as": "65001"}),
        ("ttl_hops", {"ttl_hops": 0}),
        ("ttl_hops", {"ttl_hops": 255}),
        ("hold_time", {"hold_time": 1}),
        ("hold_time", {"hold_time": 2}),
        ("hold_time", {"hold_time": -1}),
        ("hold_time", {"hold_time": 65_536}),
        ("keepalive_interval", {"hold_time": 3, "keepalive_interval": 2}),
        ("keepalive_interval", {"keepalive_interval": 0}),
        ("password", {"auth_type": AuthType.MD5}),
        ("auth_type", {"password": "secret"}),
        ("password", {"auth_type": AuthType.MD5, "password": ""}),
        ("password", {"auth_type": AuthType.MD5, "password": "x" * 81}),
        ("password", {"auth_type": AuthType.MD5, "password": 'a"b'}),
        ("password", {"auth_type": AuthType.MD5, "password": "a\nb"}),
        ("password", {"auth_type": AuthType.MD5, "password": "pässword"}),
        ("communities", {"communities": ("65536:1",)}),
        ("communities", {"communities": ("no-export",)}),
        ("communities", {"communities": ("1:2:4294967296",)}),
        ("as_path_prepend", {"as_path_prepend": 11}),
        ("med", {"med": -1}),
        ("local_pref", {"local_pref": 4_294_967_296}),
        ("max_prefixes", {"max_prefixes": 0}),
        ("peer_ip", {"peer_ip": ip_address("224.0.0.1")}),
        ("peer_ip", {"peer_ip": ip_address("::")}),
    ],
)
def test_bad_peer_is_refused_by_the_name_of_its_field(field, changes):
    with pytest.raises(InvalidRequest) as caught:
        peer(**changes)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "changes",
    [
        {"remote_as": 1},
        {"remote_as": 4_294_967_295},
        {"ttl_hops": 1},
        {"ttl_hops": 254},
        {"hold_time": 0},
        {"hold_time": 3, "keepalive_interval": 1},
        {"hold_time": 0, "keepalive_interval": 30},
        {"auth_type": AuthType.MD5, "password": "x" * 80},
        {"auth_type": AuthType.MD5, "password": "!#$%&'()*+;{}[]~"},
        {"communities": ("65535:65535", "1:2:4294967295")},
    ],
)
def test_limits_are_inclusive(changes):
    made = peer(**changes)
    assert all(getattr(made, name) == changes[name] for name in changes)


def test_password_is_not_in_the_representation():
    made = peer(auth_type=AuthType.MD5, password="tops3cret")
    assert "tops3cret" not in repr(made)
    speaker = Speaker(id="s", ip_version=4, local_as=65100, peers=(made,))
    assert "tops3cret" not in repr(speaker)


@pytest.mark.parametrize(
    ("zone", "host", "expected"),
    [
        ("rack1", "h1", True),
        ("rack1", "h2", False),
        ("rack2", "h1", False),
        (None, "h1", False),
    ],
)
def test_selector_needs_both_zone_and_host(zone, host, expected):
    made = peer(availability_zone="rack1", compute_host="h1")
    assert made.selects(zone, host) is expected


def test_peer_without_selector_selects_every_amphora():
    assert peer().selects(None, None)
    assert peer().selects("rack1", "h1")


def test_speaker_refuses_a_peer_of_the_other_family():
    with pytest.raises(InvalidRequest) as caught:
        Speaker(id="s", ip_version=6, local_as=65100, peers=(peer(),))
    assert caught.value.field.endswith("peer_ip")


@pytest.mark.parametrize("version", [0, 5, "4", True])
def test_speaker_refuses_other_ip_versions(version):
    with pytest.raises(InvalidRequest) as caught:
        Speaker(id="s", ip_version=version, local_as=65100)
    assert caught.value.field == "ip_version"


def test_exabgp_with_bfd_is_refused_and_bird_is_not():
    quick = peer(bfd=BfdTimers())
    with pytest.raises(InvalidRequest, match="bird"):
        Speaker(id="s", ip_version=4, local_as=65100, peers=(quick,))
    Speaker(
        id="s",
        ip_version=4,
        local_as=65100,
        peers=(quick,),
        driver=SpeakerDriver.BIRD,
    )


@pytest.mark.parametrize(
    ("field", "attributes"),
    [
        ("keepalive_interval", {"hold_time": 90, "keepalive_interval": 10}),
    ],
)
def test_what_exabgp_cannot_do_is_refused_before_an_agent_sees_it(
    field, attributes
):
    with pytest.raises(InvalidRequest) as caught:
        Speaker(
            id="s", ip_version=4, local_as=65100, peers=(peer(**attributes),)
        )
    assert caught.value.field == f"peers[0].{field}"


@pytest.mark.parametrize(
    ("field", "attributes"),
    [
        ("ttl_hops", {"ttl_hops": 2, "bfd": BfdTimers()}),
    ],
)
def test_what_bird_cannot_do_is_refused_before_an_agent_sees_it(
    field, attributes
):
    with pytest.raises(InvalidRequest) as caught:
        Speaker(
            id="s",
            ip_version=4,
            local_as=65100,
            driver=SpeakerDriver.BIRD,
            peers=(peer(**attributes),),
        )
    assert caught.value.field == f"peers[0].{field}"


def test_bird_has_other_keepalives_and_distant_peers():
    Speaker(
        id="s",
        ip_version=4,
        local_as=65100,
        driver=SpeakerDriver.BIRD,
        peers=(peer(hold_time=90, keepalive_interval=10, ttl_hops=2),),
    )


@pytest.mark.parametrize(
    ("first", "second", "is_refused"),
    [
        ({}, {}, True),
        ({"availability_zone": "rack1"}, {}, True),
        (
            {"availability_zone": "rack1"},
            {"availability_zone": "rack2"},
            False,
        ),
        ({"availability_zone": "rack1"}, {"compute_host": "h1"}, True),
    ],
)
def test_an_amphora_has_one_session_with_an_address(first, second, is_refused):
    twins = (peer(id="a", **first), peer(id="b", **second))
    if not is_refused:
        Speaker(id="s", ip_version=4, local_as=65100, peers=twins)
        return
    with pytest.raises(InvalidRequest) as caught:
        Speaker(id="s", ip_version=4, local_as=65100, peers=twins)
    assert caught.value.field.endswith("peer_ip")


@pytest.mark.parametrize("driver", SpeakerDriver)
@pytest.mark.parametrize("network", PeeringNetwork)
def test_every_driver_peers_over_either_network(driver, network):
    Speaker(
        id="s",
        ip_version=4,
        local_as=65100,
        driver=driver,
        peers=(peer(peering_network=network),),
    )
