# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A distributor of which this release refuses a row: nothing else suffers."""

import pytest

from octavia_anycast.testing import samples
from octavia_anycast.tests.functional.controller.conftest import LB

DISTRIBUTORS = "/v2/lbaas/distributors"
PEERS = "/v2/lbaas/bgp-peers"


def spoil(stage, remote_as=65535):
    (peer,) = (p for p in peers(stage) if p["name"] == "leaf1")
    with stage.api.database.transaction() as session:
        session.connection().exec_driver_sql(
            "UPDATE anycast_distributor_l3_bgp_peer SET remote_as = ? "
            "WHERE id = ?",
            (remote_as, peer["id"]),
        )
    return peer["id"]


def peers(stage):
    return stage.api.call("GET", PEERS).body["bgp_peers"]


def distributors(stage):
    found = stage.api.call("GET", DISTRIBUTORS).body["distributors"]
    return {one["name"]: one for one in found}


def reason(stage):
    path = f"{LB}/{stage.load_balancer_id}/cluster"
    return stage.api.call("GET", path).body["cluster"]["reason"]


@pytest.fixture
def serving(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    stage.api.settle()
    return stage


@pytest.fixture
def beside(stage):
    """Another load balancer behind another distributor: its id."""
    body = samples.distributor(name="other")
    body["distributor"]["speakers"][0]["peers"][0]["name"] = "leaf2"
    other = stage.api.create(DISTRIBUTORS, body)
    _, (subnet,) = stage.api.neutron.add_network("203.0.113.0/24")
    wanted = {
        "vip_subnet_id": subnet,
        "distributor_id": other["id"],
        "project_id": stage.api.project_id,
    }
    return stage.api.create(LB, {"loadbalancer": wanted})["id"]


def test_other_load_balancers_go_on(serving, beside):
    spoil(serving)
    controller = serving.controller

    for other in distributors(serving).values():
        controller.distributors.reconcile(other["id"])
    controller.distributors.report()
    controller.reconcile(serving.load_balancer_id)
    assert controller.errors  # this one cannot be observed
    assert controller.run(beside)

    shown = serving.api.call("GET", f"{LB}/{beside}").body["loadbalancer"]
    assert shown["provisioning_status"] == "ACTIVE"
    assert distributors(serving)["other"]["provisioning_status"] == "ACTIVE"


def test_its_own_goes_on_announcing_and_says_why(serving):
    announcing = serving.cloud.announcers(serving.load_balancer_id)
    spoil(serving)
    serving.controller.reconcile(serving.load_balancer_id)

    assert "remote_as: 65535 is reserved" in reason(serving)
    after = serving.cloud.announcers(serving.load_balancer_id)
    assert after == announcing
    assert len(after) == 2


def test_mended_by_the_api_all_is_as_before(serving):
    peer_id = spoil(serving)
    serving.controller.reconcile(serving.load_balancer_id)
    answer = serving.api.call(
        "PUT", f"{PEERS}/{peer_id}", {"bgp_peer": {"remote_as": 65001}}
    )
    assert answer.status == 200, answer.text

    (own,) = distributors(serving).values()
    for _ in range(60):
        serving.controller.reconcile(serving.load_balancer_id)
        serving.controller.distributors.reconcile(own["id"])
        serving.cloud.pass_time(1)

    (own,) = distributors(serving).values()
    assert own["provisioning_status"] == "ACTIVE", own["status_reason"]
    assert "remote_as" not in reason(serving)
    assert serving.cloud.violations == []


def test_a_change_beside_it_ends_in_error_with_the_reason(serving):
    spoil(serving)
    (own,) = distributors(serving).values()
    path = f"{DISTRIBUTORS}/{own['id']}"
    change = {"distributor": {"enabled": False}}
    assert serving.api.call("PUT", path, change).status == 200

    serving.controller.distributors.reconcile(own["id"])

    (own,) = distributors(serving).values()
    assert own["provisioning_status"] == "ERROR"
    assert "remote_as: 65535 is reserved" in own["status_reason"]


@pytest.mark.parametrize("count", [0, 1])
def test_it_is_deleted(serving, beside, count):
    """With its load balancer, and with amphorae of its own."""
    own = distributors(serving)["fabric"]
    path = f"{DISTRIBUTORS}/{own['id']}"
    controller = serving.controller
    if count:
        change = {"distributor": {"dedicated_count": count}}
        answer = serving.api.call("PUT", path, change)
        assert answer.status == 200, answer.text
        settle(serving, own["id"])
    spoil(serving)
    serving.delete()
    for _ in range(60):
        result = controller.reconcile(serving.load_balancer_id)
        if result and result.is_gone:
            break
        serving.cloud.pass_time(1)
    answer = serving.api.call("DELETE", f"{path}?cascade=true")
    assert answer.status == 204, answer.text

    settle(serving, own["id"])

    assert set(distributors(serving)) == {"other"}
    assert [p["name"] for p in peers(serving)] == ["leaf2"]


def settle(stage, distributor_id):
    for _ in range(60):
        stage.controller.dedicated.reconcile(distributor_id)
        stage.controller.distributors.reconcile(distributor_id)
        stage.cloud.pass_time(1)
