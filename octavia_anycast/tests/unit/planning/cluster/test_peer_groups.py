# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Peer groups: everybody in one, none too small or large, and stable."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavia_anycast.model.actions import ConfigureHaproxy
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.planning.cluster.peer_groups import regrouped, told_groups
from octavia_anycast.testing.simulated.simulation import EPOCH, World
from octavia_anycast.tests.unit.planning.clusters import desired_cluster

names = st.sets(
    st.integers(min_value=0, max_value=40).map(lambda n: f"a{n:02}"),
    min_size=1,
    max_size=24,
).map(frozenset)
limits = st.integers(min_value=2, max_value=6)
histories = st.lists(names, min_size=1, max_size=8)


def after(history, limit):
    groups = ()
    for members in history:
        groups = regrouped(groups, members, limit=limit)
    return groups


@given(histories, limits)
def test_everybody_is_in_one_group(history, limit):
    groups = after(history, limit)
    assert frozenset().union(*groups) == history[-1]
    assert sum(map(len, groups)) == len(history[-1])


@given(histories, limits)
def test_groups_are_neither_lonely_nor_large(history, limit):
    groups = after(history, limit)
    if len(history[-1]) > 1:
        assert all(2 <= len(g) <= max(limit, 3) for g in groups)


@given(histories, limits)
def test_nothing_changes_without_a_change(history, limit):
    groups = after(history, limit)
    assert regrouped(groups, history[-1], limit=limit) == groups


@given(histories, limits, st.data())
def test_the_loss_of_one_concerns_few(history, limit, data):
    groups = after(history, limit)
    lost = data.draw(st.sampled_from(sorted(history[-1])))
    left = regrouped(groups, history[-1] - {lost}, limit=limit)
    # Its own group, and at most one other that takes in who is left alone.
    assert len(set(groups) - set(left)) <= 2


@given(histories, limits)
def test_a_newcomer_concerns_few(history, limit):
    groups = after(history, limit)
    more = regrouped(groups, history[-1] | {"new"}, limit=limit)
    assert len(set(groups) - set(more)) <= 1


@given(names)
def test_up_to_the_limit_all_are_one(members):
    assert regrouped((), members, limit=3, is_one=True) == (members,)


def test_by_itself():
    groups = regrouped((), frozenset("ab"), limit=1)
    assert groups == (frozenset("a"), frozenset("b"))


def record(name, peers, at):
    return AmphoraRecord(
        id=name,
        load_balancer_id="lb",
        status=AmphoraStatus.ALLOCATED,
        status_since=EPOCH,
        applied_at=EPOCH + timedelta(seconds=at),
        peer_amphora_ids=tuple(peers),
    )


def test_who_was_told_last_is_believed():
    # c moved from (a, b) to (x, y), and only c has been told.
    records = [
        record("a", "abc", 1),
        record("b", "abc", 1),
        record("x", "xy", 1),
        record("y", "xy", 1),
        record("c", "cxy", 2),
        record("new", "", 3),
    ]
    assert set(told_groups(records)) == {frozenset("ab"), frozenset("cxy")}


def grouped_world(size, limit):
    desired = desired_cluster(size, has_stick_tables=True)
    policy = replace(desired.policy, peer_group_size=limit)
    world = World(desired=replace(desired, policy=policy))
    world.run(60)
    return world


def told(world):
    return {
        guest.record.id: guest.record.peer_amphora_ids
        for guest in world.guests.values()
    }


@pytest.mark.parametrize(("size", "limit"), [(1, 8), (4, 8), (7, 3), (5, 2)])
def test_a_cluster_knows_its_peers_and_then_plans_nothing(size, limit):
    world = grouped_world(size, limit)
    assert world.step() == ()
    assert len(world.guests) == size
    for amphora_id, peers in told(world).items():
        assert amphora_id in peers
        assert all(told(world)[peer] == peers for peer in peers)
        assert len(peers) == size if size <= limit else 2 <= len(peers) <= 3


def test_the_group_follows_a_loss_and_no_more_than_it_has_to():
    world = grouped_world(6, 3)
    before = told(world)
    victim = world.guests[sorted(before)[0]]
    victim.is_dead = victim.is_dead_known = True
    world.run(120)
    assert len(world.guests) == 6
    after_ = told(world)
    kept = set(before) & set(after_)
    moved = {one for one in kept if before[one] != after_[one]}
    assert moved <= set(before[victim.record.id])
    assert world.step() == ()


def test_without_stick_tables_nobody_is_told_anything():
    world = World(desired=desired_cluster(4))
    world.run(60)
    assert set(told(world).values()) == {()}


def test_persistence_that_comes_later_is_one_more_push():
    world = World(desired=desired_cluster(3))
    world.run(60)
    world.desired = replace(
        world.desired, has_stick_tables=True, revision="r2"
    )
    pushed = []
    for _ in range(30):
        pushed += [a for a in world.step() if type(a) is ConfigureHaproxy]
    assert len(pushed) == 3
    assert {len(action.peer_ids) for action in pushed} == {3}
