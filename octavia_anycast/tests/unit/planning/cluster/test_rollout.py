# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A change of BGP peers goes through a cluster one amphora at a time.

``World.check_invariants`` asserts after each step that at most one amphora
is off because of a change, and that no VIP loses its last path.
"""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavia_anycast.model.actions import SetAgentState
from octavia_anycast.model.bgp import AuthType, SpeakerDriver
from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.testing.simulated.simulation import World
from octavia_anycast.tests.unit.planning.clusters import (
    desired_cluster,
    with_peers,
)

WRONG = "wrong"


def change_peers(world, **changes):
    """Change each peer of the distributor, as a PUT would."""
    world.desired = with_peers(world.desired, **changes)


def set_password(world, password):
    change_peers(world, auth_type=AuthType.MD5, password=password)


@cache
def _converged(size):
    world = World(desired=desired_cluster(size=size))
    world.run(90)
    assert len(world.announcers()) == size
    return world


def converged(size):
    return deepcopy(_converged(size))


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize(
    "changes",
    [{"med": 7}, {"auth_type": AuthType.MD5, "password": "other"}],
)
def test_a_good_change_reaches_everyone(size, changes):
    world = converged(size)
    change_peers(world, **changes)
    least = size
    for _ in range(20 * size):
        world.step()
        least = min(least, len(world.announcers()))
    assert world.holders() == set(world.guests)
    assert world.step() == ()
    assert least == (size - 1 if "password" in changes else size)


def test_attributes_go_one_amphora_at_a_time_too():
    world = converged(4)
    change_peers(world, med=7)
    told = [
        [a.amphora_id for a in world.step() if isinstance(a, SetAgentState)]
        for _ in range(30)
    ]
    assert max(len(step) for step in told) == 1
    assert sum(len(step) for step in told) == 4


def test_a_new_name_is_not_told_to_anybody():
    world = converged(2)
    change_peers(world, name="another name")
    assert world.step() == ()


def test_a_change_that_cannot_work_stops_at_the_first():
    world = converged(4)
    world.refuse(WRONG)
    set_password(world, WRONG)
    world.run(600)
    assert len(world.holders()) == 1
    assert len(world.announcers()) == 3
    assert world.holders().isdisjoint(world.announcers())


@pytest.mark.parametrize("fix", ["taken back", "corrected", "in the fabric"])
def test_the_way_out_is_another_change(fix):
    world = converged(4)
    world.refuse(WRONG)
    before = world.desired.distributor
    set_password(world, WRONG)
    world.run(120)
    match fix:
        case "taken back":
            world.desired = replace(world.desired, distributor=before)
        case "corrected":
            set_password(world, "right")
        case "in the fabric":
            world.refuse()
    world.run(120)
    assert world.holders() == set(world.guests)
    assert len(world.announcers()) == 4
    assert world.step() == ()


def test_two_wrong_changes_cost_one_amphora():
    world = converged(4)
    world.refuse(WRONG, "wrong-too")
    set_password(world, WRONG)
    world.run(30)
    set_password(world, "wrong-too")
    world.run(300)
    assert len(world.announcers()) == 3


def test_other_changes_go_on_while_one_is_stuck():
    world = converged(3)
    world.refuse(WRONG)
    set_password(world, WRONG)
    world.run(30)
    world.desired = replace(world.desired, revision="r2")
    world.run(60)
    assert {g.configured for g in world.guests.values()} == {"r2"}
    assert len(world.announcers()) == 2


def test_what_a_replacement_brings_up_is_the_new_one():
    world = converged(2)
    change_peers(world, med=7)
    guest = next(iter(world.guests.values()))
    guest.is_dead = guest.is_dead_known = True
    world.run(120)
    assert world.holders() == set(world.guests)
    assert len(world.announcers()) == 2


def test_a_dead_rack_does_not_hold_the_others_back():
    world = converged(4)
    for guest in world.guests.values():
        if guest.record.availability_zone == "rack1":
            guest.is_session_down = True
    world.run(10)
    change_peers(world, med=7)
    world.run(60)
    assert world.holders() == set(world.guests)


def test_amphorae_of_an_older_image_can_be_failed_over():
    world = converged(3)
    for guest in world.guests.values():
        guest.is_of_old_image = True
    old = set(world.guests)
    change_peers(world, med=7)
    world.run(10)
    assert world.holders() == old  # they are told, and it is no use to wait
    world.desired = replace(world.desired, failover_generation=1)
    for _ in range(300):
        world.step()
        assert len(world.announcers()) >= 2
    assert old.isdisjoint(world.guests)
    assert world.holders() == set(world.guests)
    assert world.step() == ()


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["right", WRONG, "other", "med", "heal", "drop"]),
        st.integers(min_value=0, max_value=30),
        st.integers(min_value=0, max_value=3),
    ),
    max_size=8,
)


@settings(max_examples=40)
@given(size=st.integers(min_value=2, max_value=5), changes=CHANGES)
def test_any_changes_keep_all_but_one_announcing(size, changes):
    world = converged(size)
    world.refuse(WRONG)
    for change, seconds, _ in changes:
        if change == "med":
            change_peers(world, med=seconds)
        elif change in ("right", WRONG, "other"):
            set_password(world, change)
        for _ in range(seconds):
            world.step()
            assert len(world.announcers()) >= size - 1
    world.refuse()
    world.run(200, step=2.0)
    assert world.holders() == set(world.guests)
    assert len(world.announcers()) == size


@settings(max_examples=30)
@given(size=st.integers(min_value=1, max_value=5), changes=CHANGES)
def test_any_changes_and_lost_sessions_converge(size, changes):
    world = converged(size)
    world.refuse(WRONG)
    for change, seconds, number in changes:
        if change in ("heal", "drop"):
            guests = list(world.guests.values())
            guests[number % len(guests)].is_session_down = change == "drop"
        elif change == "med":
            change_peers(world, med=seconds)
        else:
            set_password(world, change)
        world.run(seconds)
    world.refuse()
    for guest in world.guests.values():
        guest.is_session_down = False
    world.run(200, step=2.0)
    assert world.holders() == set(world.guests)
    assert len(world.announcers()) == size
    assert world.step() == ()


@pytest.mark.parametrize("size", [2, 4])
def test_another_driver_goes_one_amphora_at_a_time(size):
    """A daemon stops and another starts: the others announce meanwhile."""
    world = converged(size)
    distributor = world.desired.distributor
    world.desired = replace(
        world.desired,
        distributor=replace(
            distributor,
            speakers=tuple(
                replace(speaker, driver=SpeakerDriver.BIRD)
                for speaker in distributor.speakers
            ),
        ),
    )
    least, most_told = size, 0
    for _ in range(20 * size):
        told = [a for a in world.step() if isinstance(a, SetAgentState)]
        most_told = max(most_told, len(told))
        least = min(least, len(world.announcers()))
    assert most_told == 1
    assert least >= size - 1
    assert world.holders() == set(world.guests)


def test_one_that_tries_and_is_put_aside_has_not_recovered():
    """It becomes a spare because it has lost its session by the change.

    Nobody else that stays has a session with that peer, so none is missed.
    """
    world = World(desired=desired_cluster(size=3))
    world.run(18)
    world.desired = replace(world.desired, failover_generation=1)
    world.run(6)
    guest = next(iter(world.guests.values()))
    guest.is_dead = guest.is_dead_known = True
    world.run(14)
    world.refuse(WRONG)
    set_password(world, WRONG)
    world.desired = replace(world.desired, size=ClusterSize(desired=1))
    world.run(10)
    assert len(world.trying_out()) == 1
    assert world.announcers()
