# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Statistics through Octavia's own API: summed, and never going back."""

import pytest

from octavia_anycast.model.heartbeat import Heartbeat, ListenerBeat
from octavia_anycast.octavia_adapter.load_balancer.statistics import (
    OctaviaStatistics,
)


@pytest.fixture
def listener(stage):
    stage.run()
    made = stage.add_listener()
    stage.run()
    return made["id"]


def beat(listener_id, amphora_id, **counters):
    return Heartbeat(
        amphora_id=amphora_id,
        listeners=(
            ListenerBeat(listener_id=listener_id, status="OPEN", **counters),
        ),
    )


def shown(stage, kind, identifier):
    path = f"/v2/lbaas/{kind}/{identifier}/stats"
    return stage.api.call("GET", path).body["stats"]


def test_sum_over_amphorae_and_time(stage, listener):
    statistics = OctaviaStatistics()
    for _ in range(2):
        statistics.add(
            [
                beat(listener, "a", bytes_in=10, total_connections=1),
                beat(listener, "b", bytes_in=5, bytes_out=7),
            ]
        )
    for kind, identifier in (
        ("listeners", listener),
        ("loadbalancers", stage.load_balancer_id),
    ):
        stats = shown(stage, kind, identifier)
        assert stats["bytes_in"] == 30
        assert stats["bytes_out"] == 14
        assert stats["total_connections"] == 2


def test_amphora_that_leaves_takes_only_its_active_connections(
    stage, listener
):
    statistics = OctaviaStatistics()
    statistics.add([beat(listener, "a", bytes_in=10)])
    statistics.set_active({listener: 7})
    assert shown(stage, "listeners", listener)["active_connections"] == 7
    statistics.set_active({listener: 3})
    statistics.add([beat(listener, "b", bytes_in=1)])
    stats = shown(stage, "listeners", listener)
    assert stats["active_connections"] == 3
    assert stats["bytes_in"] == 11


def test_heartbeat_of_a_deleted_listener_is_ignored(stage, listener):
    OctaviaStatistics().add([beat("gone", "a", bytes_in=10)])
    assert shown(stage, "loadbalancers", stage.load_balancer_id)[
        "bytes_in"
    ] == (0)
