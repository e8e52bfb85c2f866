# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is disabled, from the API to statuses and announcements.

Three switches that look alike: ``admin_state_up`` of the load balancer, that
of what is in it, and ``enabled`` of its cluster, which is the manager's.
"""

import pytest

from octavia_anycast.planning.amphora.scaling import NOT_MANAGED
from octavia_anycast.planning.cluster.status import DISABLED
from octavia_anycast.tests.functional.controller.conftest import LB
from octavia_anycast.tests.functional.controller.looks import fail_over, look

LISTENERS = "/v2/lbaas/listeners"
SIZE = 2


@pytest.fixture
def serving(stage):
    """A cluster of two that announces."""
    stage.run()
    stage.listener_id = stage.add_listener()["id"]
    stage.run()
    assert len(announcers(stage)) == SIZE
    return stage


def announcers(stage):
    return stage.cloud.announcers(stage.load_balancer_id)


def switch(stage, *, is_up, listener_id=None):
    """Enable or disable the load balancer, or one listener of it."""
    if not is_up:
        stage.cloud.stopping = frozenset({stage.load_balancer_id})
    kind, path = "loadbalancer", f"{LB}/{stage.load_balancer_id}"
    if listener_id:
        kind, path = "listener", f"{LISTENERS}/{listener_id}"
    answer = stage.api.call("PUT", path, {kind: {"admin_state_up": is_up}})
    assert answer.status == 200, answer.text
    stage.run()
    if is_up:
        stage.cloud.stopping = frozenset()


def put(stage, **given):
    path = f"{LB}/{stage.load_balancer_id}/cluster"
    answer = stage.api.call("PUT", path, {"cluster": given})
    assert answer.status == 202, answer.text


def cluster(stage):
    path = f"{LB}/{stage.load_balancer_id}/cluster"
    return stage.api.call("GET", path).body["cluster"]


def statuses(stage):
    """Those of the load balancer and of its cluster."""
    found = (
        stage.show()["operating_status"],
        cluster(stage)["operating_status"],
    )
    assert stage.show()["provisioning_status"] == "ACTIVE"
    return found


OFFLINE, ONLINE = ("OFFLINE", "OFFLINE"), ("ONLINE", "ONLINE")


def test_a_disabled_load_balancer_and_its_cluster_are_offline(serving):
    switch(serving, is_up=False)
    assert announcers(serving) == []
    assert statuses(serving) == OFFLINE
    assert cluster(serving)["reason"] == (
        f"{DISABLED}; 2 of 2 amphorae ready, nothing to announce"
    )
    switch(serving, is_up=True)
    assert len(announcers(serving)) == SIZE
    assert statuses(serving) == ONLINE
    assert DISABLED not in cluster(serving)["reason"]


def test_a_disabled_one_is_kept_whole(serving):
    """It is OFFLINE all the while, and the reason says how many there are."""
    switch(serving, is_up=False)
    lost = serving.cloud.of(serving.load_balancer_id)[0]
    lost.has_power = False
    serving.cloud.pass_time(100)
    serving.controller.reconcile(serving.load_balancer_id)
    assert statuses(serving) == OFFLINE
    assert cluster(serving)["reason"].startswith(f"{DISABLED}; 1 of 2")
    serving.run(200)
    found = serving.cloud.of(serving.load_balancer_id)
    assert len(found) == SIZE
    assert lost not in found
    assert statuses(serving) == OFFLINE
    switch(serving, is_up=True)
    assert len(announcers(serving)) == SIZE
    assert statuses(serving) == ONLINE


def test_a_disabled_one_is_failed_over(serving):
    switch(serving, is_up=False)
    before = {m.amphora_id for m in serving.cloud.machines.values()}
    fail_over(serving)
    serving.run(300)
    after = {m.amphora_id for m in serving.cloud.machines.values()}
    assert not before & after
    assert len(after) == SIZE
    assert statuses(serving) == OFFLINE


def test_a_disabled_one_keeps_its_spare(serving):
    put(serving, spare_count=1)
    serving.run()
    switch(serving, is_up=False)
    assert len(serving.cloud.machines) == SIZE + 1
    assert statuses(serving) == OFFLINE
    assert "1 of 1 spares ready" in cluster(serving)["reason"]
    switch(serving, is_up=True)
    assert len(announcers(serving)) == SIZE
    assert len(serving.cloud.machines) == SIZE + 1
    assert statuses(serving) == ONLINE


def test_disabled_while_one_drains(serving):
    put(serving, desired_size=1)
    serving.controller.reconcile(serving.load_balancer_id)
    assert len(serving.cloud.machines) == SIZE
    switch(serving, is_up=False)
    serving.run(200)
    assert len(serving.cloud.machines) == 1
    assert announcers(serving) == []
    assert statuses(serving) == OFFLINE


def test_a_new_one_without_a_listener_is_offline_when_disabled(stage):
    stage.run()
    switch(stage, is_up=False)
    assert statuses(stage) == OFFLINE


def test_with_all_listeners_disabled_it_is_online_as_octavias(serving):
    """Octavia's amphora provider says so: a heartbeat comes, all is well."""
    switch(serving, is_up=False, listener_id=serving.listener_id)
    assert announcers(serving) == []
    assert statuses(serving) == ONLINE
    assert cluster(serving)["reason"] == (
        "2 of 2 amphorae ready, nothing to announce"
    )
    switch(serving, is_up=True, listener_id=serving.listener_id)
    assert len(announcers(serving)) == SIZE
    assert statuses(serving) == ONLINE


def test_one_of_two_listeners_disabled(serving):
    serving.add_listener(81)
    serving.run()
    switch(serving, is_up=False, listener_id=serving.listener_id)
    assert len(announcers(serving)) == SIZE
    assert statuses(serving) == ONLINE
    for machine in announcers(serving):
        assert {s.port for s in machine.state.listeners} == {81}


def test_a_cluster_that_is_not_managed_serves_and_says_so(serving):
    """OFFLINE would be wrong: nobody has stopped the traffic."""
    put(serving, enabled=False, desired_size=1)
    look(serving, 60)
    assert len(announcers(serving)) == SIZE
    assert statuses(serving) == ONLINE
    assert NOT_MANAGED in cluster(serving)["reason"]
    put(serving, enabled=True, desired_size=SIZE)
    serving.run()
    assert statuses(serving) == ONLINE
    assert NOT_MANAGED not in cluster(serving)["reason"]


def test_disabled_and_not_managed(serving):
    put(serving, enabled=False)
    switch(serving, is_up=False)
    assert announcers(serving) == []
    assert statuses(serving) == OFFLINE
    reason = cluster(serving)["reason"]
    assert reason.startswith(DISABLED)
    assert NOT_MANAGED in reason
