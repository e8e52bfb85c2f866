# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Distributor and front end of a load balancer, through the API."""

import json
import uuid

import pytest
from octavia.db import api as octavia_db
from sqlalchemy import Engine, event

from octavia_anycast.api.load_balancer_types import LoadBalancerResponse
from octavia_anycast.api.load_balancers import LoadBalancersController
from octavia_anycast.db import (
    amphorae,
    clusters,
    distributors,
    lifecycle,
    schema,
)
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.testing import octavia_rows, samples

LBS = "/v2/lbaas/loadbalancers"
DISTRIBUTORS = "/v2/lbaas/distributors"
NAMES = ("distributor_id", "frontend_network_id", "frontend_subnet_id")
UNKNOWN = "9f1c2a52-0000-4000-8000-00000000000f"
OTHER_PROJECT = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def vip(api):
    """The VIP's network: its id and its subnets."""
    return api.neutron.add_network("198.51.100.0/24", "2001:db8:100::/64")


@pytest.fixture
def front(api):
    """A front-end network with both families."""
    return api.neutron.add_network("10.1.0.0/24", "fd00:10:1::/64")


@pytest.fixture
def default(api):
    return api.create(DISTRIBUTORS, samples.distributor(is_default=True))


@pytest.fixture
def other(api, default):
    return api.create(DISTRIBUTORS, samples.distributor(name="other"))


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


# What is refused


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "value", ["", "x", 7, True, [], {}, ["a"], "☃", "a" * 300, UNKNOWN + "0"]
)
def test_what_is_no_id_is_refused(api, vip, default, name, value):
    answer = post(api, vip, **{name: value})

    assert answer.status == 400, answer.text
    assert name in answer.fault
    assert_nothing_is_left(api)


@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_exist_is_refused(api, vip, default, name):
    answer = post(api, vip, **{name: UNKNOWN})

    assert answer.status == 400
    assert f"{name}: there is no" in answer.fault
    assert_nothing_is_left(api)


def test_a_subnet_of_another_network_is_refused(api, vip, front, default):
    other = api.neutron.add_network("10.2.0.0/24")

    answer = post(
        api,
        vip,
        frontend_network_id=front[0],
        frontend_subnet_id=other[1][0],
    )

    assert answer.status == 400
    assert "frontend_subnet_id: subnet" in answer.fault
    assert "is not one of network" in answer.fault
    assert_nothing_is_left(api)


def test_a_network_without_port_security_is_refused(api, vip, default):
    network_id, _ = api.neutron.add_network(
        "10.6.0.0/24", port_security_enabled=False
    )

    answer = post(api, vip, frontend_network_id=network_id)

    assert answer.status == 400
    assert "frontend_network_id: port security has to be" in answer.fault
    assert_nothing_is_left(api)


@pytest.mark.parametrize("by_network", [True, False])
@pytest.mark.parametrize("has_both", [True, False])
def test_a_family_that_the_front_end_has_not_is_refused(
    api, vip, default, by_network, has_both
):
    cidr = "10.9.0.0/24" if has_both else "fd00:9::/64"
    network_id, (subnet_id,) = api.neutron.add_network(cidr)
    attributes = (
        {"frontend_network_id": network_id}
        if by_network
        else {"frontend_subnet_id": subnet_id}
    )
    if has_both:
        attributes["additional_vips"] = [{"subnet_id": vip[1][1]}]

    answer = post(api, vip, **attributes)

    assert answer.status == 400
    assert f"has no {'IPv6' if has_both else 'IPv4'}" in answer.fault
    assert_nothing_is_left(api)


def test_an_operators_front_end_of_another_family_is_refused(
    api, vip, default
):
    network_id, _ = api.neutron.add_network("fd00:9::/64")
    for attributes in (
        {"flavor_id": flavor(api, {"frontend_network_id": network_id})},
        {"availability_zone": zone(api, {"frontend_network_id": network_id})},
    ):
        answer = post(api, vip, **attributes)
        assert answer.status == 400
        assert "frontend_network_id" in answer.fault
    assert_nothing_is_left(api)


@pytest.mark.parametrize("by_network", [True, False])
def test_another_projects_network_is_refused_as_if_it_were_not_there(
    api, vip, default, by_network
):
    hidden = api.neutron.add_network("10.4.0.0/24", owner=OTHER_PROJECT)
    mine = api.neutron.add_network("10.5.0.0/24", owner=api.project_id)

    def asked(network):
        if by_network:
            return {"frontend_network_id": network[0]}
        return {"frontend_subnet_id": network[1][0]}

    with api.authenticated():
        headers = {"X-Roles": "member", "X-User-Id": "somebody"}
        refused = post(api, vip, headers, **asked(hidden))
        allowed = post(api, vip, headers, **asked(mine))

    assert refused.status == 400
    assert "there is no" in refused.fault
    assert allowed.status == 201


def put_into(api, distributor, **state):
    with api.database.transaction() as session:
        lifecycle.settle(session, distributor["id"], **state)


