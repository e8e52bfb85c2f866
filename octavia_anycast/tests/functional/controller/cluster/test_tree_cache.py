# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""At rest the tree of a load balancer is not read again, and only then."""

from datetime import UTC, datetime, timedelta

import pytest
from octavia.db import models

from octavia_anycast.controller.cluster.caches import KEEP, QUIET
from octavia_anycast.db.cluster import clusters
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction

LATER = timedelta(seconds=1)


@pytest.fixture
def reads(monkeypatch, stage):
    """Which trees are read, of a cluster of two that announces."""
    stage.run()
    stage.add_listener()
    with stage.api.database.transaction() as session:
        # Its secrets change with time, and each change is something to do.
        clusters.update(session, stage.load_balancer_id, flow_rescue=False)
    stage.run()
    found = []
    balancers = stage.controller.load_balancers
    read = balancers.read

    def reading(load_balancer_id):
        found.append(load_balancer_id)
        return read(load_balancer_id)

    monkeypatch.setattr(balancers, "read", reading)
    # Octavia's rows have the time of the wall.
    stage.cloud.now = datetime.now(UTC) + 2 * QUIET
    return found


def look(stage):
    result = stage.controller.reconcile(stage.load_balancer_id)
    assert stage.controller.errors == []
    return result


def announcers(stage):
    return stage.cloud.announcers(stage.load_balancer_id)


def test_at_rest_it_is_read_once(stage, reads):
    for _ in range(3):
        assert look(stage).is_settled
        stage.cloud.now += LATER
    assert len(reads) == 1


def test_after_a_while_it_is_read_again(stage, reads):
    look(stage)
    stage.cloud.now += KEEP - LATER
    look(stage)
    assert len(reads) == 1
    stage.cloud.now += LATER
    look(stage)
    look(stage)
    assert len(reads) == 2, "and kept anew"


def test_one_that_changed_just_now_is_not_kept(stage, reads):
    stage.cloud.now -= 2 * QUIET
    look(stage)
    look(stage)
    assert len(reads) == 2


def test_a_change_is_seen_at_once(stage, reads):
    look(stage)
    stage.add_listener(81)
    assert stage.show()["provisioning_status"] == "PENDING_UPDATE"
    stage.run()
    assert len(reads) > 1
    assert stage.show()["provisioning_status"] == "ACTIVE"
    ports = {port for m in announcers(stage) for _, port in m.sockets}
    assert ports == {80, 81}


def test_a_row_that_was_written_is_read(stage, reads):
    look(stage)
    table = models.LoadBalancer
    with transaction() as session:
        session.query(table).filter(table.id == stage.load_balancer_id).update(
            {"updated_at": datetime(2026, 1, 1, tzinfo=UTC)}
        )
    look(stage)
    assert len(reads) == 2


def test_whoever_acts_has_read_it_anew(stage, reads):
    look(stage)
    victim = announcers(stage)[0]
    del stage.cloud.machines[victim.server_id]
    calls = len(stage.cloud.calls)
    del reads[:]
    look(stage)
    assert "build" in stage.cloud.calls[calls:]
    assert reads, "no server is built from a kept tree"
    stage.run(120)
    assert len(announcers(stage)) == 2


def test_whoever_acts_asks_nobody_twice(stage, reads):
    look(stage)
    victim, _ = announcers(stage)
    del stage.cloud.machines[victim.server_id]
    calls = len(stage.cloud.calls)
    look(stage)
    done = stage.cloud.calls[calls:]
    assert done[: done.index("build")].count("get report") == 2


def test_whoever_acts_looks_again_if_the_tree_has_changed(
    stage, reads, monkeypatch
):
    """It changed after the row version was read: nothing old is done."""
    look(stage)
    victim = announcers(stage)[0]
    del stage.cloud.machines[victim.server_id]
    balancers = stage.controller.load_balancers
    read = balancers.row_version

    def reading(load_balancer_id):
        found = read(load_balancer_id)
        monkeypatch.setattr(balancers, "row_version", read)
        stage.add_listener(81)
        return found

    monkeypatch.setattr(balancers, "row_version", reading)
    del reads[:]
    calls = len(stage.cloud.calls)
    look(stage)
    done = stage.cloud.calls[calls:]
    assert done[: done.index("build")].count("get report") == 4
    stage.run(120)
    assert stage.show()["provisioning_status"] == "ACTIVE"
    ports = {port for m in announcers(stage) for _, port in m.sockets}
    assert ports == {80, 81}
    assert len(announcers(stage)) == 2


def test_deleted_under_a_kept_tree(stage, reads):
    look(stage)
    stage.delete()
    stage.cloud.now += LATER
    stage.run(200)
    assert stage.cloud.machines == {}
