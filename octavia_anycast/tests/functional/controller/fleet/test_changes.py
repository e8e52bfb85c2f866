# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The fleet gets another image: through the API, by the real controller."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.controller.amphora.rotation import Rotation
from octavia_anycast.controller.fleet.changes import (
    PASSED_OVER,
    FleetChanges,
)
from octavia_anycast.controller.housekeeping.housekeeping import (
    FLEET_CHANGES,
    Purge,
)
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.models import AmphoraReport
from octavia_anycast.model.cluster import ComputeState, Server
from octavia_anycast.model.errors import Retryable
from octavia_anycast.testing.fakes.fake_cloud import Died
from octavia_anycast.tests.functional.controller.fleet.telling import told

PATH = "/v2/lbaas/fleet-changes"
SOAK = 20


@pytest.fixture
def serving(stage):
    """A cluster of two that announces, of the image image-1."""
    stage.cloud.now = datetime.now(UTC)
    stage.run()
    stage.add_listener()
    stage.run()
    assert images(stage) == ["image-1", "image-1"]
    stage.cloud.image_id = "image-2"
    stage.cloud.pass_time(60)
    return stage


def records(stage):
    with stage.api.database.transaction() as session:
        return amphorae.list_for(session, stage.load_balancer_id)


def images(stage):
    return sorted(record.image_id or "" for record in records(stage))


def has_drained(stage):
    return any(record.drained_at is not None for record in records(stage))


def announcers(stage):
    return stage.cloud.announcers(stage.load_balancer_id)


def ask(stage, **wanted):
    body = {"kind": "image", "soak": SOAK} | wanted
    answer = stage.api.call("POST", PATH, {"fleet_change": body})
    assert answer.status == 201, answer.text
    return answer.body["fleet_change"]["id"]


def turn(stage, id_, state):
    body = {"fleet_change": {"state": state}}
    answer = stage.api.call("PUT", f"{PATH}/{id_}", body)
    assert answer.status == 200, answer.text
    return answer.body["fleet_change"]


def show(stage, id_):
    return stage.api.call("GET", f"{PATH}/{id_}").body["fleet_change"]


def changes_of(stage):
    world = stage.controller.world
    return FleetChanges(world, Rotation(world, free_lock).rotate)


def look(stage):
    made = changes_of(stage)
    for key in made.pending(lambda _: None):
        made.reconcile(key)


@contextmanager
def free_lock(name):
    yield True


def run(stage, seconds, until=lambda: False, least=2):
    for _ in range(seconds):
        look(stage)
        stage.controller.reconcile(stage.load_balancer_id)
        assert len(announcers(stage)) >= least
        assert stage.cloud.violations == []
        if until():
            return True
        stage.cloud.pass_time(1)
    return until()


def state_is(stage, id_, state):
    return lambda: show(stage, id_)["state"] == state


def test_a_canary_then_the_rest(serving):
    id_ = ask(serving)
    assert show(serving, id_)["waiting_count"] == 2
    assert run(serving, 90, lambda: has_drained(serving))
    assert len(records(serving)) == 3, "the old one waits beside its stand-in"
    assert not show(serving, id_)["proven"]
    assert run(serving, 200, state_is(serving, id_, "DONE"))
    serving.run(120)
    assert images(serving) == ["image-2", "image-2"]
    shown = show(serving, id_)
    assert shown["replaced_count"] == 2
    assert shown["reason"] == "all are replaced"
    assert serving.show()["operating_status"] == "ONLINE"
    found = serving.api.call("GET", "/v2/lbaas/fleet").body["fleet"]
    assert found["images"] == [
        {
            "image_id": "image-2",
            "amphora_count": 2,
            "load_balancer_count": 1,
        }
    ]
    assert found["fleet_change_id"] == id_
    look(serving)
    assert Purge(serving.controller.world).find()[FLEET_CHANGES] == 0


