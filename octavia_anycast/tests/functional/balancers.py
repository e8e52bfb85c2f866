# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load balancers with a choice, as the tests of the API make them."""

import json
import uuid

from octavia_anycast.db.cluster import clusters
from octavia_anycast.testing import octavia_rows

LBS = "/v2/lbaas/loadbalancers"
DISTRIBUTORS = "/v2/lbaas/distributors"
NAMES = ("distributor_id", "frontend_network_id", "frontend_subnet_id")
UNKNOWN = "9f1c2a52-0000-4000-8000-00000000000f"
OTHER_PROJECT = "0123456789abcdef0123456789abcdef"


def post(api, vip, headers=None, **attributes):
    body = {"vip_subnet_id": vip[1][0]} | attributes
    return api.call("POST", LBS, {"loadbalancer": body}, headers)


def made(answer):
    assert answer.status == 201, answer.text
    return answer.body["loadbalancer"]


def chosen(load_balancer):
    return tuple(load_balancer[name] for name in NAMES)


def recorded(api, load_balancer):
    with api.database.transaction() as session:
        record = clusters.get(session, load_balancer["id"])
    return tuple(getattr(record, name) for name in NAMES)


def shown(api, load_balancer, query=""):
    answer = api.call("GET", f"{LBS}/{load_balancer['id']}{query}")
    assert answer.status == 200, answer.text
    return answer.body["loadbalancer"]


def assert_nothing_is_left(api):
    assert api.neutron.ports == {}
    assert octavia_rows.statuses() == {}
    with api.database.transaction() as session:
        assert clusters.list_all(session) == []


def flavor(api, data, provider="anycast"):
    profile = api.create(
        "/v2/lbaas/flavorprofiles",
        {
            "flavorprofile": {
                "name": str(uuid.uuid4()),
                "provider_name": provider,
                "flavor_data": json.dumps(data),
            }
        },
    )
    body = {"name": str(uuid.uuid4()), "flavor_profile_id": profile["id"]}
    return api.create("/v2/lbaas/flavors", {"flavor": body})["id"]


def zone_profile(api, data):
    return api.call(
        "POST",
        "/v2/lbaas/availabilityzoneprofiles",
        {
            "availability_zone_profile": {
                "name": str(uuid.uuid4()),
                "provider_name": "anycast",
                "availability_zone_data": json.dumps(data),
            }
        },
    )


def zone(api, data):
    answer = zone_profile(api, data)
    assert answer.status == 201, answer.text
    name = str(uuid.uuid4())
    profile_id = answer.body["availability_zone_profile"]["id"]
    api.create(
        "/v2/lbaas/availabilityzones",
        {
            "availability_zone": {
                "name": name,
                "availability_zone_profile_id": profile_id,
            }
        },
    )
    return name
