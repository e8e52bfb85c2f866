# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which zones and front ends a load balancer's choice leaves."""

from dataclasses import replace

import pytest

from octavia_anycast.model.distributor import Zone
from octavia_anycast.planning.amphora.placement import (
    candidate_zones,
    frontend_networks,
)
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