def test_the_same_image_again_changes_one_and_no_more(serving):
    serving.cloud.image_id = "image-1"
    id_ = ask(serving)
    assert run(serving, 200, state_is(serving, id_, "DONE"))
    assert show(serving, id_)["replaced_count"] == 1


def test_a_boot_that_fails_halts_it_and_the_canary_is_taken_back(serving):
    old = {record.id for record in records(serving)}
    id_ = ask(serving)
    serving.cloud.build_fault = "no bootable device"
    assert run(serving, 90, state_is(serving, id_, "HALTED"))
    assert "no bootable device" in show(serving, id_)["reason"]
    serving.cloud.build_fault = ""
    run(serving, 60)
    serving.run(120)
    assert {record.id for record in records(serving)} == old
    assert len(announcers(serving)) == 2
    assert show(serving, id_)["under_way_count"] == 0

    turn(serving, id_, "RUNNING")
    assert run(serving, 400, state_is(serving, id_, "DONE"))


def test_each_state_is_told_of_once_and_why(serving):
    id_ = ask(serving, canaries=0)
    serving.cloud.build_fault = "no bootable device"
    assert run(serving, 90, state_is(serving, id_, "HALTED"))
    run(serving, 5)
    turn(serving, id_, "ABORTED")
    run(serving, 5)  # events of one moment are in no order
    found = told(serving, "fleet.change")
    assert [states for *states, _ in found] == [
        ["", "RUNNING"],
        ["RUNNING", "HALTED"],
        ["HALTED", "ABORTED"],
    ]
    for _, _, cause in found:
        assert cause.startswith(f"fleet change {id_} (image)")
    assert "no bootable device" in found[1][2]
    assert found[2][2].endswith(": an operator aborted it")


def test_a_gate_that_closes_takes_the_canary_back(serving):
    old = {record.id for record in records(serving)}
    id_ = ask(serving, soak=600)

    assert run(serving, 90, lambda: has_drained(serving))
    (new,) = (
        m for m in serving.cloud.machines.values() if m.image_id == "image-2"
    )
    new.sockets = frozenset()
    assert run(serving, 120, state_is(serving, id_, "HALTED"), least=1)
    assert "health gate not UP for" in show(serving, id_)["reason"]
    run(serving, 120, least=1)
    serving.run(120)
    assert {record.id for record in records(serving)} == old
    assert len(announcers(serving)) == 2


def test_paused_resumed_aborted(serving):
    id_ = ask(serving, canaries=0)
    assert turn(serving, id_, "PAUSED")["state"] == "PAUSED"
    run(serving, 20)
    assert images(serving) == ["image-1", "image-1"]
    assert turn(serving, id_, "RUNNING")["reason"] == ""
    assert run(serving, 60, lambda: "image-2" in images(serving))
    turn(serving, id_, "PAUSED")
    run(serving, 60)
    serving.run(120)
    assert images(serving) == ["image-1", "image-2"], "it ends what it began"
    assert turn(serving, id_, "ABORTED")["state"] == "ABORTED"
    run(serving, 20)
    assert images(serving) == ["image-1", "image-2"]
    body = {"fleet_change": {"state": "RUNNING"}}
    answer = serving.api.call("PUT", f"{PATH}/{id_}", body)
    assert answer.status == 409
    assert "is ABORTED: it has ended." in answer.fault


def test_aborted_in_the_middle_of_a_canary(serving):
    old = {record.id for record in records(serving)}
    id_ = ask(serving, soak=600)
    assert run(serving, 60, lambda: "image-2" in images(serving))
    turn(serving, id_, "ABORTED")
    run(serving, 60)
    serving.run(120)
    assert {record.id for record in records(serving)} == old
    assert len(announcers(serving)) == 2


