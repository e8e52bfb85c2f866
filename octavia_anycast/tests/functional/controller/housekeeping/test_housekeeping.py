# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Chores: when, by whom, and never by two at once."""

from contextlib import ExitStack

import pytest

from octavia_anycast.controller.amphora.rotation import Rotation
from octavia_anycast.controller.engine.coordination import (
    Coordination,
)
from octavia_anycast.controller.engine.daemon import Lane
from octavia_anycast.controller.housekeeping.housekeeping import (
    RETRY_SECONDS,
    Chore,
    Purge,
    chores,
    lock_name,
)
from octavia_anycast.controller.housekeeping.sweep import Sweep


@pytest.fixture
def members(tmp_path):
    """Two processes that share their locks."""
    with ExitStack() as stack:
        made = []
        for _ in range(2):
            coordination = Coordination(f"file://{tmp_path}/locks")
            coordination.connect()
            stack.callback(coordination.stop)
            made.append(coordination)
        yield made


class Inline:
    """Does it at once."""

    def submit(self, work, *arguments):
        work(*arguments)


@pytest.fixture
def lanes(stage):
    """A function: the lanes of a controller's chores; now is ``stage.at``."""
    world = stage.controller.world
    stage.at = 0.0

    def make(coordination):
        coordination.owns = lambda key: True
        return [
            Lane(chore, coordination, Inline(), lambda: stage.at)
            for chore in chores(
                world.settings,
                purge=Purge(world),
                rotation=Rotation(world, coordination.lock),
                sweep=Sweep(world),
            )
        ]

    return make


def do(lanes):
    for lane in lanes:
        lane.notice(print)
        lane.hand_out()


def test_one_at_a_time(stage, members, lanes):
    stage.run()
    ours, theirs = map(lanes, members)
    stage.cloud.calls.clear()
    with members[1].lock(lock_name(Chore.SWEEP)) as is_held:
        assert is_held
        do(ours)
        assert "list servers" not in stage.cloud.calls
    do(theirs)
    assert "list servers" in stage.cloud.calls


def test_a_failure_does_not_end_it(stage, members, lanes):
    ours = lanes(members[0])
    stage.cloud.refuse["list servers"] = 1
    do(ours)
    assert stage.cloud.calls.count("list servers") == 1
    stage.at = stage.controller.world.settings.sweep_interval
    do(ours)
    assert stage.cloud.calls.count("list servers") == 2


def test_certificates_that_failed_are_tried_again_soon(stage, members, lanes):
    stage.run()
    stage.cloud.pass_time(17 * 86_400)
    ours = lanes(members[0])
    stage.cloud.refuse["install certificate"] = 1
    do(ours)
    before = stage.cloud.calls.count("install certificate")
    stage.at = RETRY_SECONDS - 1
    do(ours)
    assert stage.cloud.calls.count("install certificate") == before
    for stage.at in (RETRY_SECONDS, 2 * RETRY_SECONDS):
        do(ours)
        assert stage.cloud.calls.count("install certificate") == before + 1


def test_an_operator_waits_for_a_controller(members):
    controller, operator = members
    with (
        controller.lock("chore"),
        operator.lock("chore", 0.2) as is_held,
    ):
        assert not is_held
    with operator.lock("chore", 0.0) as is_held:
        assert is_held


def test_connecting_for_locks_takes_no_load_balancers(members, tmp_path):
    """An operator's command is no controller that could own any."""
    controller = Coordination(f"file://{tmp_path}/locks")
    controller.start()
    try:
        controller.refresh()
        assert all(controller.owns(str(n)) for n in range(50))
    finally:
        controller.stop()
