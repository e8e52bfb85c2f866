# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae that drain, and clusters that are waited for."""

import pytest
from octavia_anycast_client.sdk import proxy
from openstack import exceptions

AMPHORA = "0b1f7a52-6a52-4f0e-9f57-0d1d2b7f6c11"
BALANCER = "c4f0e8a2-7d6b-4c59-b1b3-8e2f9d0a4c04"
DRAIN = f"/v2.0/octavia/amphorae/{AMPHORA}/drain"
CLUSTER = f"/v2.0/lbaas/loadbalancers/{BALANCER}/cluster"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(proxy, "_INTERVAL_SECONDS", 0)


def a_drain(state, **attributes):
    return {
        "drain": {
            "state": state,
            "since": "2026-11-23T12:00:00",
            "deadline": "2026-11-23T12:01:00",
            "connections": 3,
            "vips": [
                {
                    "vip_address": "203.0.113.1",
                    "announcing": True,
                    "connections": 3,
                }
            ],
            "reported_at": "2026-11-23T12:00:30",
        }
        | attributes
    }


def a_cluster(**attributes):
    return {
        "cluster": {
            "load_balancer_id": BALANCER,
            "desired_size": 3,
            "spare_count": 0,
            "amphora_count": 3,
            "operating_status": "ONLINE",
            "reason": "so it is",
            "enabled": True,
        }
        | attributes
    }


@pytest.mark.parametrize(
    ("timeout", "body"), [(None, {}), (60, {"drain": {"timeout": 60}})]
)
def test_an_amphora_is_drained(client, cloud, timeout, body):
    cloud.answers["PUT", DRAIN] = 202, a_drain("PENDING")
    drain = client.drain_amphora(AMPHORA, timeout)
    assert cloud.changes == [("PUT", DRAIN, body)]
    assert (drain.state, drain.connections) == ("PENDING", 3)


def test_and_serves_again(client, cloud):
    cloud.answers["DELETE", DRAIN] = 204, None
    client.undrain_amphora(AMPHORA)
    assert cloud.changes == [("DELETE", DRAIN, None)]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
def test_a_refusal_is_raised(client, cloud, method):
    cloud.answers[method, DRAIN] = 409, {"faultstring": "the last one"}
    call = {
        "PUT": client.drain_amphora,
        "DELETE": client.undrain_amphora,
        "GET": client.get_amphora_drain,
    }[method]
    with pytest.raises(exceptions.ConflictException, match="the last one"):
        call(AMPHORA)


def test_a_drain_is_waited_for_as_long_as_it_may_take(
    client, cloud, monkeypatch
):
    """And not five minutes at most: the API takes a day."""
    clock = [1000.0]
    monkeypatch.setattr(proxy.time, "monotonic", lambda: clock[0])

    def sleep(seconds):
        clock[0] += 200.0

    monkeypatch.setattr(proxy.time, "sleep", sleep)
    draining = a_drain("DRAINING", deadline="2026-11-23T12:20:00")
    cloud.answers["GET", DRAIN] = [(200, draining)] * 6 + [
        (200, a_drain("DRAINED"))
    ]
    assert client.wait_for_amphora_drain(AMPHORA).state == "DRAINED"
    assert clock[0] == 1000.0 + 6 * 200.0
    cloud.answers["GET", DRAIN] = 200, draining
    with pytest.raises(exceptions.ResourceTimeout):
        client.wait_for_amphora_drain(AMPHORA)
    assert clock[0] > 2200.0 + 1200.0


def test_the_end_of_a_drain_is_waited_for(client, cloud):
    cloud.answers["GET", DRAIN] = [
        (200, a_drain(state)) for state in ("PENDING", "DRAINING", "DRAINED")
    ]
    assert client.wait_for_amphora_drain(AMPHORA).state == "DRAINED"
    cloud.answers["GET", DRAIN] = 200, a_drain("DRAINING")
    with pytest.raises(exceptions.ResourceTimeout, match="DRAINING"):
        client.wait_for_amphora_drain(AMPHORA, wait=0.05)
    cloud.answers["GET", DRAIN] = 200, a_drain("NONE")
    with pytest.raises(exceptions.ResourceFailure, match="any more"):
        client.wait_for_amphora_drain(AMPHORA)


