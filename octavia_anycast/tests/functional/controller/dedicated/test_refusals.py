# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What fails with a distributor's own amphorae ends in ERROR, in time.

With its sentence; and no distributor is lost by that: it can be changed and
deleted at any moment, and when the cause is gone it heals by itself.
"""

import pytest
from oslo_config import cfg

from octavia_anycast import options
from octavia_anycast.controller.amphora.look import AmphoraObserver
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.model.errors import AnycastError, Permanent, Retryable
from octavia_anycast.testing.controller_process import ControllerProcess
from octavia_anycast.tests.functional.controller.dedicated.test_life import (
    AMPHORAE,
    BODY,
    PATH,
    Stage,
)

SENTENCE = "Flavor amphora could not be found (HTTP 404)"
# refused_after, three boots with their back-off, and the look that tells.
STATED_SECONDS = 60


def shown(stage):
    answer = stage.api.call("GET", f"{PATH}/{stage.id}")
    if answer.status == 404:
        return {"provisioning_status": "DELETED", "status_reason": ""}
    return answer.body["distributor"]


def status(stage):
    return shown(stage)["provisioning_status"]


def look(stage, seconds, until=None, step=5):
    """Let time pass; how long it took until the status was that."""
    for second in range(0, seconds, step):
        for part in (
            stage.controller.dedicated,
            stage.controller.distributors,
        ):
            try:
                part.reconcile(stage.id)
            except AnycastError as e:
                stage.controller.errors.append(e)
        if until and status(stage) == until:
            return second
        stage.cloud.pass_time(step)
    assert stage.cloud.violations == []
    return seconds


def failures(stage):
    with stage.api.database.transaction() as session:
        return amphorae.failures_since(
            session,
            stage.id,
            stage.cloud.now.replace(year=2000),
            is_dedicated=True,
        )


def boot(stage):
    """It has not booted any yet."""


def announce(stage):
    stage.run()
    stage.api.create(stage.vips, BODY)


def fail_over(stage):
    stage.run()
    victim = stage.machines()[0].amphora_id
    assert stage.api.call("PUT", f"{AMPHORAE}/{victim}/failover").status == 202


def configure(stage):
    stage.run()
    one = stage.machines()[0].amphora_id
    assert stage.api.call("PUT", f"{AMPHORAE}/{one}/config").status == 202


def shrink(stage):
    stage.run()
    body = {"distributor": {"dedicated_count": 1}}
    assert stage.api.call("PUT", f"{PATH}/{stage.id}", body).status == 200


def delete(stage):
    stage.run()
    stage.cloud.stopping = frozenset(("None",))
    path = f"{PATH}/{stage.id}?cascade=true"
    assert stage.api.call("DELETE", path).status == 204


REFUSALS = [
    # what is asked for, and the call that is refused
    (boot, "build"),
    (boot, "put state"),
    (announce, "put state"),
    (fail_over, "build"),
    (fail_over, "put state"),
    (fail_over, "delete server"),
    (fail_over, "release"),
    (configure, "update agent"),
    (shrink, "delete server"),
    (shrink, "release"),
    (delete, "delete server"),
    (delete, "release"),
]


@pytest.fixture
def stage(api):
    stage = Stage(api)
    yield stage
    stage.controller.stop()


@pytest.mark.parametrize(
    ("ask", "call"),
    REFUSALS,
    ids=[f"{ask.__name__}-{call}" for ask, call in REFUSALS],
)
def test_what_is_refused_ends_in_error_and_heals(stage, ask, call):
    ask(stage)
    stage.cloud.raises[call] = Permanent(SENTENCE)

    took = look(stage, STATED_SECONDS, "ERROR")

    assert took < STATED_SECONDS, shown(stage)
    look(stage, 10)
    assert status(stage) == "ERROR"
    assert SENTENCE in shown(stage)["status_reason"]
    stage.cloud.raises.clear()
    wanted = "DELETED" if ask is delete else "ACTIVE"
    look(stage, 400, wanted)
    assert status(stage) == wanted
    if ask is not delete:
        stage.run(400)
        assert shown(stage)["status_reason"] == ""


@pytest.mark.parametrize(
    ("ask", "call"),
    [(boot, "build"), (announce, "put state"), (fail_over, "delete server")],
)
def test_one_in_error_can_be_changed_and_deleted(stage, ask, call):
    ask(stage)
    stage.cloud.raises[call] = Permanent(SENTENCE)
    look(stage, STATED_SECONDS, "ERROR")
    answer = stage.api.call(
        "PUT", f"{PATH}/{stage.id}", {"distributor": {"name": "changed"}}
    )
    assert answer.status == 200, answer.text

    stage.cloud.stopping = frozenset(("None",))
    path = f"{PATH}/{stage.id}?cascade=true"
    assert stage.api.call("DELETE", path).status == 204
    if call != "delete server":
        look(stage, STATED_SECONDS, "DELETED")
        assert status(stage) == "DELETED"
        assert stage.machines() == []


def test_a_deletion_does_not_wait_for_agents_to_withdraw(stage):
    announce(stage)
    stage.run()
    delete(stage)
    stage.cloud.raises["put state"] = Permanent(SENTENCE)
    look(stage, STATED_SECONDS, "DELETED")
    assert status(stage) == "DELETED"
    assert stage.machines() == []


@pytest.mark.parametrize("call", ["delete server", "release"])
def test_a_deletion_that_failed_can_be_asked_for_again(stage, call):
    delete(stage)
    stage.cloud.raises[call] = Permanent(SENTENCE)
    look(stage, STATED_SECONDS, "ERROR")
    # The work on it goes on: nothing is brought up again.
    builds = stage.cloud.calls.count("build")
    look(stage, 20)
    assert status(stage) == "ERROR"
    assert stage.cloud.calls.count("build") == builds
    path = f"{PATH}/{stage.id}?cascade=true"
    assert stage.api.call("DELETE", path).status == 204
    assert status(stage) == "PENDING_DELETE"
    look(stage, STATED_SECONDS, "ERROR")
    assert SENTENCE in shown(stage)["status_reason"]
    stage.cloud.raises.clear()
    look(stage, STATED_SECONDS, "DELETED")
    assert status(stage) == "DELETED"


def test_a_change_takes_a_deletion_back_that_failed(stage):
    delete(stage)
    stage.cloud.raises["delete server"] = Permanent(SENTENCE)
    look(stage, STATED_SECONDS, "ERROR")
    stage.cloud.raises.clear()
    body = {"distributor": {"enabled": False}}
    answer = stage.api.call("PUT", f"{PATH}/{stage.id}", body)
    assert answer.status == 200, answer.text
    look(stage, 90)
    assert status(stage) == "ACTIVE"
    assert len(stage.machines()) == 2


def test_a_server_that_is_not_built_tells_novas_sentence(stage):
    stage.cloud.build_fault = "No valid host was found"
    took = look(stage, STATED_SECONDS, "ERROR")
    assert took < STATED_SECONDS
    assert "No valid host was found" in shown(stage)["status_reason"]
    tries = len(failures(stage))
    look(stage, 100)
    assert len(failures(stage)) <= tries + 3, "without a limit"
    stage.cloud.build_fault = ""
    look(stage, 300, "ACTIVE")
    assert status(stage) == "ACTIVE"
    stage.run()


def test_what_may_pass_has_time(stage):
    announce(stage)
    stage.cloud.raises["put state"] = Retryable("the agent is busy")
    look(stage, STATED_SECONDS)
    assert status(stage) == "ACTIVE"
    stage.cloud.pass_time(cfg.CONF.anycast.error_after)
    look(stage, 20, "ERROR")
    assert "the agent is busy" in shown(stage)["status_reason"]
    stage.cloud.raises.clear()
    look(stage, 60, "ACTIVE")
    assert status(stage) == "ACTIVE"


def test_a_restart_does_not_begin_the_patience_anew(stage):
    announce(stage)
    stage.cloud.raises["put state"] = Permanent(SENTENCE)
    for _ in range(2):
        assert status(stage) == "ACTIVE"
        look(stage, 7, step=4)
        stage.controller.stop()
        stage.controller = ControllerProcess(
            stage.cloud, options.read(cfg.CONF)
        )
    look(stage, 3)
    assert status(stage) == "ERROR"


def test_one_that_cannot_be_read_is_said_and_can_be_deleted(
    stage, monkeypatch
):
    stage.run()

    def refuse(*_):
        raise Permanent("the password of peer leaf1 cannot be decrypted")

    cipher = type(stage.controller.world.cipher)
    monkeypatch.setattr(cipher, "decrypt", refuse)
    look(stage, STATED_SECONDS)
    assert status(stage) == "ERROR"
    assert "cannot be decrypted" in shown(stage)["status_reason"]
    delete_path = f"{PATH}/{stage.id}?cascade=true"
    assert stage.api.call("DELETE", delete_path).status == 204
    look(stage, STATED_SECONDS, "DELETED")
    assert status(stage) == "DELETED"


def test_what_cannot_be_observed_is_said(stage, monkeypatch):
    stage.run()

    def refuse(*_):
        raise Permanent(SENTENCE)

    with monkeypatch.context() as patch:
        patch.setattr(AmphoraObserver, "look", refuse)
        took = look(stage, STATED_SECONDS, "ERROR")
        assert took < STATED_SECONDS
        assert f"Observe: {SENTENCE}" in shown(stage)["status_reason"]
    look(stage, 30, "ACTIVE")
    assert status(stage) == "ACTIVE"


# -- agents that hang while heartbeats arrive ---------------------------------


@pytest.fixture
def hung(stage):
    """One of two hangs; a VIP is registered after that."""
    announce(stage)
    stage.run()
    machine = stage.machines()[0]
    machine.is_agent_hung = True
    look(stage, 3, step=1)
    body = {"vip": {"vip_address": "203.0.113.8", "next_hop": "10.1.0.7"}}
    stage.api.create(stage.vips, body)
    return machine


def test_a_hung_one_is_told_through_its_speakerd(stage, hung):
    look(stage, 4, step=1)
    assert len(stage.cloud.announced(hung)) == 2


def test_a_hung_one_is_replaced(stage, hung):
    look(stage, 100)
    assert hung not in stage.machines()
    assert [len(found) for found in stage.announced()] == [2, 2]


def test_one_whose_speakerd_is_deaf_is_deleted(stage, hung):
    hung.is_speakerd_deaf = True
    policy = stage.controller.world.settings.policy
    look(stage, int(policy.dead_after) + 12, step=1)
    assert hung not in stage.machines()


def test_since_when_it_hangs_survives_a_new_controller(stage, hung, caplog):
    def since():
        with stage.api.database.transaction() as session:
            return amphorae.get(session, hung.amphora_id).mute_since

    before = since()
    assert before is not None
    stage.controller.stop()
    stage.controller = ControllerProcess(stage.cloud, options.read(cfg.CONF))
    look(stage, 3, step=1)
    assert since() == before
    hung.is_agent_hung = False
    look(stage, 3, step=1)
    assert since() is None
    said = [r for r in caplog.records if hung.amphora_id in r.message]
    (told,) = [r for r in said if "answers again" in r.message]
    assert f"distributor {stage.id}" in told.message


def test_the_only_one_is_replaced_before_it_goes(api):
    stage = Stage(api)
    body = {"distributor": {"dedicated_count": 1}}
    stage.run()
    assert api.call("PUT", f"{PATH}/{stage.id}", body).status == 200
    stage.run()
    api.create(stage.vips, BODY)
    stage.run()
    (machine,) = stage.machines()
    machine.is_agent_hung = machine.is_speakerd_deaf = True
    for _ in range(50):
        look(stage, 2, step=2)
        assert any(stage.announced())
    assert machine not in stage.machines()
    stage.controller.stop()
