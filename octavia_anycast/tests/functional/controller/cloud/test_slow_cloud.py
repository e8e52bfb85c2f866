# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A compute service that takes a minute: who serves is observed all the time.

Nova hangs in earnest here; what is waited for besides is an event, never a
length of time.
"""

import threading
import time

import pytest

from octavia_anycast.controller.amphora import server_looks
from octavia_anycast.controller.engine import meanwhile
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.model.cluster import AmphoraStatus, ComputeState, Server
from octavia_anycast.tests.functional.controller.cloud import test_nova_faults
from octavia_anycast.tests.functional.controller.looks import (
    cluster,
    fail_over,
)

SOON = 0.01
DEADLINE = 60.0

nova = test_nova_faults.nova
serving = test_nova_faults.serving


@pytest.fixture
def hanging(nova, serving):
    nova.is_hanging = True
    yield nova
    nova.is_hanging = False
    nova.released.set()


def wait_until(is_so, what):
    deadline = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(SOON)


def reports_of(stage):
    with stage.cloud.database.transaction() as session:
        return {
            one.amphora_id: one.reported_at
            for one in reports.list_for_load_balancer(
                session, stage.load_balancer_id
            )
        }


def test_a_look_that_hangs_holds_nobody_up(hanging, serving, monkeypatch):
    """One lost its server; the other's report is recorded all the same."""
    monkeypatch.setattr(server_looks, "PATIENCE_SECONDS", SOON)
    test_nova_faults.start_controller(serving)
    lost, other = serving.cloud.of(serving.load_balancer_id)
    del serving.cloud.machines[lost.server_id]
    policy = serving.controller.world.settings.policy
    serving.cloud.pass_time(policy.dead_after - 1)
    serving.controller.reconcile(serving.load_balancer_id)

    assert reports_of(serving)[other.amphora_id] == serving.cloud.now
    assert not hanging.requests, "Nova has not answered"
    assert "1 of 2 amphorae announcing" in cluster(serving).reason


def test_a_boot_that_hangs_holds_nobody_up(hanging, serving, monkeypatch):
    """While a server is ordered the others' reports are recorded."""
    monkeypatch.setattr(meanwhile, "EVERY_SECONDS", SOON)
    fail_over(serving)
    serving.cloud.pass_time(60)
    ordering = threading.Thread(
        target=serving.controller.reconcile, args=(serving.load_balancer_id,)
    )
    ordering.start()
    try:
        for _ in range(2):
            serving.cloud.pass_time(60)
            now = serving.cloud.now
            wait_until(
                lambda now=now: set(reports_of(serving).values()) == {now},
                "reports while Nova hangs",
            )
        assert not hanging.requests, "Nova has not answered"
        assert ordering.is_alive()
    finally:
        hanging.is_hanging = False
        hanging.released.set()
        ordering.join()
    serving.run(600)
    assert len(serving.cloud.announcers(serving.load_balancer_id)) == 2


def test_silence_is_counted_after_the_wait(serving, monkeypatch):
    """One boots, and Nova takes minutes to say so; another one's agent is
    busy meanwhile, and its heartbeats arrive: it is not dead."""
    busy, lost = serving.cloud.of(serving.load_balancer_id)
    busy.is_agent_hung = busy.is_speakerd_deaf = True
    del serving.cloud.machines[lost.server_id]
    policy = serving.controller.world.settings.policy

    def slow(self, server_id, tree):
        serving.cloud.pass_time(policy.dead_after + 60)
        return Server(state=ComputeState.UNKNOWN)

    monkeypatch.setattr(server_looks.ServerLooks, "look", slow)
    serving.controller.reconcile(serving.load_balancer_id)

    with serving.cloud.database.transaction() as session:
        record = amphorae.get(session, busy.amphora_id)
    assert record.status is not AmphoraStatus.ERROR
    reason = cluster(serving).reason
    assert f"{busy.amphora_id}: not heard of" not in reason
    assert f"{lost.amphora_id}: not heard of for" in reason
