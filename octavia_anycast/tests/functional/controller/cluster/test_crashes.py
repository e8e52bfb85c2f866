# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A controller killed at any of its steps: the next one finishes the work.

Every call to the cloud, every transaction and every status written is a
step; it dies at every n-th of them.
"""

import pytest

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.testing.fakes.fake_cloud import FakeCloud

EVERY = 5


def live_with_crash(stage, at):
    """Die at this step, start again, converge."""
    cloud: FakeCloud = stage.cloud
    cloud.die_in(at)
    assert not stage.controller.run(stage.load_balancer_id, seconds=40)
    assert cloud.is_dead, "the step was never reached"
    stage.restart()
    return stage


def prepare(stage, *, with_listener):
    if with_listener:
        stage.run()
        stage.add_listener()


@pytest.mark.parametrize("at", range(1, 60, EVERY))
def test_killed_while_creating(stage, at):
    live_with_crash(stage, at).run(seconds=120)
    assert stage.show()["provisioning_status"] == "ACTIVE"
    assert len(stage.cloud.machines) == 2
    assert_nothing_is_orphaned(stage)


@pytest.mark.parametrize("at", range(1, 26, EVERY))
def test_killed_while_updating(stage, at):
    prepare(stage, with_listener=True)
    live_with_crash(stage, at).run(seconds=120)
    assert stage.show()["provisioning_status"] == "ACTIVE"
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2
    assert_nothing_is_orphaned(stage)


@pytest.mark.parametrize("at", range(1, 26, EVERY))
def test_killed_while_deleting(stage, at):
    prepare(stage, with_listener=True)
    stage.run()
    stage.delete()
    live_with_crash(stage, at)
    stage.controller.run(stage.load_balancer_id)
    stage.cloud.pass_time(stage.controller.world.settings.orphan_after + 1)
    stage.controller.sweep.run()
    assert stage.cloud.violations == []
    assert stage.cloud.machines == {}
    assert stage.cloud.ports == {}
    assert stage.cloud.security_groups == set()
    with stage.api.database.transaction() as session:
        assert clusters.list_all(session) == []
        assert amphorae.list_all(session) == []


def assert_nothing_is_orphaned(stage):
    """Each machine and each port belongs to a record that is alive."""
    with stage.api.database.transaction() as session:
        alive = {r.id for r in amphorae.list_all(session)}
    cloud = stage.cloud
    assert {m.amphora_id for m in cloud.machines.values()} == alive
    assert {owner for _, owner in cloud.ports.values()} <= alive