def test_commands_of_a_drain(run, cloud):
    cloud.answers["PUT", DRAIN] = 202, a_drain("PENDING")
    cloud.answers["GET", DRAIN] = 200, a_drain("DRAINED")
    words = ("loadbalancer", "amphora", "drain")
    drained = run(*words, AMPHORA, "--timeout", 60, "-f", "json").data
    assert drained == a_drain("PENDING")["drain"]
    waited = run(*words, AMPHORA, "--wait", "-f", "json").data
    assert waited["state"] == "DRAINED"
    shown = run(*words, "show", AMPHORA, "-f", "json").data
    assert shown == a_drain("DRAINED")["drain"]
    assert "vip_address=203.0.113.1" in run(*words, "show", AMPHORA).out
    cloud.answers["DELETE", DRAIN] = 204, None
    assert run("loadbalancer", "amphora", "undrain", AMPHORA).out == ""
    assert [change[:2] for change in cloud.changes] == [
        ("PUT", DRAIN),
        ("PUT", DRAIN),
        ("DELETE", DRAIN),
    ]


def test_python_octaviaclients_commands_are_still_there(run):
    for verb in ("configure", "failover", "list", "show", "stats show"):
        words = verb.split()
        assert run("help", "loadbalancer", "amphora", *words).code == 0


def test_a_cluster_is_waited_for_until_it_is_what_it_should_be(client, cloud):
    cloud.answers["GET", CLUSTER] = [
        (200, a_cluster(amphora_count=2)),
        (200, a_cluster(operating_status="DEGRADED")),
        (200, a_cluster(amphora_count=4)),
        (200, a_cluster(spare_count=1)),
        (200, a_cluster(spare_count=1, amphora_count=4)),
    ]
    found = client.wait_for_load_balancer_cluster(BALANCER)
    assert (found.spare_count, found.amphora_count) == (1, 4)
    assert len(cloud.requests) == 5


def test_stand_ins_are_waited_for_and_not_for_their_end(client, cloud):
    cloud.answers["GET", CLUSTER] = [
        (200, a_cluster(amphora_count=4)),
        (200, a_cluster(amphora_count=4, stand_in_count=2)),
        (200, a_cluster(amphora_count=5, stand_in_count=2)),
    ]
    found = client.wait_for_load_balancer_cluster(BALANCER)
    assert (found.stand_in_count, found.amphora_count) == (2, 5)
    assert len(cloud.requests) == 3


def test_a_cluster_that_is_not_looked_after_is_not_waited_for(client, cloud):
    cloud.answers["GET", CLUSTER] = (
        200,
        a_cluster(enabled=False, amphora_count=1),
    )
    found = client.wait_for_load_balancer_cluster(BALANCER)
    assert found.amphora_count == 1


def test_waiting_for_a_cluster_ends_with_its_reason(client, cloud):
    cloud.answers["GET", CLUSTER] = 200, a_cluster(amphora_count=1)
    with pytest.raises(exceptions.ResourceTimeout, match="so it is"):
        client.wait_for_load_balancer_cluster(BALANCER, wait=0.05)


def test_a_change_of_a_cluster_is_sent_whole_and_null_too(client, cloud):
    cloud.answers["PUT", CLUSTER] = 202, a_cluster(desired_size=4)
    changed = client.update_load_balancer_cluster(
        BALANCER, desired_size=4, autoscale=None, is_enabled=False
    )
    assert cloud.changes == [
        (
            "PUT",
            CLUSTER,
            {
                "cluster": {
                    "desired_size": 4,
                    "autoscale": None,
                    "enabled": False,
                }
            },
        )
    ]
    assert changed.desired_size == 4
