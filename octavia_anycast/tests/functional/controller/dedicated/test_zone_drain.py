# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A zone drain takes a distributor's own amphorae out of service, too."""

from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from octavia_anycast.controller.fleet.zone_drains import ZoneDrains
from octavia_anycast.tests.functional.controller.dedicated.test_life import (
    BODY,
    PATH,
    Stage,
)

ZONE_DRAINS = "/v2/lbaas/zone-drains"
VIP = ip_address(BODY["vip"]["vip_address"])


@pytest.fixture
def racks(api):
    """Two amphorae of a distributor's own, one in each of two racks."""
    zones = [{"availability_zone": f"rack{n}"} for n in (1, 2)]
    stage = Stage(api, zones=zones)
    stage.cloud.now = datetime.now(UTC)
    stage.run()
    api.create(stage.vips, BODY)
    stage.run()
    assert announcing(stage) == ["rack1", "rack2"]
    yield stage
    stage.controller.stop()


def announcing(stage):
    """The zones of those that announce."""
    return sorted(
        m.zone for m in stage.machines() if VIP in stage.cloud.announced(m)
    )


def ask(stage, code=201, **changes):
    wanted = {"availability_zone": "rack1", "duration": 3600} | changes
    answer = stage.api.call("POST", ZONE_DRAINS, {"zone_drain": wanted})
    assert answer.status == code, answer.text
    return answer.body["zone_drain"] if code == 201 else answer.fault


def show(stage, made):
    path = f"{ZONE_DRAINS}/{made['id']}"
    return stage.api.call("GET", path).body["zone_drain"]


def look(stage):
    """One look of a new controller at each zone drain."""
    drains = ZoneDrains(stage.controller.world)
    for key in drains.pending(lambda _: None):
        drains.reconcile(key)


def run(stage, seconds=90, least=1):
    """Look at all each second; at least so many announce meanwhile."""
    for _ in range(seconds):
        look(stage)
        stage.controller.dedicated.reconcile(stage.id)
        assert len(announcing(stage)) >= least
        stage.cloud.pass_time(1)
    stage.run()


def end(stage, made):
    path = f"{ZONE_DRAINS}/{made['id']}"
    assert stage.api.call("DELETE", path).status == 204


def test_out_and_back(racks):
    pending = racks.controller.dedicated.pending
    before = pending(print)
    made = ask(racks)
    assert show(racks, made)["announcing_count"] == 1
    look(racks)
    assert pending(print) != before, "its look comes at once"
    run(racks, 12)
    assert announcing(racks) == ["rack2"]
    shown = show(racks, made)
    assert shown["state"] == "DRAINED"
    assert shown["drained_count"] == 1
    assert len(racks.machines()) == 2
    assert racks.counts() == [1]

    end(racks, made)
    run(racks, 12)
    assert announcing(racks) == ["rack1", "rack2"]
    assert show(racks, made)["state"] == "ENDED"
    assert racks.counts() == [2]


def test_stand_ins_come_first_and_go_last(racks):
    made = ask(racks, boot_elsewhere=True)
    run(racks, least=2)
    assert announcing(racks) == ["rack2", "rack2"]
    assert show(racks, made)["state"] == "DRAINED"
    assert len(racks.machines()) == 3

    end(racks, made)
    run(racks, least=2)
    assert announcing(racks) == ["rack1", "rack2"]
    assert show(racks, made)["state"] == "ENDED"
    assert len(racks.machines()) == 2


def test_the_last_one_is_named_or_goes_on(racks):
    body = {"distributor": {"dedicated_count": 1}}
    assert racks.api.call("PUT", f"{PATH}/{racks.id}", body).status == 200
    run(racks, 30)
    (zone,) = announcing(racks)
    said = ask(racks, 409, availability_zone=zone)
    assert "1 distributor would lack capacity" in said
    assert f"distributor {racks.id} (none of its other" in said

    made = ask(racks, availability_zone=zone, force=True)
    for _ in range(30):
        look(racks)
        racks.controller.dedicated.reconcile(racks.id)
        assert announcing(racks) == [zone]
        racks.cloud.pass_time(1)
    shown = show(racks, made)
    assert (shown["state"], shown["waiting_count"]) == ("DRAINING", 1)


def test_a_deleted_distributor_ends_its_part(racks):
    made = ask(racks)
    run(racks, 12)
    racks.delete(lambda: look(racks))
    assert racks.machines() == []
    end(racks, made)
    look(racks)
    assert show(racks, made)["state"] == "ENDED"


def test_one_of_them_is_not_drained_alone(racks):
    """By an operator: what it announces for others is, one by one."""
    (victim, _) = racks.machines()
    path = f"/v2/octavia/amphorae/{victim.amphora_id}/drain"
    assert racks.api.call("PUT", path).status == 409
