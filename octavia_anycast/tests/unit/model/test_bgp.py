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

# What no router is met at, and the RFC that says so.
NO_ROUTERS = {
    "0.0.0.0": "RFC 1122",
    "0.1.2.3": "RFC 1122",
    "127.0.0.1": "RFC 1122",
    "127.255.255.254": "RFC 1122",
    "169.254.0.1": "RFC 3927",
    "224.0.0.1": "RFC 5771",
    "239.255.255.255": "RFC 5771",
    "240.0.0.1": "RFC 1112",
    "255.255.255.255": "RFC 919",
    "::": "RFC 4291",
    "::1": "RFC 4291",
    "::192.0.2.1": "RFC 4291",
    "::ffff:192.0.2.1": "RFC 4291",
    "100::1": "RFC 6666",
    "fe80::1": "RFC 4291",
    "febf::1": "RFC 4291",
    "ff02::1": "RFC 4291",
}
NO_ASNS = {
    0: "RFC 7607",
    23_456: "RFC 6793",
    65_535: "RFC 7300",
    4_294_967_295: "RFC 7300",
}


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
        ("peer_port", {"peer_port": 0}),
        ("peer_port", {"peer_port": 65_536}),
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
        *(("peer_ip", {"peer_ip": ip_address(text)}) for text in NO_ROUTERS),
        *(("remote_as", {"remote_as": asn}) for asn in NO_ASNS),
        *(
            (field, {field: text})
            for field in ("availability_zone", "compute_host")
            for text in ("", "  ", "rack\n1", "a\x00", "x" * 256)
        ),
        *(
            ("name", {"name": text})
            for text in ("a\nb", "\x1b[31m", "a\u2028", "x" * 256)
        ),
        ("communities", {"communities": ("1:1", "1:1")}),
    ],
)
def test_bad_peer_is_refused_by_the_name_of_its_field(field, changes):
    with pytest.raises(InvalidRequest) as caught:
        peer(**changes)
    assert caught.value.field == field


@pytest.mark.parametrize("address", NO_ROUTERS)
def test_an_address_without_a_router_is_refused_with_its_rfc(address):
    with pytest.raises(InvalidRequest) as caught:
        peer(peer_ip=ip_address(address))
    assert caught.value.field == "peer_ip"
    assert str(ip_address(address)) in caught.value.reason
    assert f"({NO_ROUTERS[address]}" in caught.value.reason


@pytest.mark.parametrize(
    "address",
    ["1.0.0.1", "128.0.0.1", "169.253.255.1", "223.255.255.254", "fec0::1"],
)
def test_what_is_beside_them_is_taken(address):
    assert peer(peer_ip=ip_address(address)).peer_ip == ip_address(address)


@pytest.mark.parametrize("asn", NO_ASNS)
def test_an_as_that_speaks_no_bgp_is_refused_with_its_rfc(asn):
    for field, make in (
        ("remote_as", lambda: peer(remote_as=asn)),
        ("local_as", lambda: Speaker(id="s", ip_version=4, local_as=asn)),
    ):
        with pytest.raises(InvalidRequest) as caught:
            make()
        assert caught.value.field == field
        assert f"({NO_ASNS[asn]}" in caught.value.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"remote_as": 1},
        {"remote_as": 23_455},
        {"remote_as": 65_534},
        {"remote_as": 65_536},
        {"remote_as": 4_294_967_294},
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
