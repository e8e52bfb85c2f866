# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling as part of a cluster's plan."""

from dataclasses import replace
from datetime import timedelta

import pytest

from octavia_anycast.model.actions import (
    BootAmphora,
    ScaleCluster,
    StartLeaving,
)
from octavia_anycast.model.autoscale import (
    Autoscale,
    MeasuredLoad,
    Metric,
    Reading,
)
from octavia_anycast.planning.cluster.plan import plan
from octavia_anycast.testing.simulated.simulation import World
from octavia_anycast.tests.unit.planning.clusters import desired_cluster

AUTOSCALE = Autoscale(metric=Metric.CONNECTIONS, target=100, scale_in_delay=60)


@pytest.fixture
def world():
    world = World(desired=desired_cluster(3, 1))
    world.run(40)
    assert len(world.announcers()) == 3
    world.desired = replace(world.desired, autoscale=AUTOSCALE)
    return world


def planned(world, load, **wanted):
    readings = tuple(
        Reading(
            at=world.now - timedelta(seconds=seconds),
            load=load,
            serving=3,
            is_complete=True,
        )
        for seconds in range(80, -1, -10)
    )
    measured = MeasuredLoad(readings=readings, gap_seconds=20.0)
    desired = replace(world.desired, **wanted)
    return plan(desired, replace(world.observe(), load=measured), world.now)


def test_a_new_size_comes_first_and_what_it_asks_for_with_it(world):
    scaling, *others = planned(world, 460)
    assert isinstance(scaling, ScaleCluster)
    assert scaling.size == 5
    assert "scaled out from 3 to 5: connections 460" in scaling.reason
    assert [type(action) for action in others] == [BootAmphora, BootAmphora]
    assert not any(action.is_replacement for action in others)


def test_a_smaller_size_has_one_leave(world):
    scaling, *others = planned(world, 40)
    assert scaling.size == 2
    assert [type(action) for action in others] == [StartLeaving]


def test_a_load_that_fits_plans_nothing(world):
    assert planned(world, 300) == ()


@pytest.mark.parametrize(
    "wanted",
    [{"autoscale": None}, {"is_managed": False}, {"is_enabled": False}],
    ids=lambda wanted: next(iter(wanted)),
)
def test_it_is_not_scaled_unless_it_is_autoscaled_and_serves(world, wanted):
    actions = planned(world, 1000, **wanted)
    assert not any(isinstance(action, ScaleCluster) for action in actions)
