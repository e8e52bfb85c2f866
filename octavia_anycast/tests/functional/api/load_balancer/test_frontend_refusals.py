# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Distributors and front ends that a load balancer cannot have."""

import pytest

from octavia_anycast.db.distributor import lifecycle
from octavia_anycast.testing import octavia_rows, samples
from octavia_anycast.tests.functional.balancers import (
    DISTRIBUTORS,
    LBS,
    NAMES,
    OTHER_PROJECT,
    UNKNOWN,
    assert_nothing_is_left,
    chosen,
    flavor,
    made,
    post,
    shown,
    zone,
)


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
def test_a_distributor_going_away_takes_nobody(
    api, vip, default, other, asked
):
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
    leaving = default if asked == "default" else other
    put_into(api, leaving, provisioning_status="PENDING_DELETE")

    answer = post(api, vip, **attributes)

    assert answer.status == 409, answer.text
    assert f"Distributor {leaving['id']} is to be deleted" in answer.fault
    assert_nothing_is_left(api)


def test_a_change_that_failed_keeps_nobody_from_creating(api, vip, default):
    put_into(api, default, provisioning_status="ERROR")

    assert post(api, vip).status == 201


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
