# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the controller stores as events, seen through the API."""

import pytest
from oslo_config import cfg
from sqlalchemy import event as sqlalchemy_event

from octavia_anycast import options
from octavia_anycast.controller.housekeeping.housekeeping import EVENTS, Purge
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.models import Amphora
from octavia_anycast.testing.controller_process import ControllerProcess
from octavia_anycast.tests.functional.controller.conftest import LB


@pytest.fixture
def stage(stage):
    """The peer is for every zone, so that there are sessions."""
    stage.api.settle()
    (peer,) = stage.api.call("GET", "/v2/lbaas/bgp-peers").body["bgp_peers"]
    answer = stage.api.call(
        "PUT",
        f"/v2/lbaas/bgp-peers/{peer['id']}",
        {"bgp_peer": {"availability_zone": None}},
    )
    assert answer.status == 200, answer.text
    stage.api.settle()
    return stage


@pytest.fixture
def serving(stage):
    """A cluster of two that announces; nothing that it tells is new."""
    stage.run()
    stage.add_listener()
    stage.run()
    stage.cloud.pass_time(10)
    stage.run()
    return stage


def shown(stage, query=""):
    path = f"{LB}/{stage.load_balancer_id}/events?sort=created_at:asc{query}"
    answer = stage.api.call("GET", path)
    assert answer.status == 200, answer.text
    return answer.body["events"]


def told(stage, query=""):
    return [
        (event["kind"], event["from_state"], event["to_state"])
        for event in shown(stage, query)
    ]


def lives(stage, query):
    """amphora_id -> the changes of its phase, sorted: time may stand still."""
    found = {}
    for event in shown(stage, f"{query}&kind=amphora.phase"):
        change = event["from_state"], event["to_state"]
        found.setdefault(event["amphora_id"], []).append(change)
    return {amphora_id: sorted(life) for amphora_id, life in found.items()}


def since(stage):
    """A filter: what happens from now on."""
    stage.cloud.pass_time(1)
    now = stage.cloud.clock()
    return f"&since={now.replace(tzinfo=None).isoformat()}"


def test_the_birth_of_a_cluster(serving):
    for machine in serving.cloud.of(serving.load_balancer_id):
        assert sorted(
            told(serving, f"&amphora_id={machine.amphora_id}")
        ) == sorted(
            [
                ("amphora.phase", "", "booting"),
                ("amphora.phase", "booting", "serving"),
                ("session.up", "", "up"),
                ("gate.open", "", "open"),
                ("amphora.announced", "withdrawn", "announced"),
            ]
        )
    assert told(serving, "&kind=status") == [("status", "OFFLINE", "ONLINE")]


def test_a_settled_cluster_tells_nothing(serving):
    said = []

    def note(_connection, _cursor, statement, *_):
        if "anycast_event" in statement or "told=" in statement:
            said.append(statement)

    before = told(serving)
    engine = serving.api.database.engine()
    sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    try:
        for _ in range(5):
            serving.controller.reconcile(serving.load_balancer_id)
            serving.cloud.pass_time(10)
    finally:
        sqlalchemy_event.remove(engine, "before_cursor_execute", note)
    assert said == []
    assert told(serving) == before


def test_a_lost_amphora_and_the_one_in_its_place(serving):
    victim = serving.cloud.of(serving.load_balancer_id)[0]
    now = since(serving)
    victim.has_power = False
    serving.cloud.pass_time(60)
    serving.run(seconds=120)

    of_victim = f"{now}&kind=amphora.phase&amphora_id={victim.amphora_id}"
    assert set(told(serving, of_victim)) == {
        ("amphora.phase", "serving", "silent"),
        ("amphora.phase", "silent", "deleted"),
    }
    assert "not heard of for" in shown(serving, of_victim)[0]["cause"]
    booted = [
        event
        for event in shown(serving, f"{now}&kind=amphora.phase")
        if event["to_state"] == "booting"
    ]
    assert [event["cause"] for event in booted] == [
        "it replaces another amphora"
    ]
    assert told(serving, f"{now}&kind=status") == [
        ("status", "ONLINE", "DEGRADED"),
        ("status", "DEGRADED", "ONLINE"),
    ]


def test_a_session_that_is_lost(serving):
    victim = serving.cloud.of(serving.load_balancer_id)[0]
    now = since(serving)
    serving.cloud.cut_sessions = {victim.amphora_id}
    serving.controller.reconcile(serving.load_balancer_id)
    serving.cloud.cut_sessions = set()
    serving.cloud.pass_time(1)
    serving.controller.reconcile(serving.load_balancer_id)

    events = shown(serving, f"{now}&amphora_id={victim.amphora_id}")
    assert [event["kind"] for event in events] == [
        "amphora.withdrawn",
        "session.down",
        "amphora.announced",
        "session.up",
    ]
    (down, up) = (event for event in events if event["peer_id"])
    assert down["peer_ip"] == up["peer_ip"] == "172.31.0.11"
    assert down["cause"] == "the session is Idle"


