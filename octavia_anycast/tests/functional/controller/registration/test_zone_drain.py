# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A zone drain where a distributor's own announce a load balancer, too."""

import pytest

from octavia_anycast.controller.fleet.zone_drains import ZoneDrains
from octavia_anycast.testing import samples
from octavia_anycast.tests.functional.controller.registration import (
    test_registered_life as registered_life,
)

ZONE_DRAINS = "/v2/lbaas/zone-drains"
PATH = registered_life.PATH
stage_of_two = registered_life.stage_of_two


class Racks(registered_life.Registered):
    """With two of its own, one for the router of each rack."""

    def __init__(self, stage):
        self.stage = stage
        self.api = stage.api
        self.cloud = stage.cloud
        peers = [
            samples.peer(
                name=f"leaf{n}",
                availability_zone=f"rack{n}",
                peer_ip=f"172.31.0.7{n}",
            )
            for n in (1, 2)
        ]
        made = self.api.create(
            PATH,
            samples.distributor(
                dedicated_count=2,
                zones=[{"availability_zone": f"rack{n}"} for n in (1, 2)],
                speakers=[samples.speaker(driver="bird", peers=peers)],
            ),
        )
        self.id = made["id"]
        self.path = f"{PATH}/{self.id}/amphorae"
        self.leaves = [peer["id"] for peer in made["speakers"][0]["peers"]]


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("has_vip", [False, True])
def test_paths_for_one_racks_router_hold_nothing_up(
    stage_of_two, elsewhere, has_vip
):
    """The load balancer announces itself all the time."""
    racks = Racks(stage_of_two)
    racks.run()
    if has_vip:
        body = {"vip": {"vip_address": "203.0.113.7", "next_hop": "10.1.0.7"}}
        racks.api.create(f"{PATH}/{racks.id}/vips", body)
    racks.register(peer_id=racks.leaves[0])
    # Without a VIP the amphora for the other router has nothing to announce.
    if not has_vip:
        racks.register(peer_id=racks.leaves[1])
    racks.run()
    wanted = {
        "availability_zone": "rack1",
        "duration": 3600,
        "boot_elsewhere": elsewhere,
    }
    made = racks.api.create(ZONE_DRAINS, {"zone_drain": wanted})

    drains = ZoneDrains(racks.stage.controller.world)
    for _ in range(100):
        for key in drains.pending(lambda _: None):
            drains.reconcile(key)
        racks.stage.controller.dedicated.reconcile(racks.id)
        racks.stage.controller.reconcile(racks.stage.load_balancer_id)
        racks.cloud.pass_time(1)

    shown = racks.api.call("GET", f"{ZONE_DRAINS}/{made['id']}").body
    assert shown["zone_drain"]["state"] == "DRAINED"
    assert racks.cloud.violations == []
