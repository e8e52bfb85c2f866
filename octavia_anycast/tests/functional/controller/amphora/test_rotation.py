# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Certificates are replaced in time, one amphora of a cluster at a time."""

import threading
from contextlib import contextmanager

import pytest

from octavia_anycast.controller.amphora.rotation import Rotation
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.housekeeping import Order, Outcome
from octavia_anycast.testing.fakes.fake_cloud import Died

DAY = 86_400
DUE_AFTER = 17 * DAY  # valid for 30 days, replaced 14 days before the end


class Locks:
    """Locks of which some are held by others."""

    def __init__(self):
        self.held = set()
        self.taken = []

    @contextmanager
    def lock(self, name):
        is_free = name not in self.held
        if is_free:
            self.held.add(name)
            self.taken.append(name)
        try:
            yield is_free
        finally:
            if is_free:
                self.held.discard(name)


@pytest.fixture
def locks():
    return Locks()


@pytest.fixture
def rotation(stage, locks):
    """Of a cluster of two that serves."""
    stage.run()
    stage.add_listener()
    stage.run()
    return Rotation(stage.controller.world, locks.lock)


def records(stage):
    with stage.api.database.transaction() as session:
        return amphorae.list_for(session, stage.load_balancer_id)


def serials(stage):
    return sorted(m.serial for m in stage.cloud.machines.values())


def outcomes(lines):
    return [line.outcome for line in lines]


def test_nothing_is_due_of_new_amphorae(stage, rotation):
    stage.cloud.pass_time(DUE_AFTER - 2 * DAY)
    assert rotation.find() == rotation.run() == ()
    assert serials(stage) == [0, 0]


def test_what_ends_soon_is_replaced_once(stage, rotation, locks):
    stage.cloud.pass_time(DUE_AFTER)
    before = {r.id: r.cert_expiration for r in records(stage)}
    assert outcomes(rotation.find()) == [Outcome.FOUND] * 2
    assert serials(stage) == [0, 0]
    lines = rotation.run()
    assert outcomes(lines) == [Outcome.DONE] * 2
    assert serials(stage) == [1, 2]
    for line, record in zip(
        sorted(lines, key=lambda x: x.amphora_id),
        sorted(records(stage), key=lambda x: x.id),
        strict=True,
    ):
        assert line.expires_at == record.cert_expiration
        assert record.cert_expiration > before[record.id]
    # Each under the lock of its load balancer, which is free again.
    assert locks.taken == [stage.load_balancer_id] * 2
    assert locks.held == set()
    assert rotation.run() == ()


def test_one_amphora_after_the_other(stage, rotation):
    """The second one is not touched before the first one shows its new one."""
    stage.cloud.pass_time(DUE_AFTER)
    stage.cloud.calls.clear()
    rotation.run()
    steps = [
        c
        for c in stage.cloud.calls
        if c in ("install certificate", "served serial")
    ]
    assert steps == ["install certificate", "served serial"] * 2


def test_the_data_path_is_left_alone(stage, rotation):
    """Nothing but the certificate is sent; nothing is planned after it."""
    with stage.api.database.transaction() as session:
        # Its secrets change with time, and each change is planned.
        clusters.update(session, stage.load_balancer_id, flow_rescue=False)
    stage.run()
    stage.cloud.pass_time(DUE_AFTER)
    before = [(m.pushes, m.state) for m in stage.cloud.machines.values()]
    stage.cloud.calls.clear()
    rotation.run()
    assert set(stage.cloud.calls) == {
        "transaction",
        "install certificate",
        "install certificate done",
        "served serial",
    }
    assert before == [
        (m.pushes, m.state) for m in stage.cloud.machines.values()
    ]
    result = stage.controller.reconcile(stage.load_balancer_id)
    assert result.is_settled
    assert not result.did_something
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2


def test_busy_load_balancer_is_left_for_later(stage, rotation, locks):
    stage.cloud.pass_time(DUE_AFTER)
    locks.held.add(stage.load_balancer_id)
    assert outcomes(rotation.run()) == [Outcome.BUSY] * 2
    assert serials(stage) == [0, 0]
    locks.held.clear()
    assert outcomes(rotation.run()) == [Outcome.DONE] * 2


