# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Spares: ready, silent, and there when one is lost."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavia_anycast.model.actions import BootAmphora
from octavia_anycast.model.bgp import AuthType
from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.model.wire import Intent
from octavia_anycast.planning.cluster.status import (
    OperatingStatus,
    is_settled,
    operating_verdict,
)
from octavia_anycast.testing.simulated.simulation import World
from octavia_anycast.tests.unit.planning.clusters import (
    desired_cluster,
    with_peers,
)


def spared(size: int = 2, spares: int = 1) -> World:
    """A converged cluster with spares."""
    world = World(desired=desired_cluster(size=size, spare_count=spares))
    world.run(40)
    return world


def spares_of(world):
    return [
        guest
        for guest in world.guests.values()
        if guest.record.spare_since is not None
    ]


def announcer(world):
    return world.guests[min(world.announcers())]


def verdict(world):
    return operating_verdict(world.desired, world.observe(), world.now)


def test_a_spare_is_ready_and_does_not_announce():
    world = spared()

    assert len(world.guests) == 3
    assert len(world.announcers()) == 2
    (spare,) = spares_of(world)
    assert spare.configured == world.desired.revision
    assert spare.gate_is_up()
    assert not spare.announced(world.now)
    assert world.step() == ()
    assert is_settled(world.desired, world.observe(), world.now)
    assert verdict(world).status is OperatingStatus.ONLINE
    assert "1 of 1 spares ready" in verdict(world).reason


@pytest.mark.parametrize("fault", ["is_dead", "is_gate_broken"])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_it_joins_in_the_look_that_finds_one_missing(size, fault):
    world = spared(size)
    (spare,) = spares_of(world)
    setattr(announcer(world), fault, True)
    assert len(world.announcers()) == size - 1

    world.step()

    assert len(world.announcers()) == size
    assert spare.record.id in world.announcers()


def test_another_spare_takes_its_place():
    world = spared()
    dead = announcer(world)
    dead.is_dead = True
    world.run(90)

    assert dead.record.id not in world.guests
    assert len(world.guests) == 3
    assert len(world.announcers()) == 2
    assert len(spares_of(world)) == 1
    assert world.step() == ()


def test_two_spares_replace_two():
    world = spared(size=2, spares=2)
    for guest in list(world.guests.values()):
        if guest.record.spare_since is None:
            guest.is_dead = True
    assert not world.announcers()

    world.step()

    assert len(world.announcers()) == 2


def test_a_false_alarm_costs_no_boot_and_drains_first():
    world = spared()
    cut = announcer(world)
    cut.is_cut_off = True
    world.step()
    assert len(world.announcers()) == 3
    cut.is_cut_off = False
    boots = world.tries

    world.step()

    (spare,) = spares_of(world)
    assert {v.intent for v in spare.state.vips} == {Intent.DRAIN}
    world.run(30)
    assert len(world.announcers()) == 2
    assert world.tries == boots
    assert world.step() == ()


def test_scaling_out_takes_the_spare_at_once():
    world = spared()
    world.desired = replace(world.desired, size=ClusterSize(desired=3))

    world.step()

    assert len(world.announcers()) == 3
    world.run(60)
    assert len(world.guests) == 4
    assert len(world.announcers()) == 3


def test_scaling_in_never_has_fewer_than_wanted():
    world = spared(size=4)
    world.desired = replace(world.desired, size=ClusterSize(desired=2))
    for _ in range(120):
        world.step()
        assert len(world.announcers()) >= 2
    assert len(world.guests) == 3
    assert len(world.announcers()) == 2


def test_a_spare_that_is_not_wanted_any_more_goes_in_silence():
    world = spared()
    world.desired = replace(world.desired, spare_count=0)
    for _ in range(60):
        world.step()
        assert len(world.announcers()) == 2
    assert len(world.guests) == 2


@pytest.mark.parametrize("size", [1, 3])
def test_changed_peers_reach_all_of_them(size):
    world = spared(size)
    world.desired = with_peers(
        world.desired, auth_type=AuthType.MD5, password="new"
    )
    world.run(200)

    assert world.holders() == set(world.guests)
    assert len(world.announcers()) == size
    assert world.step() == ()


def test_failover_replaces_the_spare_too():
    world = spared()
    before = set(world.guests)
    world.desired = replace(world.desired, failover_generation=1)
    for _ in range(200):
        world.step()
        assert len(world.announcers()) >= 2
    assert not before & set(world.guests)
    assert len(world.announcers()) == 2
    assert len(spares_of(world)) == 1


def test_spares_are_spread_with_the_others():
    world = World(desired=desired_cluster(size=3, spare_count=1))
    boots = [a for a in world.step() if isinstance(a, BootAmphora)]
    zones = [boot.zone.availability_zone for boot in boots]
    assert sorted(zones) == ["rack1", "rack1", "rack2", "rack2"]


@settings(max_examples=30)
@given(
    size=st.integers(min_value=1, max_value=4),
    spares=st.integers(min_value=0, max_value=2),
    lost=st.integers(min_value=0, max_value=5),
)
def test_as_many_announce_as_spares_allow(size, spares, lost):
    """Whoever dies, in the next look as many announce as can."""
    world = spared(size, spares)
    victims = sorted(world.guests)[:lost]
    for victim in victims:
        world.guests[victim].is_dead = True
    alive = len(world.guests) - len(victims)

    world.step()

    assert len(world.announcers()) == min(size, alive)
