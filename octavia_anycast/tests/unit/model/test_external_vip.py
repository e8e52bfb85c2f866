# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which addresses an external VIP may have: those that a host can have."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.registration import ExternalVip

HOPS = {4: ip_address("10.1.0.7"), 6: ip_address("fd00::7")}
# First and last addresses of what no host has, and those beside them.
EDGES = [
    *("0.0.0.0", "0.0.0.1", "126.255.255.255", "127.0.0.0", "127.255.255.255"),
    *("128.0.0.0", "169.253.255.255", "169.254.0.0", "169.254.255.255"),
    *("169.255.0.0", "223.255.255.255", "224.0.0.0", "239.255.255.255"),
    *("240.0.0.0", "255.255.255.254", "255.255.255.255"),
    *("::", "::1", "::2", "fe7f:ffff::", "fe80::", "febf:ffff::", "fec0::"),
    *("feff::", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
]


def is_taken(address):
    hop = HOPS[address.version]
    try:
        ExternalVip(id="v", vip_ip=address, nexthop_ip=hop)
    except InvalidRequest as e:
        complaint = f"{address} is not a host's address"
        return (e.field, e.reason) != ("vip_address", complaint)
    return True


def is_of_a_host(address):
    """By the properties of Python's addresses."""
    return not (
        address.is_multicast
        or address.is_unspecified
        or address.is_loopback
        or address.is_link_local
        or address == IPv4Address("255.255.255.255")
    )


@pytest.mark.parametrize("text", EDGES)
def test_edges(text):
    address = ip_address(text)
    assert is_taken(address) is is_of_a_host(address)


@given(
    st.one_of(
        st.integers(0, 2**32 - 1).map(IPv4Address),
        st.integers(0, 2**128 - 1).map(IPv6Address),
    ).filter(lambda address: address not in HOPS.values())
)
def test_any_address(address):
    assert is_taken(address) is is_of_a_host(address)


def test_a_next_hop_is_a_host_too():
    with pytest.raises(InvalidRequest) as caught:
        ExternalVip(
            id="v",
            vip_ip=ip_address("203.0.113.7"),
            nexthop_ip=ip_address("224.0.0.1"),
        )
    assert caught.value.field == "next_hop"