def test_one_that_cannot_be_reached_holds_nobody_up(stage, rotation):
    stage.cloud.pass_time(DUE_AFTER)
    stage.cloud.refuse["install certificate"] = 1
    lines = rotation.run()
    assert outcomes(lines) == [Outcome.FAILED, Outcome.DONE]
    assert "does not work today" in lines[0].detail
    assert outcomes(rotation.run()) == [Outcome.DONE]


def test_one_that_shows_the_old_one_stops_its_cluster(stage, rotation):
    stage.cloud.pass_time(DUE_AFTER)
    before = {r.id: r.cert_expiration for r in records(stage)}
    stage.cloud.on_certificate = lambda machine: None
    lines = rotation.run()
    assert outcomes(lines) == [Outcome.FAILED, Outcome.SKIPPED]
    assert "shows certificate 0" in lines[0].detail
    assert sum(m.certificates for m in stage.cloud.machines.values()) == 1
    assert before == {r.id: r.cert_expiration for r in records(stage)}
    stage.cloud.on_certificate = None
    assert outcomes(rotation.run()) == [Outcome.DONE] * 2


def test_a_controller_that_stops_begins_no_other(stage, rotation):
    stage.cloud.pass_time(DUE_AFTER)
    rotation.is_stopping = lambda: max(serials(stage)) > 0
    assert outcomes(rotation.run()) == [Outcome.DONE, Outcome.SKIPPED]


def test_forced_for_one_load_balancer(stage, rotation):
    assert rotation.run(Order(is_forced=True, load_balancer_id="other")) == ()
    order = Order(is_forced=True, load_balancer_id=stage.load_balancer_id)
    assert outcomes(rotation.run(order)) == [Outcome.DONE] * 2


def test_one_that_left_meanwhile_gets_none(stage, rotation):
    """It is due when the round begins, and leaves before its turn."""
    stage.cloud.pass_time(DUE_AFTER)
    second = rotation.find()[1].amphora_id

    def leave(machine):
        with stage.api.database.transaction() as session:
            amphorae.update(session, second, leaving_since=stage.cloud.now)
        machine.serial = 1

    stage.cloud.on_certificate = leave
    assert outcomes(rotation.run()) == [Outcome.DONE, Outcome.SKIPPED]


@pytest.mark.parametrize(
    "step",
    [
        "install certificate",
        "install certificate done",
        "served serial",
        "transaction",
    ],
)
def test_killed_rotation_is_repeated(stage, rotation, step):
    """Whatever it did before it died, the next one finishes the work."""
    cloud = stage.cloud
    cloud.pass_time(DUE_AFTER)
    cloud.calls.clear()
    rotation.run()
    # The record is written by the last transaction of the first amphora.
    steps = cloud.calls[: cloud.calls.index("served serial") + 2]
    at = len(steps) - list(reversed(steps)).index(step)
    cloud.pass_time(DUE_AFTER)
    cloud.die_in(at)
    with pytest.raises(Died):
        rotation.run()
    stage.restart()
    again = Rotation(stage.controller.world, Locks().lock)
    assert outcomes(again.run()) == [Outcome.DONE] * 2
    assert again.run() == ()
    assert len({m.serial for m in cloud.machines.values()}) == 2


def test_clusters_are_rotated_side_by_side(stage, locks, monkeypatch):
    """Two clusters at once, and never two amphorae of one."""
    stage.run()
    ours = records(stage)
    with stage.api.database.transaction() as session:
        amphorae.update(session, ours[0].id, load_balancer_id=None)
    rotation = Rotation(stage.controller.world, locks.lock)
    barrier = threading.Barrier(2, timeout=10)
    real = rotation._rotate_cluster
    writer = threading.Lock()  # SQLite refuses a second one

    def together(order, group):
        barrier.wait()
        with writer:
            return real(order, group)

    monkeypatch.setattr(
        Rotation, "_rotate_cluster", lambda _, o, g: together(o, g)
    )
    assert outcomes(rotation.run(Order(is_forced=True))) == [Outcome.DONE] * 2