@pytest.mark.parametrize("status", ["PENDING_CREATE", "ACTIVE"])
def test_a_distributor_that_is_being_made_can_be_used(api, vip, other, status):
    put_into(api, other, provisioning_status=status)

    assert post(api, vip, distributor_id=other["id"]).status == 201


@pytest.mark.parametrize("asked", ["user", "flavor", "zone", "default"])
def test_a_distributor_in_error_takes_nobody(api, vip, default, other, asked):
    attributes = {
        "user": lambda: {"distributor_id": other["id"]},
        "flavor": lambda: {
            "flavor_id": flavor(api, {"distributor_id": other["id"]})
        },
        "zone": lambda: {
            "availability_zone": zone(api, {"distributor_id": other["id"]})
        },
        "default": dict,
    }[asked]()
    broken = default if asked == "default" else other
    put_into(api, broken, provisioning_status="ERROR")

    answer = post(api, vip, **attributes)

    assert answer.status == 409, answer.text
    assert f"Distributor {broken['id']} is in ERROR" in answer.fault
    assert_nothing_is_left(api)


def test_a_disabled_distributor_takes_nobody(api, vip, default):
    disabled = api.create(DISTRIBUTORS, samples.distributor(enabled=False))

    answer = post(api, vip, distributor_id=disabled["id"])

    assert answer.status == 409
    assert "is disabled" in answer.fault
    assert_nothing_is_left(api)


@pytest.mark.parametrize("name", NAMES)
def test_other_providers_do_not_have_them(api, vip, front, default, name):
    values = dict(
        zip(NAMES, (default["id"], front[0], front[1][0]), strict=True)
    )
    answer = post(api, vip, provider="noop_driver", **{name: values[name]})

    assert answer.status == 400
    assert f"{name}: load balancers of the provider noop" in answer.fault
    assert octavia_rows.statuses() == {}


def test_other_providers_show_null(api, vip):
    created = made(post(api, vip, provider="noop_driver"))

    assert chosen(created) == (None, None, None)
    assert chosen(shown(api, created)) == (None, None, None)
    (listed,) = api.call("GET", LBS).body["loadbalancers"]
    assert chosen(listed) == (None, None, None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [None, UNKNOWN, 7, ""])
def test_they_are_immutable(api, vip, default, name, value):
    created = made(post(api, vip))
    octavia_rows.settle()

    answer = api.call(
        "PUT",
        f"{LBS}/{created['id']}",
        {"loadbalancer": {"name": "new", name: value}},
    )

    assert answer.status == 400, answer.text
    assert name in answer.fault
    assert shown(api, created)["name"] == created["name"]


def test_a_put_of_something_else_shows_them(api, vip, front, default):
    created = made(post(api, vip, frontend_subnet_id=front[1][0]))
    octavia_rows.settle()

    answer = api.call(
        "PUT",
        f"{LBS}/{created['id']}",
        {"loadbalancer": {"name": "new", "admin_state_up": False}},
    )

    assert answer.status == 200
    assert answer.body["loadbalancer"]["name"] == "new"
    assert chosen(answer.body["loadbalancer"]) == chosen(created)


# Lists


@pytest.fixture
def four(api, vip, front, other):
    """Two plain ones, one with a front end, one of another provider."""
    return [
        made(post(api, vip, **attributes))
        for attributes in (
            {"name": "a"},
            {"name": "b", "distributor_id": other["id"]},
            {"name": "c", "frontend_subnet_id": front[1][0]},
            {"name": "d", "provider": "noop_driver"},
        )
    ]


def names(answer):
    assert answer.status == 200, answer.text
    return "".join(lb["name"] for lb in answer.body["loadbalancers"])


def test_list_shows_them(api, four):
    answer = api.call("GET", f"{LBS}?sort=name")

    listed = answer.body["loadbalancers"]
    assert [chosen(lb) for lb in listed] == [chosen(lb) for lb in four]


def test_list_is_filtered_by_them(api, four, front, other, default):
    def listed(query):
        return names(api.call("GET", f"{LBS}?sort=name&{query}"))

    assert listed(f"distributor_id={other['id']}") == "b"
    assert listed(f"distributor_id={default['id']}") == "ac"
    assert (
        listed(f"distributor_id={default['id']}&distributor_id={other['id']}")
        == "abc"
    )
    assert listed(f"frontend_network_id={front[0]}") == "c"
    assert listed(f"frontend_subnet_id={front[1][0]}") == "c"
    assert listed(f"frontend_subnet_id={front[1][1]}") == ""
    assert listed(f"distributor_id={default['id']}&name=a") == "a"
    assert listed("frontend_network_id=nonsense") == ""
    assert listed(f"distributor_id={default['id']}&limit=1") == "a"
    assert api.call("GET", f"{LBS}?frontend_ip=x").status == 400


