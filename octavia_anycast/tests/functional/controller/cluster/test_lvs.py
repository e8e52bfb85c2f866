# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""UDP and SCTP listeners, through the API, by what the images have.

``FakeCloud`` counts it as a violation if an amphora that lacks ip_vs is given
such a listener, and the stage asserts that there is none.
"""

import pytest

from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.wire import LvsReport
from octavia_anycast.testing import octavia_rows

LACK = "its kernel 6.1.0 has no ip_vs that loads"
SENTENCE = f"no amphora can serve it: {LACK}"
LISTENERS = "/v2/lbaas/listeners"


def machines(stage):
    return stage.cloud.of(stage.load_balancer_id)


def announcers(stage):
    return stage.cloud.announcers(stage.load_balancer_id)


def reason(stage):
    with stage.api.database.transaction() as session:
        return clusters.get(session, stage.load_balancer_id).reason


def post_udp(stage, **fields):
    body = {
        "loadbalancer_id": stage.load_balancer_id,
        "protocol": "UDP",
        "protocol_port": 53,
    }
    return stage.api.call("POST", LISTENERS, {"listener": body | fields})


def status_of(stage, listener_id):
    shown = stage.api.call("GET", f"{LISTENERS}/{listener_id}").body
    return shown["listener"]["provisioning_status"]


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_where_images_have_it_it_is_served_by_all(stage, protocol):
    stage.run()
    answer = post_udp(stage, protocol=protocol)
    assert answer.status == 201, answer.text
    stage.run()
    assert stage.show()["provisioning_status"] == "ACTIVE"
    assert stage.show()["operating_status"] == "ONLINE"
    assert len(announcers(stage)) == 2


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_where_all_amphorae_lack_it_the_api_says_so(stage, protocol):
    stage.cloud.image_lack = LACK
    stage.run()
    before = octavia_rows.statuses()
    answer = post_udp(stage, protocol=protocol)
    assert answer.status == 501, answer.text
    assert f"protocol: {protocol}: {SENTENCE}." in answer.fault
    assert octavia_rows.statuses() == before
    stage.add_listener()
    stage.run()
    assert len(announcers(stage)) == 2


def test_before_any_amphora_answers_it_is_accepted(stage):
    answer = stage.api.call(
        "POST",
        "/v2/lbaas/loadbalancers",
        {
            "loadbalancer": {
                "vip_subnet_id": stage.show()["vip_subnet_id"],
                "project_id": stage.api.project_id,
                "listeners": [
                    {"protocol": "HTTP", "protocol_port": 80},
                    {"protocol": "UDP", "protocol_port": 53},
                ],
            }
        },
    )
    assert answer.status == 201, answer.text
    stage.load_balancer_id = answer.body["loadbalancer"]["id"]
    stage.cloud.image_lack = LACK
    stage.run()
    shown = stage.show()
    assert shown["provisioning_status"] == "ACTIVE"
    statuses = {
        one["id"]: status_of(stage, one["id"]) for one in shown["listeners"]
    }
    assert sorted(statuses.values()) == ["ACTIVE", "ERROR"]
    (refused,) = (i for i, status in statuses.items() if status == "ERROR")
    assert f"{refused} is refused: {SENTENCE}" in reason(stage)
    assert len(announcers(stage)) == len(machines(stage)) == 2


def test_what_was_given_up_is_tried_again_when_it_is_changed(stage):
    stage.run()
    listener_id = post_udp(stage).body["listener"]["id"]
    for machine in machines(stage):
        machine.lvs = LvsReport(lack=LACK)
    stage.run()
    assert status_of(stage, listener_id) == "ERROR"
    for machine in machines(stage):
        machine.lvs = LvsReport()
    stage.controller.reconcile(stage.load_balancer_id)
    answer = stage.api.call(
        "PUT",
        f"{LISTENERS}/{listener_id}",
        {"listener": {"name": "again"}},
    )
    assert answer.status == 200, answer.text
    stage.run()
    assert status_of(stage, listener_id) == "ACTIVE"
    assert len(announcers(stage)) == 2


def test_of_mixed_images_only_those_that_have_it_are_announced(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    lacking, whole = machines(stage)
    lacking.lvs = LvsReport(lack=LACK)
    answer = post_udp(stage)
    assert answer.status == 201, answer.text
    stage.run()
    shown = stage.show()
    assert shown["provisioning_status"] == "ACTIVE"
    assert shown["operating_status"] == "DEGRADED"
    assert announcers(stage) == [whole]
    assert len(machines(stage)) == 2
    sentence = f"{lacking.amphora_id}: it cannot serve UDP and SCTP: {LACK}"
    assert sentence in reason(stage)
    lacking.lvs = LvsReport()
    stage.run()
    stage.controller.run(stage.load_balancer_id, 30)
    assert len(announcers(stage)) == 2
    assert LACK not in reason(stage)
    assert stage.cloud.violations == []


def test_an_agent_that_does_not_say_is_taken_to_have_it(stage):
    """It is of an older release."""
    stage.run()
    for machine in machines(stage):
        machine.lvs = None
    answer = post_udp(stage)
    assert answer.status == 201, answer.text
    stage.run()
    assert len(announcers(stage)) == 2