@pytest.mark.parametrize("step", [1, 3, 8, 15, 25, 40, 60])
def test_a_controller_that_dies_in_the_middle(serving, step):
    id_ = ask(serving)
    serving.cloud.die_in(step)
    while not serving.cloud.is_dead:
        try:
            look(serving)
            serving.controller.reconcile(serving.load_balancer_id)
        except Died:
            break
        serving.cloud.pass_time(1)
    serving.restart()
    assert run(serving, 400, state_is(serving, id_, "DONE"))
    serving.run(120)
    assert images(serving) == ["image-2", "image-2"]


def test_images_of_an_older_release_are_looked_up(serving):
    with serving.api.database.transaction() as session:
        for record in records(serving):
            amphorae.update(session, record.id, image_id=None)
    id_ = ask(serving)
    look(serving)
    assert images(serving) == ["image-1", "image-1"]
    assert show(serving, id_)["under_way_count"] == 0


def test_a_canary_that_an_operator_drains_is_his(serving):
    id_ = ask(serving, soak=600)
    look(serving)
    (canary,) = (r for r in records(serving) if r.stand_in_wanted)
    path = f"/v2/octavia/amphorae/{canary.id}/drain"
    assert serving.api.call("PUT", path).status == 202
    (his,) = (r for r in records(serving) if r.id == canary.id)
    assert his.fleet_change_id is None
    assert his.drain_wanted_since == canary.drain_wanted_since
    turn(serving, id_, "ABORTED")
    look(serving)
    assert show(serving, id_)["under_way_count"] == 0
    assert changes_of(serving).pending(lambda _: None) == {}
    assert serving.api.call("DELETE", path).status == 204


def test_one_of_no_known_image_holds_up_nobody_else(serving, monkeypatch):
    """Its server is stopped, and Nova tells nothing more of it."""
    first, second = sorted(records(serving), key=lambda r: r.id)
    with serving.api.database.transaction() as session:
        own = replace(
            second, id="0" * 36, load_balancer_id=None, compute_id="own"
        )
        amphorae.create(session, own)
        for record in (first, second):
            amphorae.update(session, record.id, image_id=None)
    asked = []
    is_mute = True
    real = serving.cloud.look

    def answer(server_id, tree):
        asked.append(server_id)
        if server_id == first.compute_id and is_mute:
            return Server(state=ComputeState.UNKNOWN)
        return real(server_id, tree)

    monkeypatch.setattr(serving.cloud, "look", answer)
    made = changes_of(serving)
    id_ = ask(serving, canaries=0)
    for _ in range(3):
        made.reconcile(id_)
    shown = show(serving, id_)
    assert shown["state"] == "RUNNING"
    assert shown["held_count"] == 1
    assert shown["under_way_count"] == 1, "the other one"
    assert (
        f"1 amphorae are held, whose images are not known; one is {first.id}: "
        "its server does not run" in shown["reason"]
    )
    assert "own" not in asked
    is_mute = False
    made.reconcile(id_)
    made.reconcile(id_)
    assert show(serving, id_)["held_count"] == 0
    assert show(serving, id_)["reason"] == ""


def test_a_stopped_server_has_an_image_all_the_same(serving, monkeypatch):
    with serving.api.database.transaction() as session:
        for record in records(serving):
            amphorae.update(session, record.id, image_id=None)
    stopped = Server(state=ComputeState.UNKNOWN, image_id="image-1")
    monkeypatch.setattr(serving.cloud, "look", lambda *_: stopped)
    ask(serving)
    look(serving)
    assert images(serving) == ["image-1", "image-1"]


def test_a_host_is_emptied(serving):
    id_ = ask(serving, kind="host", compute_host="host1", canaries=0)
    before = {record.id for record in records(serving)}
    assert run(serving, 300, state_is(serving, id_, "DONE"))
    assert not before & {record.id for record in records(serving)}


def certificates(stage):
    return sorted(m.certificates for m in stage.cloud.machines.values())


