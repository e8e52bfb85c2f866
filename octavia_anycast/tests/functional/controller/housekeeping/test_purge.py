# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The purge, with a load balancer that goes on."""

from octavia_anycast.controller.housekeeping.housekeeping import (
    AMPHORAE,
    Purge,
)
from octavia_anycast.db.amphora import amphorae


def test_replaced_amphora_is_kept_for_its_age(stage):
    stage.run()
    machine = next(iter(stage.cloud.machines.values()))
    machine.has_power = False
    stage.cloud.pass_time(60)
    stage.run(seconds=120)
    purge = Purge(stage.controller.world)
    assert purge.run()[AMPHORAE] == 0
    with stage.api.database.transaction() as session:
        assert len(amphorae.list_known(session)) == 3
    age = stage.controller.world.settings.amphora_expiry_age
    stage.cloud.pass_time(age + 1)
    assert purge.find()[AMPHORAE] == 1
    assert purge.run()[AMPHORAE] == 1
    assert not any(purge.run().values())
    with stage.api.database.transaction() as session:
        assert len(amphorae.list_known(session)) == 2
    stage.run()
    assert len(stage.cloud.machines) == 2
