# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Secrets out of reach: what is served goes on, and it heals by itself."""

import pytest

from octavia_anycast.db.cluster import clusters
from octavia_anycast.testing import octavia_rows


def ports(stage):
    """The ports that each machine opens."""
    return [
        {port for _, port in machine.sockets}
        for machine in stage.cloud.of(stage.load_balancer_id)
    ]


def status_of(stage, listener):
    path = f"/v2/lbaas/listeners/{listener['id']}"
    shown = stage.api.call("GET", path).body["listener"]
    return shown["provisioning_status"]


def reason(stage):
    with stage.api.database.transaction() as session:
        return clusters.get(session, stage.load_balancer_id).reason


@pytest.fixture
def served(stage):
    """A listener whose secret is about to be out of reach."""
    stage.run()
    made = stage.add_listener(443)
    stage.run()
    return made


def test_what_is_served_goes_on_and_it_heals_by_itself(stage, served):
    unread = stage.cloud.contents.unread
    unread.add(served["id"])
    other = stage.add_listener(80)
    stage.controller.run(stage.load_balancer_id, 5)
    assert ports(stage) == [{80, 443}] * 2, "the rest is in force"
    assert stage.show()["provisioning_status"] == "PENDING_UPDATE"
    assert f"{served['id']} stays as it is: no answer" in reason(stage)
    stage.controller.run(stage.load_balancer_id, 60)
    assert stage.show()["provisioning_status"] == "ACTIVE"
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2
    change = {"listener": {"connection_limit": 7}}
    path = f"/v2/lbaas/listeners/{served['id']}"
    assert stage.api.call("PUT", path, change).status == 200
    stage.controller.run(stage.load_balancer_id, 60)
    assert stage.show()["provisioning_status"] == "ACTIVE"
    assert status_of(stage, served) == "PENDING_UPDATE"
    assert status_of(stage, other) == "ACTIVE"
    unread.clear()
    stage.run()
    assert octavia_rows.pending() == set()
    assert "stays as it is" not in reason(stage)


def test_a_new_listener_waits_for_its_secret(stage, served):
    new = stage.add_listener(80)
    stage.cloud.contents.unread.add(new["id"])
    stage.controller.run(stage.load_balancer_id, 60)
    assert ports(stage) == [{443}] * 2
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2
    assert stage.show()["provisioning_status"] == "ACTIVE"
    assert status_of(stage, new) == "PENDING_CREATE"
    answer = stage.api.call("DELETE", f"/v2/lbaas/listeners/{new['id']}")
    assert answer.status == 204, answer.text
    stage.run()
    assert octavia_rows.pending() == set()


def test_an_amphora_that_lacks_a_listener_is_not_announced_beside_others(
    stage, served
):
    stage.add_listener(80)
    stage.run()
    stage.cloud.contents.unread.add(served["id"])
    lost, whole = stage.cloud.of(stage.load_balancer_id)
    lost.has_power = False
    stage.controller.run(stage.load_balancer_id, 90)
    assert stage.cloud.announcers(stage.load_balancer_id) == [whole]
    assert {80} in ports(stage), "the new one has the rest"
    whole.has_power = False
    stage.controller.run(stage.load_balancer_id, 90)
    rest = stage.cloud.announcers(stage.load_balancer_id)
    assert rest, "the rest is served when nobody serves all"
    assert ports(stage) == [{80}] * 2
    stage.cloud.contents.unread.clear()
    stage.run(120)
    assert ports(stage) == [{80, 443}] * 2
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2
    assert stage.cloud.violations == []


def test_a_change_taken_back_is_taken_back(stage, served):
    """What was given in part is not taken for what was whole before."""
    stage.cloud.contents.unread.add(served["id"])
    other = stage.add_listener(80)
    stage.controller.run(stage.load_balancer_id, 60)
    assert ports(stage) == [{80, 443}] * 2
    answer = stage.api.call("DELETE", f"/v2/lbaas/listeners/{other['id']}")
    assert answer.status == 204, answer.text
    stage.controller.run(stage.load_balancer_id, 60)
    assert ports(stage) == [{443}] * 2
    assert stage.show()["provisioning_status"] == "ACTIVE"
    stage.cloud.contents.unread.clear()
    stage.run()
    assert octavia_rows.pending() == set()
    assert "stays as it is" not in reason(stage)


def test_a_secret_out_of_reach_for_long_is_no_failure(stage, served):
    """Longer than anything else may take: not ERROR, and said once."""
    stage.cloud.contents.unread.add(served["id"])
    stage.add_listener(80)
    stage.controller.run(stage.load_balancer_id, 900)
    assert stage.show()["provisioning_status"] == "ACTIVE"
    assert reason(stage).count("stays as it is") == 2, "once an amphora"
    assert "ConfigureHaproxy" not in reason(stage)
    assert len(stage.cloud.of(stage.load_balancer_id)) == 2
    stage.cloud.contents.unread.clear()
    stage.run()
    assert octavia_rows.pending() == set()
