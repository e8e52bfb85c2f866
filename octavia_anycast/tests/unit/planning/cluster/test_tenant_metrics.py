# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whose numbers a PROMETHEUS listener shows, and who is told so."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.model.wire import Intent
from octavia_anycast.testing.simulated.simulation import World
from octavia_anycast.tests.unit.planning.cluster.test_invariants import (
    EVENTS,
    heal,
    play,
)
from octavia_anycast.tests.unit.planning.clusters import desired_cluster

AUTHORITY = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


def measured(**attributes):
    """A cluster with a PROMETHEUS listener."""
    return replace(desired_cluster(**attributes), metrics_authority=AUTHORITY)


def known(world):
    """Amphora id -> those whose numbers it shows."""
    return {
        i: frozenset(m.id for m in guest.state.tenant_metrics.members)
        if guest.state and guest.state.tenant_metrics
        else frozenset()
        for i, guest in world.guests.items()
    }


@settings(max_examples=15)
@given(size=st.integers(min_value=1, max_value=4), events=EVENTS)
def test_any_history_followed_by_silence_converges(size, events):
    world = World(desired=measured(size=size))
    play(world, events)
    heal(world)
    world.run(600, step=3.0)
    assert world.step() == ()
    everybody = frozenset(world.guests)
    assert known(world) == dict.fromkeys(everybody, everybody)


def test_each_is_told_of_all_with_zone_and_addresses():
    world = World(desired=measured(size=3))
    world.run(60)
    (told,) = {g.state.tenant_metrics for g in world.guests.values()}
    assert told.authority == AUTHORITY
    assert {m.id: (m.zone, m.addresses) for m in told.members} == {
        i: (
            g.record.availability_zone or "",
            tuple(a.ip_address for a in g.record.frontend.addresses),
        )
        for i, g in world.guests.items()
    }


def test_without_a_listener_nobody_is_told_anything():
    world = World(desired=measured(size=3))
    world.run(60)
    world.desired = replace(world.desired, metrics_authority="")
    world.run(5)
    assert set(known(world).values()) == {frozenset()}
    assert world.step() == ()


def test_one_that_is_silent_is_shown_and_one_that_is_gone_is_not():
    world = World(desired=measured(size=3))
    world.run(60)
    lost = next(iter(world.guests))
    world.guests[lost].is_cut_off = True
    world.run(10)
    assert all(lost in shown for shown in known(world).values())
    world.guests[lost].is_dead = world.guests[lost].is_dead_known = True
    world.step()
    others = {i: m for i, m in known(world).items() if i != lost}
    assert all(lost not in shown for shown in others.values())


def test_one_that_leaves_is_shown_until_it_is_deleted():
    world = World(desired=measured(size=4))
    world.run(60)
    world.desired = replace(world.desired, size=ClusterSize(desired=3))
    four = frozenset(world.guests)
    while len(world.guests) == 4:
        assert known(world) == dict.fromkeys(four, four)
        world.step()
    world.run(3)
    three = frozenset(world.guests)
    assert known(world) == dict.fromkeys(three, three)


def test_an_old_image_is_told_nothing_and_is_shown():
    world = World(desired=replace(measured(size=3), metrics_authority=""))
    world.run(60)
    old = next(iter(world.guests))
    world.guests[old].is_of_old_image = True
    world.desired = replace(world.desired, metrics_authority=AUTHORITY)
    world.run(10)
    everybody = frozenset(world.guests)
    told = dict.fromkeys(everybody, everybody)
    assert known(world) == told | {old: frozenset()}


def test_nobody_that_announces_withdraws_for_it():
    world = World(desired=replace(measured(size=3), metrics_authority=""))
    world.run(60)
    world.desired = replace(world.desired, metrics_authority=AUTHORITY)
    for _ in range(10):
        world.step()
        assert len(world.announcers()) == 3
        intents = {
            vip.intent
            for guest in world.guests.values()
            for vip in guest.state.vips
        }
        assert intents == {Intent.ADVERTISE}
