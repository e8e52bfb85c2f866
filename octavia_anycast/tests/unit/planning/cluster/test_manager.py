# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The cluster manager: back-off, limit, no room, and switched off."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.planning.cluster.status import (
    OperatingStatus,
    operating_verdict,
)
from octavia_anycast.testing.simulated.simulation import World
from octavia_anycast.tests.unit.planning.clusters import desired_cluster


def converged(size: int = 4, minimum: int = 1, **more: object) -> World:
    """A cluster that is whole."""
    world = World(desired=desired_cluster(size, minimum, **more))
    world.run(40)
    assert len(world.announcers()) == size
    return world


def verdict(world):
    return operating_verdict(world.desired, world.observe(), world.now)


def kill(world, count=1):
    for name in sorted(world.guests)[:count]:
        world.guests[name].is_dead = True
        world.guests[name].is_dead_known = True


# -- back-off -----------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["quota", "boots"])
def test_boots_that_fail_burn_nothing(trouble):
    """Two are lost and none can boot: a few tries, ever more seldom."""
    world = converged()
    if trouble == "quota":
        world.quota = 2
    else:
        world.boots_fail = True
    kill(world, 2)
    tries = world.tries
    world.run(1800)

    assert world.tries - tries <= 13
    assert len(world.announcers()) == 2
    shown = verdict(world)
    assert shown.status is OperatingStatus.DEGRADED
    assert "boots failed" in shown.reason or "one boot at a" in shown.reason
    assert ("quota" if trouble == "quota" else "GONE") in shown.reason

    world.quota, world.boots_fail = None, False
    world.run(600)
    assert len(world.announcers()) == 4


def test_after_a_failure_one_boot_at_a_time_until_one_comes_up():
    world = converged()
    world.quota = 0
    kill(world, 3)
    world.run(20)
    world.quota = None
    while not any(g.is_up(world.now) is False for g in world.guests.values()):
        world.step()
    booting = [g for g in world.guests.values() if not g.is_up(world.now)]
    assert len(booting) == 1
    world.run(60)
    assert len(world.announcers()) == 4


@pytest.mark.parametrize(
    "wanted", [{"spare_count": 1}, {"failover_generation": 1}]
)
def test_boots_that_fail_degrade_it_though_all_announce(wanted):
    world = converged(minimum=4)  # no old amphora may give way
    world.quota = 4
    world.desired = replace(world.desired, **wanted)
    world.step()
    seen = []
    for _ in range(100):
        world.step()
        assert len(world.announcers()) == 4
        seen.append(verdict(world))
    assert {v.status for v in seen} == {OperatingStatus.DEGRADED}
    assert all("quota" in v.reason or "failure" in v.reason for v in seen)

    world.quota = None
    world.run(700)
    assert verdict(world).status is OperatingStatus.ONLINE


def test_boots_that_run_and_do_not_come_up_degrade_it_all_the_time():
    world = converged()
    world.boots_fail = True
    world.desired = replace(world.desired, spare_count=1)
    for _ in range(700):
        world.step()
        if verdict(world).status is not OperatingStatus.ONLINE:
            break
    for _ in range(200):
        world.step()
        shown = verdict(world)
        assert shown.status is OperatingStatus.DEGRADED
        assert "after" in shown.reason or "boots failed" in shown.reason

    world.desired = replace(world.desired, spare_count=0)
    world.run(100)
    assert verdict(world).status is OperatingStatus.ONLINE, "none is wanted"


# -- the replacement limit -----------------------------------------------


def test_the_replacement_limit_holds_replacements_and_says_so():
    world = converged()
    world.replacements_elsewhere = world.desired.policy.replacement_limit
    kill(world, 2)
    tries = world.tries
    world.run(120)

    assert world.tries == tries
    assert len(world.announcers()) == 2
    shown = verdict(world)
    assert shown.status is OperatingStatus.DEGRADED
    assert "held by the replacement limit: 10 replacements" in shown.reason

    world.replacements_elsewhere -= 1
    world.step()
    assert world.tries == tries + 1
    world.replacements_elsewhere = 0
    world.run(60)
    assert len(world.announcers()) == 4