def test_a_gate_that_closes(serving):
    victim = serving.cloud.of(serving.load_balancer_id)[0]
    now = since(serving)
    victim.sockets = frozenset()
    serving.controller.reconcile(serving.load_balancer_id)
    assert ("gate.closed", "open", "closed") in told(serving, now)


def test_another_size_and_a_failover(serving):
    now = since(serving)
    path = f"{LB}/{serving.load_balancer_id}"
    serving.api.call(
        "PUT", f"{path}/cluster", {"cluster": {"desired_size": 3}}
    )
    serving.run()
    assert serving.api.call("PUT", f"{path}/failover").status == 202
    serving.run(seconds=600)

    assert told(serving, f"{now}&kind=scale") == [("scale", "2", "3")]
    assert told(serving, f"{now}&kind=failover") == [("failover", "0", "1")]
    for event in shown(serving, f"{now}&kind=scale&kind=failover"):
        assert "by request req-" in event["cause"]
    drains = [kind for kind, *_ in told(serving, f"{now}&kind=drain.begin")]
    assert drains == ["drain.begin"] * 3
    assert [e["cause"] for e in shown(serving, f"{now}&kind=drain.end")] == [
        e["cause"] for e in shown(serving, f"{now}&kind=drain.begin")
    ]


def test_another_controller_tells_nothing_twice(serving):
    before = told(serving)
    serving.restart()
    other = ControllerProcess(serving.cloud, options.read(cfg.CONF))
    try:
        for _ in range(3):
            other.reconcile(serving.load_balancer_id)
            serving.controller.reconcile(serving.load_balancer_id)
            serving.cloud.pass_time(5)
        assert told(serving) == before
        now = since(serving)
        victim = serving.cloud.of(serving.load_balancer_id)[0]
        serving.cloud.cut_sessions = {victim.amphora_id}
        other.reconcile(serving.load_balancer_id)
        serving.controller.reconcile(serving.load_balancer_id)
        assert told(serving, f"{now}&kind=session.down") == [
            ("session.down", "up", "down")
        ]
    finally:
        other.stop()


@pytest.mark.parametrize("at", range(1, 24))
def test_killed_at_any_step_it_tells_all_and_nothing_twice(serving, at):
    """The marks go with the events: either both are stored, or none."""
    now = since(serving)
    victim = serving.cloud.of(serving.load_balancer_id)[0]
    victim.has_power = False
    serving.cloud.pass_time(60)
    serving.cloud.die_in(at)
    serving.controller.run(serving.load_balancer_id, seconds=120)
    serving.restart()
    serving.run(seconds=120)

    born = lives(serving, now)
    assert born.pop(victim.amphora_id) == [
        ("serving", "silent"),
        ("silent", "deleted"),
    ]
    grown = [("", "booting"), ("booting", "serving")]
    assert list(born.values()).count(grown) == 1
    # At most one more: its row was there, and its server was not ordered.
    still = [("", "failed"), ("failed", "deleted")]
    assert [life for life in born.values() if life != grown] in ([], [still])


def test_amphorae_of_an_older_release_begin_without_events(serving):
    with serving.api.database.transaction() as session:
        for row in session.query(Amphora):
            row.told = None
        clusters.update(session, serving.load_balancer_id, told=None)
    before = told(serving)
    serving.controller.reconcile(serving.load_balancer_id)
    assert told(serving) == before
    with serving.api.database.transaction() as session:
        records = amphorae.list_for(session, serving.load_balancer_id)
        assert all(record.told for record in records)


def test_a_deleted_load_balancer_keeps_its_events_until_they_are_old(serving):
    amphora_ids = {
        m.amphora_id for m in serving.cloud.of(serving.load_balancer_id)
    }
    (distributor,) = serving.api.call("GET", "/v2/lbaas/distributors").body[
        "distributors"
    ]
    serving.delete()
    serving.run()

    gone = serving.api.call("GET", f"{LB}/{serving.load_balancer_id}/events")
    assert gone.status == 404, gone.text
    path = f"/v2/lbaas/distributors/{distributor['id']}/events"
    found = serving.api.call("GET", f"{path}?to_state=deleted").body["events"]
    assert {event["amphora_id"] for event in found} == amphora_ids
    assert {event["cause"] for event in found} == {
        "the load balancer is deleted"
    }

    purge = Purge(serving.controller.world)
    assert purge.run()[EVENTS] == 0
    age = serving.controller.world.settings.event_expiry_age
    serving.cloud.pass_time(age + 1)
    count = purge.find()[EVENTS]
    assert count > len(amphora_ids)
    assert purge.run()[EVENTS] == count
    assert serving.api.call("GET", path).body["events"] == []
