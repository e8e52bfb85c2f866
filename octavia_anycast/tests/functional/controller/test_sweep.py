# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What belongs to nothing is removed, after a while."""

import uuid

from octavia_anycast.db import amphorae, clusters
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterRecord,
    ClusterSize,
)


def orphan_cluster(stage):
    """A cluster whose load balancer was rolled back."""
    with stage.api.database.transaction() as session:
        existing = clusters.list_all(session)[0]
        record = ClusterRecord(
            load_balancer_id=str(uuid.uuid4()),
            project_id="p",
            distributor_id=existing.distributor_id,
            size=ClusterSize(desired=1),
            created_at=stage.cloud.now,
        )
        clusters.create(session, record)
    return record.load_balancer_id


def orphan_after(stage):
    return stage.controller.world.settings.orphan_after


def test_young_orphan_is_left_alone(stage):
    orphan_cluster(stage)
    stage.cloud.pass_time(orphan_after(stage) - 1)
    assert not stage.controller.sweep.find().clusters


def test_old_orphan_is_found_without_being_touched(stage):
    identifier = orphan_cluster(stage)
    stage.cloud.pass_time(orphan_after(stage) + 1)
    assert stage.controller.sweep.find().clusters == (identifier,)
    with stage.api.database.transaction() as session:
        assert clusters.get(session, identifier) is not None


def test_old_orphan_is_removed_and_nothing_else(stage):
    stage.run()
    identifier = orphan_cluster(stage)
    stage.cloud.pass_time(orphan_after(stage) + 1)
    stage.controller.sweep.run()
    with stage.api.database.transaction() as session:
        left = [c.load_balancer_id for c in clusters.list_all(session)]
        assert len(amphorae.list_all(session)) == 2
    assert left == [stage.load_balancer_id]
    assert identifier in stage.cloud.deleted_load_balancers
    assert stage.load_balancer_id not in stage.cloud.deleted_load_balancers
    assert len(stage.cloud.machines) == 2


def test_amphora_without_load_balancer_is_removed(stage):
    record = AmphoraRecord(
        id=str(uuid.uuid4()),
        load_balancer_id=str(uuid.uuid4()),
        status=AmphoraStatus.ALLOCATED,
        status_since=stage.cloud.now,
    )
    with stage.api.database.transaction() as session:
        amphorae.create(session, record)
    stage.cloud.pass_time(orphan_after(stage) + 1)
    stage.controller.sweep.run()
    with stage.api.database.transaction() as session:
        assert amphorae.list_all(session) == []


def test_port_without_amphora_is_removed_when_seen_twice(stage):
    stage.cloud.ports["fe-x"] = ("port", "nobody")
    sweep = stage.controller.sweep
    sweep.run()
    assert "fe-x" in stage.cloud.ports
    stage.cloud.pass_time(orphan_after(stage) + 1)
    sweep.run()
    assert "fe-x" not in stage.cloud.ports
