# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling, one decision at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.model.autoscale import Autoscale, Metric, Reading
from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.planning.cluster.autoscale.decision import (
    Decision,
    Scaling,
    decide,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SCALING = Scaling(
    settings=Autoscale(
        metric=Metric.CONNECTIONS,
        target=100,
        tolerance=0.1,
        scale_in_delay=60,
    ),
    size=ClusterSize(desired=3, minimum=2, maximum=6),
)
GAP = 20.0


def readings(load, *, seconds=80, serving=3, is_complete=True):
    return [
        Reading(
            at=NOW - timedelta(seconds=s),
            load=load,
            serving=serving,
            is_complete=is_complete,
        )
        for s in range(seconds, -1, -10)
    ]


def size_of(seen, **changes):
    scaling = replace(SCALING, **changes)
    return decide(scaling, seen, NOW, gap_seconds=GAP).size


@pytest.mark.parametrize(
    ("load", "size"),
    [(0, 2), (180, 2), (181, 3), (330, 3), (331, 4), (500, 5), (9999, 6)],
)
def test_the_load_decides(load, size):
    assert size_of(readings(load)) == size


def test_it_says_why():
    decision = decide(SCALING, readings(420), NOW, gap_seconds=GAP)
    assert decision == Decision(
        size=5,
        reason="scaled out from 3 to 5: connections 420 in all, the target "
        "is 100 for each",
    )
    decision = decide(SCALING, readings(7), NOW, gap_seconds=GAP)
    assert decision == Decision(
        size=2,
        reason="scaled in from 3 to 2: at most connections 7 in all, the "
        "target is 100 for each for 60 s",
    )


def test_what_is_known_suffices_to_grow():
    assert size_of(readings(500, is_complete=False)) == 5


@pytest.mark.parametrize(
    "seen",
    [
        [],
        readings(0, seconds=50),
        readings(0, is_complete=False),
        readings(0)[:-3],
        [r for i, r in enumerate(readings(0)) if i not in (3, 4)],
        [*readings(0)[:4], *readings(181)[4:5], *readings(0)[5:]],
        readings(0, serving=2),
        readings(0, serving=4),
    ],
    ids=[
        "nothing read",
        "not for long enough",
        "not all of it",
        "old",
        "a gap",
        "more in between",
        "one is missing",
        "one has not left yet",
    ],
)
def test_it_does_not_shrink(seen):
    assert size_of(seen) == 3


def test_it_does_not_grow_before_it_is_as_large_as_it_should_be():
    assert size_of(readings(500, serving=2)) == 3


@pytest.mark.parametrize(("seconds", "size"), [(29, 3), (30, 5)])
def test_it_cools_down(seconds, size):
    scaled_at = NOW - timedelta(seconds=seconds)
    assert (
        size_of(readings(500), scaled_at=scaled_at, cooldown_seconds=30)
        == size
    )


def test_without_a_cooldown_a_reading_of_the_new_size_is_waited_for():
    assert size_of(readings(500), scaled_at=NOW) == 3


def test_what_is_drained_does_not_carry_anything():
    drained = {"out_of_service": 1}
    assert size_of(readings(230, serving=2), **drained) == 4
    assert size_of(readings(150, serving=2), **drained) == 3
    assert size_of(readings(80, serving=2), **drained) == 2
