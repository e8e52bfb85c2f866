# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Chores: when, by whom, and never by two at once."""

from contextlib import ExitStack

import pytest

from octavia_anycast.controller.amphora.rotation import Rotation
from octavia_anycast.controller.engine.coordination import (
    Coordination,
    PatientLocks,
)
from octavia_anycast.controller.housekeeping.housekeeping import (
    RETRY_SECONDS,
    Chore,
    Housekeeping,
    lock_name,
)
from octavia_anycast.controller.housekeeping.purge import Purge
from octavia_anycast.controller.housekeeping.sweep import Sweep

ALL = list(Chore)


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


def housekeeping(stage, locks):
    world = stage.controller.world
    return Housekeeping(
        world.settings,
        locks,
        purge=Purge(world),
        rotation=Rotation(world, locks),
        sweep=Sweep(world),
    )


def everything(name):
    return True


def test_each_is_due_again_after_its_interval(stage, members):
    settings = stage.controller.world.settings
    kept = housekeeping(stage, members[0])
    assert kept.take_due(1000.0, everything) == ALL
    # Not again while it runs, however long that takes.
    assert kept.take_due(1_000_000.0, everything) == []
    for chore in ALL:
        assert kept.run(chore, 1000.0)
    assert kept.take_due(1000.0 + settings.sweep_interval - 1, everything) == (
        []
    )
    assert kept.take_due(1000.0 + settings.sweep_interval, everything) == [
        Chore.SWEEP
    ]


def test_what_another_controller_does_is_not_ours(stage, members):
    kept = housekeeping(stage, members[0])
    mine = lock_name(Chore.PURGE)
    assert kept.take_due(0.0, lambda name: name == mine) == [Chore.PURGE]


def test_one_at_a_time(stage, members):
    stage.run()
    kept, other = (housekeeping(stage, m) for m in members)
    kept.take_due(0.0, everything)
    other.take_due(0.0, everything)
    stage.cloud.calls.clear()
    with members[1].lock(lock_name(Chore.SWEEP)) as is_held:
        assert is_held
        assert not kept.run(Chore.SWEEP, 0.0)
        assert stage.cloud.calls == []
        assert kept.run(Chore.PURGE, 0.0), "another lock"
    assert other.run(Chore.SWEEP, 0.0)
    assert "list servers" in stage.cloud.calls


def test_a_failure_does_not_end_it(stage, members):
    kept = housekeeping(stage, members[0])
    kept.take_due(0.0, everything)
    stage.cloud.refuse["list servers"] = 1
    with pytest.raises(Exception, match="does not work today"):
        kept.run(Chore.SWEEP, 0.0)
    interval = stage.controller.world.settings.sweep_interval
    assert kept.take_due(interval, everything) == [Chore.SWEEP]
    assert kept.run(Chore.SWEEP, interval)


def test_certificates_that_failed_are_tried_again_soon(stage, members):
    stage.run()
    stage.cloud.pass_time(17 * 86_400)
    kept = housekeeping(stage, members[0])
    kept.take_due(0.0, everything)
    stage.cloud.refuse["install certificate"] = 1
    assert kept.run(Chore.CERTIFICATES, 0.0)
    assert Chore.CERTIFICATES not in kept.take_due(
        RETRY_SECONDS - 1, everything
    )
    assert Chore.CERTIFICATES in kept.take_due(RETRY_SECONDS, everything)
    assert kept.run(Chore.CERTIFICATES, RETRY_SECONDS)
    assert Chore.CERTIFICATES not in kept.take_due(
        2 * RETRY_SECONDS, everything
    )


def test_an_operator_waits_for_a_controller(members):
    controller, operator = members
    with (
        controller.lock("chore"),
        PatientLocks(operator, 0.2).lock("chore") as is_held,
    ):
        assert not is_held
    with PatientLocks(operator, 0.0).lock("chore") as is_held:
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
