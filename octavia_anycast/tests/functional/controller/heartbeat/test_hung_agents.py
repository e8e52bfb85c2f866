# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Agents that hang while heartbeats arrive, with the real controller."""

import logging

import pytest

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.model.errors import NotYetValid


def look(stage, seconds):
    for _ in range(int(seconds)):
        stage.controller.reconcile(stage.load_balancer_id)
        stage.cloud.pass_time(1.0)
    assert stage.cloud.violations == []


def record_of(stage, machine):
    with stage.cloud.database.transaction() as session:
        return amphorae.get(session, machine.amphora_id)


@pytest.fixture
def serving(stage):
    """One of two that announce."""
    stage.run()
    stage.add_listener()
    stage.run()
    return stage.cloud.of(stage.load_balancer_id)[0]


@pytest.fixture
def hung(stage, serving):
    """It hangs; a change follows."""
    serving.is_agent_hung = True
    look(stage, 3)
    stage.add_listener(port=81)
    return serving


def test_a_hung_one_is_withdrawn_through_its_speakerd(stage, hung):
    look(stage, 4)
    assert stage.show()["provisioning_status"] == "ACTIVE"
    announcers = stage.cloud.announcers(stage.load_balancer_id)
    assert hung not in announcers
    assert len(announcers) == 1


def test_an_agent_that_falls_mute_is_told_of_once(stage, caplog):
    stage.run()
    machine = stage.cloud.of(stage.load_balancer_id)[0]
    machine.is_agent_hung = True
    look(stage, 10)
    machine.is_agent_hung = False
    look(stage, 3)
    levels = [
        record.levelno
        for record in caplog.records
        if f"The agent of amphora {machine.amphora_id}" in record.message
    ]
    assert levels == [logging.WARNING, logging.INFO]


def test_since_when_it_hangs_survives_a_new_controller(stage, hung):
    since = record_of(stage, hung).mute_since
    stage.restart()
    look(stage, 3)
    assert record_of(stage, hung).mute_since == since


def test_a_hung_one_is_replaced(stage, hung):
    look(stage, 90)
    assert hung not in stage.cloud.of(stage.load_balancer_id)
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2


@pytest.mark.parametrize("is_of_a_time_to_come", [False, True])
def test_a_wrong_clock_replaces_nobody(stage, serving, is_of_a_time_to_come):
    """While it has the current configuration; others are replaced."""
    serving.is_agent_hung = True
    serving.is_speakerd_deaf = True  # it has the same certificate
    if is_of_a_time_to_come:
        serving.hangs_with = NotYetValid("certificate is not yet valid")
    look(stage, stage.controller.world.settings.policy.gate_timeout + 60)
    is_kept = serving in stage.cloud.of(stage.load_balancer_id)
    assert is_kept is is_of_a_time_to_come
    assert record_of(stage, serving).mute_since is not None


def test_a_change_replaces_it_whatever_the_clock_says(stage, hung):
    """Nobody can tell it, and it goes on with what is old (invariant 7)."""
    hung.is_speakerd_deaf = True
    hung.hangs_with = NotYetValid("certificate is not yet valid")
    look(stage, 90)
    assert hung not in stage.cloud.of(stage.load_balancer_id)
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2


def test_one_that_heals_is_recorded_as_well(stage, hung):
    hung.is_agent_hung = False
    look(stage, 10)
    record = record_of(stage, hung)
    assert record.mute_since is None
    assert record.stale_since is None
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2


def test_one_whose_speakerd_is_deaf_is_deleted(stage, hung):
    hung.is_speakerd_deaf = True
    policy = stage.controller.world.settings.policy
    look(stage, policy.dead_after + 4)
    assert hung not in stage.cloud.announcers(stage.load_balancer_id)