def test_each_agent_gets_a_new_certificate(serving):
    before = certificates(serving)
    id_ = ask(serving, kind="certificate")
    assert show(serving, id_)["waiting_count"] == 2
    look(serving)
    assert show(serving, id_)["replaced_count"] == 1, "the canary alone"
    assert show(serving, id_)["proven"]
    assert run(serving, 20, state_is(serving, id_, "DONE"))
    assert certificates(serving) == [count + 1 for count in before]
    assert show(serving, id_)["replaced_count"] == 2
    assert images(serving) == ["image-1", "image-1"], "none is replaced"


def test_an_agent_that_takes_none_halts_it(serving):
    id_ = ask(serving, kind="certificate")
    serving.cloud.raises["install certificate"] = Retryable("disk full")
    look(serving)
    shown = show(serving, id_)
    assert shown["state"] == "HALTED"
    assert "got no new certificate: disk full" in shown["reason"]
    serving.cloud.raises.clear()
    turn(serving, id_, "RUNNING")
    assert run(serving, 20, state_is(serving, id_, "DONE"))


def test_a_busy_canary_proves_no_certificate(serving):
    @contextmanager
    def taken(name):
        yield False

    id_ = ask(serving, kind="certificate")
    world = serving.controller.world
    FleetChanges(world, Rotation(world, taken).rotate).reconcile(id_)
    assert not show(serving, id_)["proven"]
    assert show(serving, id_)["replaced_count"] == 0
    look(serving)
    assert show(serving, id_)["proven"]


def test_a_silent_agent_is_held_and_the_others_get_theirs(serving):
    first = min(records(serving), key=lambda r: r.id)
    with serving.api.database.transaction() as session:
        session.get(AmphoraReport, first.id).reported_at -= timedelta(hours=1)
    id_ = ask(serving, kind="certificate")
    for _ in range(3):
        look(serving)
    shown = show(serving, id_)
    assert shown["state"] == "RUNNING"
    assert shown["replaced_count"] == 1
    assert first.id in shown["reason"]


def test_an_agent_that_never_answered_is_held(serving):
    """It boots: nobody may ask it for anything yet."""
    first = min(records(serving), key=lambda r: r.id)
    with serving.api.database.transaction() as session:
        session.delete(session.get(AmphoraReport, first.id))
    serving.cloud.calls.clear()
    id_ = ask(serving, kind="certificate")
    look(serving)
    look(serving)
    shown = show(serving, id_)
    assert (shown["state"], shown["replaced_count"]) == ("RUNNING", 1)
    assert (shown["held_count"], shown["waiting_count"]) == (1, 0)
    assert first.id in shown["reason"]
    assert serving.cloud.calls.count("install certificate") == 1


def test_an_agent_that_died_just_now_halts_nothing(serving):
    """Its last report is young; another one proves the certificates."""
    id_ = ask(serving, kind="certificate")
    made = changes_of(serving)
    serving.cloud.refuse["served serial"] = 1
    serving.cloud.calls.clear()
    made.reconcile(id_)
    assert not show(serving, id_)["proven"]
    assert "install certificate" not in serving.cloud.calls
    made.reconcile(id_)
    assert show(serving, id_)["proven"]
    made.reconcile(id_)
    shown = show(serving, id_)
    assert (shown["state"], shown["replaced_count"]) == ("RUNNING", 1)
    assert "whose agents do not answer" in shown["reason"]
    serving.cloud.pass_time(PASSED_OVER.total_seconds() + 1)
    serving.run()
    made.reconcile(id_)
    made.reconcile(id_)
    assert show(serving, id_)["state"] == "DONE"


def test_an_agent_that_died_of_its_certificate_halts_it(serving):
    """It answered before: it may be what it was given."""
    id_ = ask(serving, kind="certificate")

    def die(machine):
        serving.cloud.refuse["served serial"] = 1

    serving.cloud.on_certificate = die
    look(serving)
    assert show(serving, id_)["state"] == "HALTED"
