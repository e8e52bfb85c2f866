# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Answers of nft and of FRR, as these give them."""

import ipaddress
import json

import pytest
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.traffic import flows

ADDRESS = ipaddress.ip_address


def _elements(*elements):
    table = {"family": "inet", "name": "v4", "table": flows.TABLE}
    return json.dumps(
        {
            "nftables": [
                {"metainfo": {"json_schema_version": 1}},
                {"set": {**table, "elem": list(elements)}},
            ]
        }
    )


def test_counts_of_nft():
    counter = {"packets": 7, "bytes": 420}
    text = _elements(
        {
            "elem": {
                "val": {"concat": ["10.1.0.101", "198.51.100.10", 80]},
                "counter": counter,
            }
        }
    )
    assert flows.parse("leaf1", text) == [
        flows.FlowCount(
            leaf="leaf1",
            next_hop=ADDRESS("10.1.0.101"),
            vip=ADDRESS("198.51.100.10"),
            port=80,
            connections=7,
        )
    ]


def test_counts_of_an_empty_set():
    text = json.dumps({"nftables": [{"set": {"name": "v4"}}]})
    assert flows.parse("leaf1", text) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [([10], 1.0), ([10, 10], 1.0), ([30, 10], 1.5), ([4, 0, 0, 0], 4.0)],
)
def test_unevenness_is_largest_over_mean(values, expected):
    assert flows.unevenness(values) == expected


@pytest.mark.parametrize("values", [[], [0, 0]])
def test_nothing_counted_is_not_even(values):
    with pytest.raises(ValueError, match="no connection"):
        flows.unevenness(values)


def _path(**fields):
    return {
        "aspath": {"string": "65100 65100"},
        "valid": True,
        "multipath": True,
        "nexthops": [{"ip": "10.1.0.101", "used": True}],
        "peer": {"peerId": "172.31.1.1"},
        **fields,
    }


PREFIX = ipaddress.ip_network("198.51.100.10/32")


def test_path_of_frr():
    found = observe.parse_path("leaf1", PREFIX, _path(metric=5))
    assert found.next_hop == ADDRESS("10.1.0.101")
    assert found.as_path == (65100, 65100)
    assert (found.peer, found.med) == ("172.31.1.1", 5)
    assert found.is_used
    assert not found.is_best


def test_path_takes_the_next_hop_in_use():
    item = _path(
        nexthops=[
            {"ip": "fd00:10:1::101", "scope": "global"},
            {"ip": "fe80::1", "scope": "link-local", "used": True},
        ]
    )
    found = observe.parse_path("leaf1", PREFIX, item)
    assert found.next_hop == ADDRESS("fe80::1")


def test_path_with_communities_and_best():
    item = _path(
        multipath=False,
        bestpath={"overall": True},
        community={"string": "65000:1", "list": ["65000:1"]},
    )
    found = observe.parse_path("leaf1", PREFIX, item)
    assert found.communities == ("65000:1",)
    assert found.is_used


def test_local_path_has_an_empty_as_path():
    item = _path(aspath={"string": "Local"})
    assert observe.parse_path("leaf1", PREFIX, item).as_path == ()