def test_the_replacement_limit_holds_a_failover():
    world = converged()
    world.replacements_elsewhere = world.desired.policy.replacement_limit
    world.desired = replace(world.desired, failover_generation=1)
    before = set(world.guests)
    world.run(60)
    assert set(world.guests) == before
    assert "held by the replacement limit" in verdict(world).reason


def test_what_users_ask_for_is_not_held():
    policy_full = 10**6
    new = World(
        desired=desired_cluster(size=4, is_new=True),
        replacements_elsewhere=policy_full,
    )
    new.run(40)
    assert len(new.announcers()) == 4

    new.desired = replace(new.desired, is_new=False)
    new.desired = replace(
        new.desired, size=ClusterSize(desired=6), scaled_at=new.now
    )
    new.run(40)
    assert len(new.announcers()) == 6

    new.now += timedelta(hours=1)
    kill(new)
    new.run(40)
    assert len(new.announcers()) == 5, "that is a replacement"


def test_what_autoscaling_adds_is_not_held_but_what_is_lost_then_is():
    world = converged()
    world.replacements_elsewhere = world.desired.policy.replacement_limit
    kill(world)
    world.desired = replace(
        world.desired,
        size=ClusterSize(desired=6),
        scaled_at=world.now,
        is_autoscaled=True,
        grown_by=2,
    )
    world.step()
    tries = world.tries
    world.desired = replace(world.desired, grown_by=0)
    world.run(40)
    assert world.tries == tries
    assert len(world.announcers()) == 5, "the third one is a replacement"
    assert "1 to boot, held by the replacement limit" in verdict(world).reason


# -- failover without room ----------------------------------------------------


@settings(max_examples=12)
@given(
    size=st.integers(min_value=1, max_value=5),
    spares=st.integers(min_value=0, max_value=2),
    room=st.integers(min_value=0, max_value=2),
    minimum=st.integers(min_value=1, max_value=5),
)
def test_failover_costs_at_most_one_and_never_less_than_minimum(
    size, spares, room, minimum
):
    """With room: never fewer than wanted. Without: one fewer, if it may."""
    minimum = min(minimum, size)
    world = converged(size, minimum, spare_count=spares)
    world.quota = size + spares + room
    world.desired = replace(world.desired, failover_generation=1)
    before = set(world.guests)
    least = size if room or spares else max(minimum, size - 1)
    for _ in range(700):
        world.step()
        assert len(world.announcers()) >= least
    can_be_done = room or spares or size > minimum
    assert bool(before & set(world.guests)) is not bool(can_be_done)
    assert len(world.announcers()) == size
    if not can_be_done:
        assert "quota" in verdict(world).reason


def test_a_broken_image_takes_no_old_amphora_away():
    """There is room, but what boots does not live: new never comes."""
    world = converged()
    before = set(world.guests)
    world.boots_fail = True
    world.desired = replace(world.desired, failover_generation=1)
    # What boots runs, and says nothing: it is not for want of room.
    for _ in range(800):
        world.step()
        for guest in world.guests.values():
            guest.is_dead_known = False
    assert len(world.announcers()) == 4
    assert before <= set(world.guests)


# -- switched off -------------------------------------------------------------


def test_where_the_manager_is_off_what_runs_goes_on():
    world = converged()
    world.desired = replace(world.desired, is_managed=False)
    dead = sorted(world.guests)[0]
    world.guests[dead].is_dead = True
    tries = world.tries
    world.run(120)
    assert world.tries == tries
    assert len(world.announcers()) == 3
    assert dead in world.guests
    assert "the cluster manager is off" in verdict(world).reason

    world.desired = replace(world.desired, size=ClusterSize(desired=2))
    world.run(120)
    assert len(world.announcers()) == 3

    world.desired = replace(world.desired, revision="r2")
    world.run(30)
    assert {g.configured for g in world.guests.values() if not g.is_dead} == {
        "r2"
    }, "it is configured all the same"

    world.desired = replace(
        world.desired, is_managed=True, size=ClusterSize(desired=4)
    )
    world.run(120)
    assert len(world.announcers()) == 4
    assert dead not in world.guests


def test_a_spare_joins_although_the_manager_is_off():
    world = converged(2, spare_count=1)
    world.desired = replace(world.desired, is_managed=False)
    kill(world)
    world.run(5)
    assert len(world.announcers()) == 2
