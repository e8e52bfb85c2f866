# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Who is told of where not all fit: a plan is made whatever is recorded."""

from dataclasses import replace
from datetime import timedelta

import pytest

from octavia_anycast.model.wire import MEMBERS_MAX
from octavia_anycast.planning.cluster import members, plan
from octavia_anycast.testing.simulated.simulation import World
from octavia_anycast.tests.unit.planning.cluster.test_tenant_metrics import (
    measured,
)

SECRETS = ("0" * 20, "1" * 20)


@pytest.fixture
def world():
    """Three that serve, with flow rescue and a PROMETHEUS listener."""
    world = World(desired=replace(measured(size=3), rescue_secrets=SECRETS))
    world.run(60)
    assert all(g.state.tenant_metrics for g in world.guests.values())
    assert all(g.state.flow_rescue for g in world.guests.values())
    return world


def copies(world, count):
    """The cluster, with so many more amphorae like its first one."""
    observed = world.observe()
    first = observed.amphorae[0]
    front = first.record.frontend
    more = []
    for number in range(count):
        address = front.addresses[0]
        other = replace(
            address, ip_address=type(address.ip_address)(number + 2**24)
        )
        record = replace(
            first.record,
            id=f"00000000-0000-4000-8000-{number:012}",
            frontend=replace(front, addresses=(other,)),
            status_since=world.now + timedelta(seconds=number),
        )
        more.append(replace(first, record=record))
    return replace(observed, amphorae=(*observed.amphorae, *more))


@pytest.mark.parametrize("is_deleted", [False, True])
@pytest.mark.parametrize("more", [61, 62, 70])
def test_a_plan_is_made_with_more_than_an_agent_takes(world, more, is_deleted):
    desired = replace(world.desired, is_deleted=is_deleted)
    plan.plan(desired, copies(world, more), world.now)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_plan_is_made_with_an_address_that_two_have(world, is_deleted):
    observed = world.observe()
    first, second, *others = observed.amphorae
    double = replace(
        second,
        record=replace(second.record, frontend=first.record.frontend),
    )
    desired = replace(world.desired, is_deleted=is_deleted)
    plan.plan(
        desired,
        replace(observed, amphorae=(first, double, *others)),
        world.now,
    )


def test_itself_and_the_newest_are_told_of(world):
    cluster = plan.Cluster(world.desired, copies(world, 70), world.now)
    ids = {m.id for m in cluster.members}
    oldest = min(
        cluster.members, key=lambda m: m.amphora.record.status_since
    ).id
    newest = max(
        cluster.members, key=lambda m: m.amphora.record.status_since
    ).id
    for one in ids:
        told = {m.id for m in members.told_of(cluster.members, one)}
        assert len(told) == MEMBERS_MAX
        assert {one, newest} <= told
        assert oldest not in told or one == oldest
