# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which zones and front ends a load balancer's choice leaves, and of these
the ones in which amphorae boot."""

from collections import Counter
from dataclasses import replace

import pytest

from octavia_anycast.model.cluster import BootFailure
from octavia_anycast.model.distributor import Zone
from octavia_anycast.planning.amphora.assessment import Cluster
from octavia_anycast.planning.amphora.placement import (
    FULL_AFTER,
    candidate_zones,
    frontend_networks,
    place,
)
from octavia_anycast.testing.simulated.simulation import World
from octavia_anycast.tests.unit.planning.clusters import desired_cluster

RACK1 = Zone(
    availability_zone="rack1",
    frontend_network_id="n1",
    frontend_subnet_ids=("n1v4", "n1v6"),
)
RACK2 = Zone(availability_zone="rack2", frontend_network_id="n2")
OPEN = Zone(availability_zone="rack3")
VIP_NETWORK = "vip-network"


def chosen(zones, network_id=None, subnet_id=None):
    desired = desired_cluster()
    return replace(
        desired,
        distributor=replace(desired.distributor, zones=zones),
        vips=tuple(
            replace(vip, network_id=VIP_NETWORK) for vip in desired.vips
        ),
        frontend_network_id=network_id,
        frontend_subnet_id=subnet_id,
    )


CASES = [
    # (zones, network, subnet, the zones left, the front-end networks)
    ((), None, None, (Zone(),), {VIP_NETWORK}),
    ((RACK1, RACK2), None, None, (RACK1, RACK2), {"n1", "n2"}),
    ((RACK1, OPEN), None, None, (RACK1, OPEN), {"n1", VIP_NETWORK}),
    ((RACK1, RACK2), "n2", None, (RACK2,), {"n2"}),
    (
        (RACK1, RACK2),
        "n1",
        "n1v6",
        (replace(RACK1, frontend_subnet_ids=("n1v6",)),),
        {"n1"},
    ),
    (
        (RACK1, RACK2),
        "n9",
        None,
        (Zone(frontend_network_id="n9"),),
        {"n9"},
    ),
    (
        (RACK1, RACK2),
        "n9",
        "n9v4",
        (Zone(frontend_network_id="n9", frontend_subnet_ids=("n9v4",)),),
        {"n9"},
    ),
]


@pytest.mark.parametrize(
    ("zones", "network_id", "subnet_id", "left", "networks"), CASES
)
def test_a_choice_leaves(zones, network_id, subnet_id, left, networks):
    desired = chosen(zones, network_id, subnet_id)

    assert candidate_zones(desired) == left
    assert frontend_networks(desired) == networks


def placed(failures, count=2, world=None):
    """Zone -> how many boot there, after failures in some (all but the last
    without a server that ran)."""
    world = world or World(desired=desired_cluster(size=count))
    observed = replace(world.observe(), recent_failures=tuple(failures))
    group = Cluster(world.desired, observed, world.now)
    zones = candidate_zones(world.desired)
    found = place(group, zones, count)
    return Counter(zone.availability_zone for zone in found)


def failure(zone, *, has_run=False, world=None):
    at = (world or World(desired=desired_cluster())).now
    return BootFailure(at=at, has_run=has_run, availability_zone=zone)


@pytest.mark.parametrize(
    ("failures", "places"),
    [
        ({}, {"rack1": 1, "rack2": 1}),
        ({"rack1": FULL_AFTER - 1}, {"rack1": 1, "rack2": 1}),
        ({"rack1": FULL_AFTER}, {"rack2": 2}),
        ({"rack2": FULL_AFTER}, {"rack1": 2}),
        (
            {"rack1": FULL_AFTER, "rack2": FULL_AFTER},
            {"rack1": 1, "rack2": 1},
        ),
        ({None: FULL_AFTER}, {"rack1": 1, "rack2": 1}),
    ],
)
def test_a_full_zone_is_passed_over(failures, places):
    found = [failure(z) for z, count in failures.items() for _ in range(count)]
    assert placed(found) == places


def test_where_servers_run_there_is_room():
    found = [failure("rack1", has_run=True) for _ in range(FULL_AFTER)]
    assert placed(found) == {"rack1": 1, "rack2": 1}


def test_after_one_came_up_the_zone_is_tried_again():
    world = World(desired=desired_cluster(size=2))
    found = [failure("rack1", world=world) for _ in range(FULL_AFTER)]
    world.run(60)
    assert len(world.announcers()) == 2
    assert placed(found, world=world) == {"rack1": 1, "rack2": 1}
