# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A rack is lost: how many boot at once, who is first, who waits how long."""

import copy
from dataclasses import replace
from datetime import timedelta

import pytest

from octavia_anycast.model.cluster import ReplacementClaim
from octavia_anycast.planning.amphora.claims import LONG, next_in_turn, rank
from octavia_anycast.testing.simulated.simulation import EPOCH, World
from octavia_anycast.testing.simulated.storm import Storm
from octavia_anycast.tests.unit.planning.clusters import desired_cluster

LIMIT = 2
DOWN = ("down0", "down1")
HALF = ("half0", "half1")
QUARTER = ("quarter0", "quarter1", "quarter2", "quarter3")
LOST = (
    dict.fromkeys(DOWN, 4) | dict.fromkeys(HALF, 2) | dict.fromkeys(QUARTER, 1)
)


@pytest.fixture(scope="module")
def calm():
    """Clusters of four that are whole."""
    desired = desired_cluster(4)
    desired = replace(
        desired, policy=replace(desired.policy, replacement_limit=LIMIT)
    )
    worlds = {}
    for name in LOST:
        worlds[name] = World(desired=replace(desired, load_balancer_id=name))
        worlds[name].run(40)
        assert len(worlds[name].announcers()) == 4
    return Storm(worlds)


@pytest.fixture
def storm(calm):
    """The rack is lost while replacements of others are under way."""
    made = copy.deepcopy(calm)
    others = [f"other{number}" for number in range(LIMIT)]
    made._replacing["others"] = set(others)
    for name, count in LOST.items():
        made.kill(name, count)
    made.run(2)
    assert made.booted == []
    assert made.waiting() == LOST.keys()
    made._replacing.pop("others")
    return made


def until_whole(storm, names=LOST, seconds=600):
    for _ in range(seconds):
        storm.run(1)
        if all(map(storm.is_whole, names)):
            return
    whole = {name: storm.is_whole(name) for name in names}
    raise AssertionError(f"{whole}, {storm.claims}")


def test_the_limit_holds_and_all_become_whole(storm):
    until_whole(storm)
    assert storm.most == LIMIT
    assert storm.waiting() == set()


def test_what_is_down_is_first_then_who_lost_most(storm):
    until_whole(storm)
    first = list(dict.fromkeys(storm.booted))
    assert set(first[:2]) == set(DOWN)
    assert set(first[2:4]) == set(HALF)
    last_of_half = max(storm.booted.index(name) for name in HALF)
    assert last_of_half < min(storm.booted.index(name) for name in QUARTER)


def test_one_whose_boots_fail_holds_nobody_up(storm):
    for name in DOWN:
        storm.worlds[name].boots_fail = True
    until_whole(storm, (*HALF, *QUARTER))
    assert storm.most <= LIMIT


def test_one_that_nobody_looks_after_holds_nobody_up(storm):
    """Its controller died, and no other one has taken over yet."""
    storm.stopped = set(DOWN)
    until_whole(storm, (*HALF, *QUARTER))


def test_the_same_with_a_control_in_which_nobody_waits_his_turn(
    storm, monkeypatch
):
    """Without claims the order is that of the looks."""
    monkeypatch.setattr(
        "octavia_anycast.planning.amphora.claims.ahead", lambda group: 0
    )
    until_whole(storm)
    first = list(dict.fromkeys(storm.booted))
    assert set(first[:4]) != {*DOWN, *HALF}


def claim(name, serving, *, waits=0.0, size=4):
    return ReplacementClaim(
        load_balancer_id=name,
        wanted=1,
        serving=serving,
        size=size,
        since=EPOCH - timedelta(seconds=waits),
        asked_at=EPOCH,
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (claim("b", 0), claim("a", 1)),
        (claim("b", 2), claim("a", 3)),
        (claim("b", 1, size=2), claim("a", 3, size=4)),
        (claim("b", 3, waits=2), claim("a", 3, waits=1)),
        (claim("a", 3), claim("b", 3)),
        (claim("b", 3, waits=LONG.total_seconds()), claim("a", 0)),
    ],
    ids=["down", "more", "a larger share", "longer", "id", "for very long"],
)
def test_who_is_first(first, second):
    assert rank(first, EPOCH) < rank(second, EPOCH)


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (-1, ()),
        (0, ()),
        (1, ("down",)),
        (3, ("down", "half")),
        (4, ("down", "half", "quarter")),
        (99, ("down", "half", "quarter")),
    ],
)
def test_who_is_looked_at_first_while_places_are_free(free, expected):
    waiting = (
        claim("quarter", 3),
        replace(claim("half", 2), wanted=2),
        claim("down", 0),
    )
    assert next_in_turn(waiting, free, EPOCH) == expected
