# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Distributor and front end of a load balancer: who chooses, what is kept."""

import json

import pytest

from octavia_anycast.tests.functional.balancers import (
    LBS,
    NAMES,
    OTHER_PROJECT,
    UNKNOWN,
    chosen,
    flavor,
    made,
    post,
    recorded,
    shown,
    zone,
    zone_profile,
)

# What is asked for is recorded and shown


def test_a_front_end_subnet_brings_its_network(api, vip, front, default):
    network_id, (v4, _) = front

    created = made(post(api, vip, frontend_subnet_id=v4))

    assert chosen(created) == (default["id"], network_id, v4)
    assert recorded(api, created) == chosen(created)
    assert chosen(shown(api, created)) == chosen(created)


def test_a_front_end_network_alone_leaves_the_subnet_open(
    api, vip, front, default
):
    created = made(
        post(
            api,
            vip,
            frontend_network_id=front[0],
            additional_vips=[{"subnet_id": vip[1][1]}],
        )
    )

    assert recorded(api, created) == (default["id"], front[0], None)


def test_a_distributor_is_chosen(api, vip, default, other):
    created = made(post(api, vip, distributor_id=other["id"]))

    assert chosen(created) == (other["id"], None, None)
    assert recorded(api, created) == chosen(created)


def test_nothing_asked_for_and_null_are_the_same(api, vip, default):
    plain = made(post(api, vip))
    nulls = made(post(api, vip, **dict.fromkeys(NAMES)))

    assert chosen(plain) == chosen(nulls) == (default["id"], None, None)


def test_in_a_full_graph(api, vip, front, other):
    created = made(
        post(
            api,
            vip,
            distributor_id=other["id"],
            frontend_subnet_id=front[1][0],
            listeners=[
                {
                    "protocol": "HTTP",
                    "protocol_port": 80,
                    "default_pool": {
                        "name": "web",
                        "protocol": "HTTP",
                        "lb_algorithm": "ROUND_ROBIN",
                        "members": [
                            {"address": "10.10.0.11", "protocol_port": 80}
                        ],
                    },
                }
            ],
        )
    )

    assert recorded(api, created) == (other["id"], front[0], front[1][0])
    (listener,) = created["listeners"]
    assert listener["protocol"] == "HTTP"
    assert created["pools"][0]["members"][0]["address"] == "10.10.0.11"


def test_a_vip_given_by_port_or_network(api, vip, front, default):
    created = made(
        api.call(
            "POST",
            LBS,
            {
                "loadbalancer": {
                    "vip_network_id": vip[0],
                    "vip_address": "2001:db8:100::99",
                    "frontend_subnet_id": front[1][1],
                }
            },
        )
    )

    assert recorded(api, created)[1:] == (front[0], front[1][1])


# Who says what: request, flavor, availability zone


def test_the_request_wins_over_flavor_and_zone(api, vip, front, other):
    elsewhere = api.neutron.add_network("10.2.0.0/24")
    third = api.neutron.add_network("10.3.0.0/24")
    attributes = {
        "flavor_id": flavor(
            api,
            {
                "distributor_id": other["id"],
                "frontend_subnet_id": elsewhere[1][0],
            },
        ),
        "availability_zone": zone(api, {"frontend_network_id": third[0]}),
    }

    by_flavor = made(post(api, vip, **attributes))
    by_user = made(post(api, vip, frontend_network_id=front[0], **attributes))

    assert recorded(api, by_flavor) == (
        other["id"],
        elsewhere[0],
        elsewhere[1][0],
    )
    # Network and subnet come from one source, never one of each.
    assert recorded(api, by_user) == (other["id"], front[0], None)


def test_the_zone_says_what_nobody_else_says(api, vip, front, default, other):
    name = zone(
        api,
        {
            "distributor_id": other["id"],
            "frontend_network_id": front[0],
            "frontend_subnet_id": front[1][0],
        },
    )

    first = made(post(api, vip, availability_zone=name))
    second = made(
        post(api, vip, availability_zone=name, distributor_id=default["id"])
    )

    assert recorded(api, first) == (other["id"], front[0], front[1][0])
    assert recorded(api, second) == (default["id"], front[0], front[1][0])


def test_an_operators_front_end_needs_not_be_the_users(api, vip, default):
    hidden = api.neutron.add_network("10.4.0.0/24", owner=OTHER_PROJECT)
    flavor_id = flavor(api, {"frontend_network_id": hidden[0]})

    created = made(post(api, vip, flavor_id=flavor_id))

    assert recorded(api, created)[1] == hidden[0]


@pytest.mark.parametrize("make", ["flavor", "zone"])
@pytest.mark.parametrize(
    ("field", "data"),
    [
        ("frontend_network_id", {"frontend_network_id": UNKNOWN}),
        ("frontend_network_id", {"frontend_network_id": 7}),
        ("frontend_subnet_id", {"frontend_subnet_id": UNKNOWN}),
        ("frontend_subnet_id", {"frontend_subnet_id": None}),
        ("distributor_id", {"distributor_id": UNKNOWN}),
        ("distributor_id", {"distributor_id": ["a"]}),
        ("frontend_ip", {"frontend_ip": "10.1.0.7"}),
    ],
)
def test_metadata_is_checked_when_it_is_made(api, make, field, data):
    if make == "zone":
        answer = zone_profile(api, data)
    else:
        answer = api.call(
            "POST",
            "/v2/lbaas/flavorprofiles",
            {
                "flavorprofile": {
                    "name": "bad",
                    "provider_name": "anycast",
                    "flavor_data": json.dumps(data),
                }
            },
        )

    assert answer.status in (400, 501), answer.text
    assert field in answer.fault


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("flavor_capabilities", "flavor_capabilities"),
        ("availability_zone_capabilities", "availability_zone_capabilities"),
    ],
)
def test_capabilities_describe_the_keys(api, path, key):
    answer = api.call("GET", f"/v2/lbaas/providers/anycast/{path}")

    described = {c["name"]: c["description"] for c in answer.body[key]}
    for name in NAMES:
        assert len(described[name]) > 20
