# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Flow rescue in a cluster: members, secrets, and invariant 6."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.model.wire import Intent
from octavia_anycast.planning.cluster.rescue import secrets_at
from octavia_anycast.testing.simulated.simulation import EPOCH, World
from octavia_anycast.tests.unit.planning.cluster.test_invariants import (
    EVENTS,
    heal,
    play,
)
from octavia_anycast.tests.unit.planning.clusters import desired_cluster

SECRETS = ("0123456789abcdef0123", "aaaaaaaaaaaaaaaaaaaa")
KEY = b"of the operator"


def rescuing(**attributes):
    """A cluster with flow rescue."""
    return replace(desired_cluster(**attributes), rescue_secrets=SECRETS)


def known(world):
    """Amphora id -> those for whom it rescues flows."""
    return {i: guest.rescues for i, guest in world.guests.items()}


@settings(max_examples=25)
@given(size=st.integers(min_value=1, max_value=5), events=EVENTS)
def test_any_history_followed_by_silence_converges(size, events):
    """The simulation checks invariant 6 at each step."""
    world = World(desired=rescuing(size=size))
    play(world, events)
    heal(world)
    world.run(600, step=3.0)
    assert world.step() == ()
    assert len(world.announcers()) == world.desired.size.desired
    assert len(world.guests) == world.desired.total
    everybody = frozenset(world.guests)
    assert known(world) == dict.fromkeys(everybody, everybody)


def test_a_new_amphora_is_known_before_it_announces():
    world = World(desired=rescuing(size=3))
    world.run(60)
    assert len(world.announcers()) == 3
    world.desired = replace(world.desired, size=ClusterSize(desired=4))
    before = world.announcers()
    while world.announcers() == before:
        world.step()
    (new,) = world.announcers() - before
    assert all(new in members for members in known(world).values())


def test_one_that_cannot_be_told_just_now_is_waited_for():
    world = World(desired=rescuing(size=3))
    world.run(60)
    world.desired = replace(world.desired, size=ClusterSize(desired=4))
    before = world.announcers()
    while not any(g.number == 4 for g in world.guests.values()):
        world.step()
    (new,) = (i for i, g in world.guests.items() if g.number == 4)
    while world.guests[new].record.frontend is None:
        world.step()
    cut_off = world.guests[next(iter(before))]
    cut_off.is_cut_off = True
    world.run(10)
    assert new not in world.announcers()
    cut_off.is_cut_off = False
    world.run(5)
    assert new in world.announcers()
    assert new in cut_off.rescues


def test_one_that_leaves_is_a_member_until_it_is_deleted():
    world = World(desired=rescuing(size=4))
    world.run(60)
    world.desired = replace(world.desired, size=ClusterSize(desired=3))
    four = frozenset(world.guests)
    while len(world.guests) == 4:
        assert known(world) == dict.fromkeys(four, four)
        world.step()
    world.run(3)
    three = frozenset(world.guests)
    assert known(world) == dict.fromkeys(three, three)


def test_one_that_is_silent_stays_a_member():
    """Its management is cut, and its connections may go on."""
    world = World(desired=rescuing(size=3))
    world.run(60)
    lost = next(iter(world.guests))
    world.guests[lost].is_cut_off = True
    world.run(10)
    assert all(lost in members for members in known(world).values())


def test_one_that_is_gone_is_no_member_at_once():
    world = World(desired=rescuing(size=3))
    world.run(60)
    lost = next(iter(world.guests))
    world.guests[lost].is_dead = world.guests[lost].is_dead_known = True
    world.step()
    others = {i: m for i, m in known(world).items() if i != lost}
    assert all(lost not in members for members in others.values())


def test_an_old_image_is_left_out_and_holds_nobody_back():
    world = World(desired=replace(rescuing(size=3), rescue_secrets=()))
    world.run(60)
    old = next(iter(world.guests))
    world.guests[old].is_of_old_image = True
    world.desired = replace(world.desired, rescue_secrets=SECRETS)
    world.run(10)
    rest = frozenset(world.guests) - {old}
    assert known(world) == {old: frozenset()} | dict.fromkeys(rest, rest)
    world.desired = replace(world.desired, size=ClusterSize(desired=4))
    world.run(60)
    assert len(world.announcers()) == 4


def test_switched_off_nobody_is_told_of_it():
    world = World(desired=rescuing(size=3))
    world.run(60)
    world.desired = replace(world.desired, rescue_secrets=())
    world.run(5)
    assert all(g.state.flow_rescue is None for g in world.guests.values())
    assert world.step() == ()


def test_the_first_ones_of_a_cluster_do_not_wait_for_each_other():
    world = World(desired=rescuing(size=3))
    plain = World(desired=desired_cluster(size=3))
    for _ in range(60):
        world.step()
        plain.step()
        if plain.announcers():
            break
    assert world.announcers()


def test_nobody_that_announces_withdraws_for_it():
    world = World(desired=replace(rescuing(size=3), rescue_secrets=()))
    world.run(60)
    world.desired = replace(world.desired, rescue_secrets=SECRETS)
    for _ in range(10):
        world.step()
        assert len(world.announcers()) == 3
        intents = {
            vip.intent
            for guest in world.guests.values()
            for vip in guest.state.vips
        }
        assert intents == {Intent.ADVERTISE}


@given(
    st.integers(0, 10 * 86_400),
    st.uuids().map(str),
)
def test_the_secret_rotates_without_a_gap(seconds, load_balancer_id):
    """Two amphorae that are half a day apart understand each other."""
    now = EPOCH + timedelta(seconds=seconds)
    first = secrets_at(KEY, load_balancer_id, now)
    for later in (now, now + timedelta(hours=11, minutes=59)):
        second = secrets_at(KEY, load_balancer_id, later)
        assert first[0] in second
        assert second[0] in first
        assert second[0] != second[1]


def test_a_secret_is_of_one_cluster_and_one_day():
    found = {
        secrets_at(key, load_balancer_id, EPOCH + timedelta(days=day))[0]
        for key in (KEY, b"another")
        for load_balancer_id in ("a", "b")
        for day in range(3)
    }
    assert len(found) == 12


def test_one_that_may_not_leave_yet_is_told_of_those_that_replace_it():
    """All old ones leave at once: the new ones wait until these know them."""
    world = World(desired=rescuing(size=2))
    world.run(60)
    old = set(world.guests)
    for amphora_id in old:
        world.ask(amphora_id, leaving_since=world.now, reason="broken")
    world.run(120)
    assert len(world.announcers()) == 2
    assert not old & set(world.guests)


def test_a_spare_takes_the_place_of_one_that_does_not_answer():
    """It was known to all before it stood by; nobody is waited for."""
    world = World(desired=rescuing(size=2, spare_count=1))
    world.run(90)
    (spare,) = set(world.guests) - world.announcers()
    victim = world.guests[next(iter(world.announcers()))]
    victim.is_dead = True
    world.run(3)
    assert spare in world.announcers()
