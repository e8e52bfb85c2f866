# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling: from heartbeats and reports to amphorae, and back."""

import uuid
from dataclasses import dataclass, replace

import pytest

from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import amphora_statistics, amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.heartbeat import Heartbeat, ListenerBeat
from octavia_anycast.model.wire import CpuTime
from octavia_anycast.tests.functional.controller.conftest import LB

BEAT_SECONDS = 3
LOOK_SECONDS = 6
DELAY = 30


@dataclass
class Load:
    """Traffic on a listener, spread over all that announce.

    ``connections`` are open, ``rate`` new ones and ``byte_rate`` bytes come
    a second, ``cpu`` percent are used on each.
    """

    stage: object
    listener_id: str
    connections: int = 0
    rate: int = 0
    byte_rate: int = 0
    silent: frozenset[str] = frozenset()
    seconds: int = 0

    def run(self, seconds):
        """Let time pass: heartbeats come, the controller looks."""
        stage = self.stage
        stage.cloud.do_heartbeats_arrive = False  # those with counts do
        for _ in range(seconds // BEAT_SECONDS):
            stage.cloud.pass_time(BEAT_SECONDS)
            self.seconds += BEAT_SECONDS
            self._beat()
            if self.seconds % LOOK_SECONDS == 0:
                stage.controller.reconcile(stage.load_balancer_id)
        assert stage.controller.errors == []
        assert stage.cloud.violations == []

    def _beat(self):
        stage = self.stage
        serving = stage.cloud.announcers(stage.load_balancer_id)
        with stage.api.database.transaction() as session:
            for machine in serving:
                if machine.amphora_id not in self.silent:
                    heartbeat.touch(
                        session,
                        machine.amphora_id,
                        stage.cloud.now,
                        is_beat=True,
                    )
                    amphora_statistics.add(
                        session, [self._heartbeat(machine, len(serving))]
                    )

    def _heartbeat(self, machine, count):
        return Heartbeat(
            amphora_id=machine.amphora_id,
            listeners=(
                ListenerBeat(
                    listener_id=self.listener_id,
                    status="OPEN",
                    active_connections=self.connections // count,
                    total_connections=self.rate * BEAT_SECONDS // count,
                    bytes_out=self.byte_rate * BEAT_SECONDS // count,
                ),
            ),
        )


@pytest.fixture
def load(stage):
    """A load balancer of two with a listener, and no traffic yet."""
    stage.run()
    listener = stage.add_listener()
    stage.run()
    return Load(stage, listener["id"])


def autoscale(stage, metric, target, **attributes):
    body = {
        "cluster": {
            "max_size": 5,
            "autoscale": {
                "metric": metric,
                "target": target,
                "scale_in_delay": DELAY,
            },
        }
        | attributes
    }
    path = f"{LB}/{stage.load_balancer_id}/cluster"
    answer = stage.api.call("PUT", path, body)
    assert answer.status == 202, answer.text


def shown(stage):
    path = f"{LB}/{stage.load_balancer_id}/cluster"
    return stage.api.call("GET", path).body["cluster"]


def count(stage):
    return len(stage.cloud.announcers(stage.load_balancer_id))


def test_without_being_asked_for_nothing_is_scaled(stage, load):
    load.connections = 1_000_000
    load.run(60)
    assert count(stage) == 2


@pytest.mark.parametrize(
    ("metric", "target", "kind"),
    [
        ("connections", 100, "connections"),
        ("session_rate", 100, "rate"),
        ("bytes", 100, "byte_rate"),
    ],
)
def test_it_grows_under_load_and_shrinks_without(
    stage, load, metric, target, kind
):
    autoscale(stage, metric, target)
    setattr(load, kind, 400)
    load.run(60)
    assert count(stage) == 4
    assert stage.show()["provisioning_status"] == "ACTIVE"
    cluster = shown(stage)
    assert cluster["desired_size"] == 4
    assert f"scaled out from 2 to 4: {metric}" in cluster["scaling_reason"]
    assert cluster["scaled_at"]

    setattr(load, kind, 40)
    load.run(DELAY // 2)
    assert count(stage) == 4
    load.run(4 * DELAY)
    assert count(stage) == 1
    cluster = shown(stage)
    assert cluster["desired_size"] == 1
    assert cluster["scaling_reason"].startswith("scaled in from 2 to 1")


def test_growth_is_no_replacement_and_a_loss_thereafter_is(stage, load):
    autoscale(stage, "connections", 100)
    load.connections = 400
    use_up_the_replacement_limit(stage)
    load.run(60)
    assert count(stage) == 4
    victim = stage.cloud.of(stage.load_balancer_id)[0]
    del stage.cloud.machines[victim.server_id]
    use_up_the_replacement_limit(stage)
    load.run(20)
    assert count(stage) == 3
    assert "held by the replacement limit" in shown(stage)["reason"]


def use_up_the_replacement_limit(stage):
    """Others' replacements are under way."""
    world = stage.controller.world
    with stage.api.database.transaction() as session:
        for _ in range(world.settings.policy.replacement_limit):
            amphorae.create(
                session,
                AmphoraRecord(
                    id=str(uuid.uuid4()),
                    load_balancer_id="other",
                    status=AmphoraStatus.BOOTING,
                    status_since=world.now(),
                    is_replacing=True,
                ),
            )


def test_a_steady_load_is_left_alone(stage, load):
    autoscale(stage, "session_rate", 100)
    load.rate = 200
    load.run(5 * DELAY)
    assert count(stage) == 2
    assert shown(stage)["scaled_at"] is None


def test_the_most_and_the_least_are_kept(stage, load):
    autoscale(stage, "connections", 100, min_size=2)
    load.connections = 100_000
    load.run(60)
    assert count(stage) == 5
    load.connections = 0
    load.run(6 * DELAY)
    assert count(stage) == 2


def test_the_processors_decide_if_asked_for(stage, load):
    used = {"percent": 90.0}
    ask = stage.cloud.get_report
    busy = {}

    def get_report(amphora_id, address):
        now = stage.cloud.now.timestamp()
        spent, since = busy.get(amphora_id, (0.0, now))
        spent += (now - since) * used["percent"] / 100
        busy[amphora_id] = spent, now
        return replace(
            ask(amphora_id, address),
            cpu=CpuTime(busy_seconds=spent, total_seconds=now),
        )

    stage.cloud.get_report = get_report
    autoscale(stage, "cpu", 60)
    load.run(60)
    assert count(stage) > 2
    used["percent"] = 1.0
    load.run(6 * DELAY)
    assert count(stage) == 1


def test_an_agent_that_does_not_tell_its_processors_changes_nothing(
    stage, load
):
    autoscale(stage, "cpu", 60)
    load.run(3 * DELAY)
    assert count(stage) == 2


def test_what_sends_no_heartbeats_is_not_taken_for_idle(stage, load):
    autoscale(stage, "connections", 100)
    load.connections = 150
    load.run(30)
    quiet = stage.cloud.announcers(stage.load_balancer_id)[0]
    load.silent = frozenset({quiet.amphora_id})
    load.connections = 20
    load.run(5 * DELAY)
    assert count(stage) == 2


def test_a_new_controller_waits_before_it_shrinks_anything(stage, load):
    autoscale(stage, "connections", 100)
    load.connections = 20
    load.run(DELAY - 9)
    stage.restart()
    load.run(DELAY - 9)
    assert count(stage) == 2
    load.run(DELAY)
    assert count(stage) == 1


def test_a_cluster_that_is_not_looked_after_is_not_scaled(stage, load):
    autoscale(stage, "connections", 100, enabled=False)
    load.connections = 1000
    load.run(60)
    assert count(stage) == 2


def test_it_cools_down_after_its_user_changed_the_size(stage, load):
    autoscale(stage, "connections", 100, cooldown=120)
    # The API's clock is the real one: its change is put where ours is.
    with stage.api.database.transaction() as session:
        clusters.update(
            session, stage.load_balancer_id, scaled_at=stage.cloud.now
        )
    load.connections = 1000
    load.run(110)
    assert count(stage) == 2
    load.run(60)
    assert count(stage) == 5


def test_boots_that_fail_do_not_make_it_want_more(stage, load):
    autoscale(stage, "connections", 100)
    load.connections = 290
    stage.cloud.build_error = "quota exceeded"
    load.run(30)
    assert shown(stage)["desired_size"] == 3
    load.connections = 5000
    stage.controller.errors.clear()
    load.run(60)
    assert shown(stage)["desired_size"] == 3
    with stage.api.database.transaction() as session:
        booted = [
            record
            for record in amphorae.list_for(session, stage.load_balancer_id)
            if record.status is AmphoraStatus.ALLOCATED
        ]
    assert len(booted) == 2


def test_what_its_user_says_meanwhile_wins(stage, load):
    autoscale(stage, "connections", 100)
    load.connections = 400
    observe = stage.cloud.get_report
    said = []

    def get_report(amphora_id, address):
        # Between the controller's look and its decision.
        if load.seconds > 20 and not said:
            said.append(True)
            autoscale(stage, "connections", 100, desired_size=3)
        return observe(amphora_id, address)

    stage.cloud.get_report = get_report
    with stage.api.database.transaction() as session:
        clusters.update(
            session,
            stage.load_balancer_id,
            cooldown_seconds=20,
            scaled_at=stage.cloud.now,
        )
    load.run(30)
    assert said
    assert shown(stage)["desired_size"] == 3
    assert shown(stage)["scaling_reason"] == ""
