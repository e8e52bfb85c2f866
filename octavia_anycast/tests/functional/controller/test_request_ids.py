# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The controller's lines bear the API request, until it is carried out."""

from datetime import timedelta

import pytest
from oslo_log import log as oslo_log

from octavia_anycast.controller.cluster.reconciler import REQUEST_SHOWN_WITHIN
from octavia_anycast.db.cluster import clusters
from octavia_anycast.tests.functional.controller.conftest import LB
from octavia_anycast.tests.log_capture import captured

LOG = oslo_log.getLogger("octavia_anycast")


@pytest.fixture
def lines():
    """A function: the controller's lines since it was last called."""
    with captured(LOG) as take:
        yield lambda: [line for line in take() if ".controller." in line]


@pytest.fixture
def serving(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    return stage


def recorded(stage):
    with stage.api.database.transaction() as session:
        return clusters.get(session, stage.load_balancer_id).request_id


def call(stage, method, path, body=None):
    answer = stage.api.call(method, path, body)
    assert 200 <= answer.status < 300, answer.text
    assert recorded(stage) == answer.request_id
    return answer.request_id


def expect_borne(lines, request_id):
    assert lines
    for line in lines:
        assert f"[{request_id or None} req-" in line, line


def test_from_the_request_to_the_status(stage, lines):
    """The create, a listener, a change and the deletion, each its own."""
    ids = [recorded(stage)]
    stage.run()
    expect_borne(lines(), ids[-1])
    assert recorded(stage) == ""
    body = {
        "loadbalancer_id": stage.load_balancer_id,
        "protocol": "HTTP",
        "protocol_port": 80,
    }
    path = "/v2/lbaas/listeners"
    ids.append(call(stage, "POST", path, {"listener": body}))
    stage.run()
    expect_borne(lines(), ids[-1])
    ids.append(call(stage, "PUT", f"{LB}/{stage.load_balancer_id}/failover"))
    stage.run(120)
    expect_borne(lines(), ids[-1])

    assert recorded(stage) == ""
    assert len(set(ids)) == 3


def test_what_nobody_asked_for_bears_no_request(serving, lines):
    """An amphora that dies after all is done."""
    serving.run()
    lines()
    victim = serving.cloud.announcers(serving.load_balancer_id)[0]
    del serving.cloud.machines[victim.server_id]

    serving.run(120)

    expect_borne(lines(), "")


def test_a_size_is_borne_until_it_is_reached(serving, lines):
    serving.run()
    lines()
    path = f"{LB}/{serving.load_balancer_id}/cluster"
    wanted = call(serving, "PUT", path, {"cluster": {"desired_size": 3}})

    serving.run(120)

    expect_borne(lines(), wanted)
    serving.cloud.now += REQUEST_SHOWN_WITHIN
    serving.controller.reconcile(serving.load_balancer_id)
    assert recorded(serving) == ""


def test_a_request_whose_rows_are_not_there_yet_stays(serving):
    """The API has recorded it, and its transaction goes on."""
    serving.run()
    with serving.api.database.transaction() as session:
        clusters.record_request(session, serving.load_balancer_id, "req-1")
    for _ in range(3):
        serving.controller.reconcile(serving.load_balancer_id)
        serving.cloud.now += timedelta(seconds=1)

    assert recorded(serving) == "req-1"


def test_what_cannot_be_observed_bears_it_too(serving, lines, monkeypatch):
    serving.run()
    lines()
    listener = {
        "loadbalancer_id": serving.load_balancer_id,
        "protocol": "TCP",
        "protocol_port": 81,
    }
    wanted = call(
        serving, "POST", "/v2/lbaas/listeners", {"listener": listener}
    )
    with serving.api.database.transaction() as session:
        session.connection().exec_driver_sql(
            "UPDATE anycast_distributor_l3_bgp_peer SET remote_as = 23456"
        )
    for _ in range(30):
        serving.controller.reconcile(serving.load_balancer_id)
        serving.cloud.pass_time(1)

    expect_borne(lines(), wanted)
