# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Every object below a load balancer: settled, removed, counted."""

import pytest
from octavia.db import models

from octavia_anycast.testing import octavia_rows
from octavia_anycast.tests.functional.controller.conftest import PLENTY

COLLECTIONS = {
    "listener": "/v2/lbaas/listeners",
    "pool": "/v2/lbaas/pools",
    "healthmonitor": "/v2/lbaas/healthmonitors",
    "l7policy": "/v2/lbaas/l7policies",
}
QUOTAS = {
    "listener": "in_use_listener",
    "pool": "in_use_pool",
    "member": "in_use_member",
    "healthmonitor": "in_use_health_monitor",
    "l7policy": "in_use_l7policy",
    "rule": "in_use_l7rule",
}
MODELS = {
    "listener": models.Listener,
    "pool": models.Pool,
    "member": models.Member,
    "healthmonitor": models.HealthMonitor,
    "l7policy": models.L7Policy,
    "rule": models.L7Rule,
}
# What goes with each when it is deleted.
TAKES_ALONG = {
    "listener": {"listener", "l7policy", "rule"},
    "pool": {"pool", "member", "healthmonitor"},
    "member": {"member"},
    "healthmonitor": {"healthmonitor"},
    "l7policy": {"l7policy", "rule"},
    "rule": {"rule"},
}


@pytest.fixture
def objects(stage):
    """One of each kind, all ACTIVE: kind -> path."""
    stage.run()
    paths = {}

    def make(kind, body, collection=None):
        collection = collection or COLLECTIONS[kind]
        created = stage.api.create(collection, {kind: body})
        octavia_rows.settle()  # quicker; the controller's own turn comes
        paths[kind] = f"{collection}/{created['id']}"
        return created["id"]

    listener = make(
        "listener",
        {
            "loadbalancer_id": stage.load_balancer_id,
            "protocol": "HTTP",
            "protocol_port": 80,
        },
    )
    pool = make(
        "pool",
        {
            "listener_id": listener,
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
        },
    )
    make(
        "healthmonitor",
        {
            "pool_id": pool,
            "type": "HTTP",
            "delay": 2,
            "timeout": 1,
            "max_retries": 2,
        },
    )
    make(
        "member",
        {"address": "10.10.0.11", "protocol_port": 8080},
        f"/v2/lbaas/pools/{pool}/members",
    )
    policy = make("l7policy", {"listener_id": listener, "action": "REJECT"})
    make(
        "rule",
        {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/x"},
        f"/v2/lbaas/l7policies/{policy}/rules",
    )
    stage.run()
    return paths


def test_all_become_active(stage, objects):
    for kind, path in objects.items():
        octavia_rows.set_status(kind, path.rsplit("/", 1)[1], "PENDING_UPDATE")
    octavia_rows.set_status(
        "loadbalancer", stage.load_balancer_id, "PENDING_UPDATE"
    )
    stage.run()
    for kind, path in objects.items():
        shown = stage.api.call("GET", path).body[kind]
        assert shown["provisioning_status"] == "ACTIVE", kind


@pytest.mark.parametrize("kind", ["healthmonitor", "l7policy", "rule"])
def test_what_no_heartbeat_tells_of_is_online_while_enabled(
    stage, objects, kind
):
    def shown(is_enabled):
        body = {kind: {"admin_state_up": is_enabled}}
        answer = stage.api.call("PUT", objects[kind], body)
        assert answer.status == 200, answer.text
        assert stage.show()["provisioning_status"] == "PENDING_UPDATE"
        stage.run()
        found = stage.api.call("GET", objects[kind]).body[kind]
        assert found["provisioning_status"] == "ACTIVE"
        return found["operating_status"]

    assert [shown(False), shown(True), shown(False)] == [
        "OFFLINE",
        "ONLINE",
        "OFFLINE",
    ]


def test_a_policy_that_its_listener_cannot_have_is_shown_as_error(
    stage, objects
):
    """The API lets it through in one create; as if that had happened."""
    listener_id = objects["listener"].rsplit("/", 1)[1]
    octavia_rows.set_protocol(listener_id, "TCP")
    for kind in ("listener", "l7policy", "rule"):
        identifier = objects[kind].rsplit("/", 1)[1]
        octavia_rows.set_status(kind, identifier, "PENDING_UPDATE")
    octavia_rows.set_status(
        "loadbalancer", stage.load_balancer_id, "PENDING_UPDATE"
    )
    stage.run()
    found = {kind: stage.api.call("GET", objects[kind]) for kind in objects}
    statuses = {
        kind: answer.body[kind]["provisioning_status"]
        for kind, answer in found.items()
    }
    wrong = {kind for kind, status in statuses.items() if status != "ACTIVE"}
    assert wrong == {"l7policy"}
    assert statuses["l7policy"] == "ERROR"
    assert stage.show()["provisioning_status"] == "ACTIVE"


@pytest.mark.parametrize("kind", sorted(TAKES_ALONG))
def test_delete_removes_rows_and_gives_quota_back(stage, objects, kind):
    stage.cloud.stopping = frozenset({stage.load_balancer_id})
    assert stage.api.call("DELETE", objects[kind]).status == 204
    stage.run()
    quota = stage.quota()
    for other, model in MODELS.items():
        is_gone = other in TAKES_ALONG[kind]
        assert stage.count(model) == (0 if is_gone else 1), other
        in_use = getattr(quota, QUOTAS[other])
        assert in_use == (0 if is_gone else PLENTY), other
    assert stage.show()["provisioning_status"] == "ACTIVE"


def test_cascade_delete_gives_all_quota_back(stage, objects):
    stage.delete()
    stage.controller.run(stage.load_balancer_id)
    quota = stage.quota()
    for kind, name in QUOTAS.items():
        assert getattr(quota, name) == 0, kind
        assert stage.count(MODELS[kind]) == 0
    assert quota.in_use_load_balancer == 0


def test_members_without_monitor_say_so(stage, objects):
    stage.api.call("DELETE", objects["healthmonitor"])
    stage.run()
    shown = stage.api.call("GET", objects["member"]).body["member"]
    assert shown["operating_status"] == "NO_MONITOR"


def test_batch_of_members_is_settled(stage, objects):
    collection = objects["member"].rsplit("/", 1)[0]
    answer = stage.api.call(
        "PUT",
        collection,
        {
            "members": [
                {"address": f"10.10.0.{n}", "protocol_port": 8080}
                for n in (12, 13)
            ]
        },
    )
    assert answer.status == 202, answer.text
    stage.run()
    shown = stage.api.call("GET", collection).body["members"]
    assert {m["address"] for m in shown} == {"10.10.0.12", "10.10.0.13"}
    assert {m["provisioning_status"] for m in shown} == {"ACTIVE"}


def test_change_meanwhile_is_not_settled_unseen(stage, objects):
    """What was read before the change does not settle it."""
    tree = stage.controller.load_balancers.read(stage.load_balancer_id)
    stage.api.call("PUT", objects["member"], {"member": {"weight": 5}})
    assert not stage.controller.world.statuses.settle(tree)
    assert stage.show()["provisioning_status"] == "PENDING_UPDATE"
