# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A controller that is paused, and overtaken, in the middle of a plan.

Its lock has ended meanwhile, and another controller works on the same load
balancer. Here that one works while the first one waits for a server.
"""

import pytest
from oslo_config import cfg

from octavia_anycast import options
from octavia_anycast.controller.engine import fence
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.errors import Overtaken
from octavia_anycast.testing.controller_process import ControllerProcess

LOOKS = 5


class PausedCompute:
    """The fake cloud's compute service, where one call takes long.

    ``meanwhile`` is called once, before or after the first server is built.
    """

    def __init__(self, cloud, meanwhile, *, is_before):
        self._cloud = cloud
        self._meanwhile = meanwhile
        self._is_before = is_before
        self.built = []

    def __getattr__(self, name):
        return getattr(self._cloud, name)

    def build(self, *arguments):
        if self._is_before:
            self._once()
        server_id = self._cloud.build(*arguments)
        self.built.append(server_id)
        self._once()
        return server_id

    def _once(self):
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()


@pytest.fixture
def other(stage):
    """Another controller on the same rows and cloud."""
    made = ControllerProcess(stage.cloud, options.read(cfg.CONF))
    yield made
    made.stop()


@pytest.fixture(params=[True, False], ids=["before", "after"])
def paused(request, stage, other):
    """The first controller: while it boots, the other one takes over."""

    def take_over():
        for _ in range(LOOKS):
            other.reconcile(stage.load_balancer_id)
            stage.cloud.pass_time(1)

    compute = PausedCompute(stage.cloud, take_over, is_before=request.param)
    made = ControllerProcess(
        stage.cloud, options.read(cfg.CONF), compute=compute
    )
    made.compute = compute
    yield made
    made.stop()


def settle(stage, other):
    """Have the other one go on until all is well."""
    stage.controller.stop()
    stage.controller = other
    stage.run(300)


def rows(stage):
    with stage.api.database.transaction() as session:
        return amphorae.list_for(session, stage.load_balancer_id)


def epoch(stage):
    with stage.api.database.transaction() as session:
        return clusters.get(session, stage.load_balancer_id).epoch


def test_it_boots_no_more_and_takes_back_what_it_booted(stage, other, paused):
    assert paused.reconcile(stage.load_balancer_id) is None
    assert isinstance(paused.errors[-1], Overtaken)
    assert epoch(stage) > 1, "the other one has begun a plan"
    (server_id,) = paused.compute.built
    assert server_id not in stage.cloud.machines
    assert not other.errors
    settle(stage, other)
    known = {row.compute_id for row in rows(stage)}
    assert set(stage.cloud.machines) == known


def test_the_next_look_is_like_any_other(stage, other, paused):
    paused.reconcile(stage.load_balancer_id)
    settle(stage, other)
    result = paused.reconcile(stage.load_balancer_id)
    assert result is not None
    assert result.is_settled
    assert not result.did_something


def test_without_a_fence_servers_are_left_over(
    stage, other, paused, monkeypatch
):
    """The control."""
    for name in ("begin", "check", "guard", "require"):
        monkeypatch.setattr(fence.Fence, name, lambda self, *_arguments: None)
    paused.reconcile(stage.load_balancer_id)
    other.run(stage.load_balancer_id, 300)
    known = {row.compute_id for row in rows(stage)}
    assert len(paused.compute.built) > 1 or set(stage.cloud.machines) != known


def test_who_has_lost_its_lock_begins_nothing(stage):
    """The time of the lock alone is enough to know."""
    made = ControllerProcess(stage.cloud, options.read(cfg.CONF))
    made._reconciler._holds = lambda name: False
    try:
        before = len(stage.cloud.calls)
        assert made.reconcile(stage.load_balancer_id) is None
        assert isinstance(made.errors[-1], Overtaken)
        assert "build" not in stage.cloud.calls[before:]
        assert rows(stage) == []
        assert epoch(stage) == 0
    finally:
        made.stop()