def test_fields_select_them(api, four):
    one = api.call("GET", f"{LBS}/{four[2]['id']}?fields=frontend_subnet_id")
    many = api.call("GET", f"{LBS}?fields=distributor_id&fields=id")

    assert one.body["loadbalancer"] == {
        "frontend_subnet_id": four[2]["frontend_subnet_id"]
    }
    assert all(
        set(lb) == {"distributor_id", "id"}
        for lb in many.body["loadbalancers"]
    )


def test_projects_see_their_own_only(api, vip, four, other):
    with api.authenticated():
        answer = api.call(
            "GET",
            f"{LBS}?distributor_id={other['id']}",
            headers={
                "X-Roles": "member",
                "X-User-Id": "somebody",
                "X-Project-Id": OTHER_PROJECT,
            },
        )

    assert names(answer) == ""


def test_a_page_costs_one_query_of_ours(api, vip, four):
    counted = []

    def count(connection, cursor, statement, *_):
        if "anycast_cluster" in statement:
            counted.append(statement)

    # Of every engine: the API has one of its own, on the same file.
    event.listen(Engine, "before_cursor_execute", count)
    try:
        api.call("GET", LBS)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len(counted) == 1
    assert "IN (" in counted[0]


def test_within_octavias_transaction_if_the_database_is_one(api, vip, other):
    """As deployed; the other tests have two databases, for SQLite's sake."""
    made(post(api, vip, distributor_id=other["id"]))
    with api.database.transaction() as session:
        (record,) = clusters.list_all(session)
    engine = octavia_db.get_engine()
    schema.METADATA.create_all(engine)
    with octavia_db.session().begin() as session:
        distributors.create(
            session, Distributor(id=other["id"]), WithoutPasswords()
        )
        clusters.create(session, record)
    controller = LoadBalancersController(
        api.database, report_interval=1.0, is_shared=True
    )
    response = LoadBalancerResponse(
        id=record.load_balancer_id, provider="anycast"
    )
    counted = []

    def count(connection, *_):
        counted.append(connection.engine.url)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        with octavia_db.session().begin() as session:
            controller._add_choices([response], session)
    finally:
        event.remove(Engine, "before_cursor_execute", count)

    assert response.distributor_id == other["id"]
    assert set(counted) == {engine.url}


# The cluster


def cluster_of(api, load_balancer, headers=None):
    return api.call(
        "GET", f"{LBS}/{load_balancer['id']}/cluster", headers=headers
    )


def test_the_cluster_is_shown(api, vip, front, default):
    created = made(post(api, vip, frontend_subnet_id=front[1][0]))

    answer = cluster_of(api, created)

    assert answer.status == 200, answer.text
    assert answer.body == {
        "cluster": {
            "load_balancer_id": created["id"],
            "distributor_id": default["id"],
            "frontend_network_id": front[0],
            "frontend_subnet_id": front[1][0],
            "desired_size": 2,
            "min_size": 1,
            "max_size": 8,
            "cooldown": 0,
            "enabled": True,
            "cluster_type": "ACTIVE_ACTIVE",
            "provisioning_status": "PENDING_CREATE",
            "operating_status": "OFFLINE",
            "reason": "",
            "config_revision": "",
            "amphora_count": 0,
            "announcing_count": 0,
            "amphorae": [],
        }
    }


CLUSTER_ROLES = [
    # (headers, status, whether amphorae are shown)
    ({"X-Roles": "admin"}, 200, True),
    ({"X-Roles": "member"}, 200, False),
    ({"X-Roles": "reader"}, 200, False),
    ({"X-Roles": "nobody"}, 403, False),
    ({"X-Roles": "member", "X-Project-Id": OTHER_PROJECT}, 403, False),
]


@pytest.mark.parametrize(("headers", "status", "sees"), CLUSTER_ROLES)
def test_roles_of_the_cluster(api, vip, default, headers, status, sees):
    created = made(post(api, vip))
    with api.authenticated():
        answer = cluster_of(api, created, {"X-User-Id": "one"} | headers)

    assert answer.status == status
    if status == 200:
        assert ("amphorae" in answer.body["cluster"]) is sees
        assert answer.body["cluster"]["amphora_count"] == 0


def test_there_is_no_cluster_where_there_is_none(api, vip, default):
    stock = made(post(api, vip, provider="noop_driver"))

    assert cluster_of(api, stock).status == 404
    assert cluster_of(api, {"id": UNKNOWN}).status == 404
    assert cluster_of(api, {"id": "x"}).status == 404
    with api.database.transaction() as session:
        assert amphorae.list_all(session) == []


def test_what_octavia_has_below_a_load_balancer_stays(api, vip, default):
    created = made(post(api, vip))

    for below in ("status", "statuses", "stats"):
        assert api.call("GET", f"{LBS}/{created['id']}/{below}").status == 200


def test_the_other_path_of_octavia_serves_them_too(api, vip, default):
    created = made(post(api, vip))

    answer = api.call("GET", f"/v2/loadbalancers/{created['id']}")

    assert chosen(answer.body["loadbalancer"]) == chosen(created)
