# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A zone out of service: through the API, by the real controller."""

from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.controller.fleet.zone_drains import ZoneDrains
from octavia_anycast.controller.housekeeping.housekeeping import (
    ZONE_DRAINS,
    Purge,
)
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.fleet import zone_drains
from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.model.distributor import Zone
from octavia_anycast.testing.fakes.fake_cloud import Died
from octavia_anycast.tests.functional.controller.fleet.telling import told

PATH = "/v2/lbaas/zone-drains"
ZONES = tuple(Zone(availability_zone=f"rack{n}") for n in (1, 2))
HOUR = 3600


@pytest.fixture
def racks(stage):
    """A cluster of two that announces, one amphora in each of two racks."""
    stage.cloud.now = datetime.now(UTC)
    with stage.api.database.transaction() as session:
        cluster = clusters.get(session, stage.load_balancer_id)
        distributors.update(session, cluster.distributor_id, zones=ZONES)
    stage.run()
    stage.add_listener()
    stage.run()
    assert sorted(zones_of(announcers(stage))) == ["rack1", "rack2"]
    return stage


def announcers(stage):
    return stage.cloud.announcers(stage.load_balancer_id)


def zones_of(machines):
    return [machine.zone for machine in machines]


def records(stage):
    with stage.api.database.transaction() as session:
        return amphorae.list_for(session, stage.load_balancer_id)


def ask(stage, **changes):
    wanted = {"availability_zone": "rack1", "duration": HOUR} | changes
    answer = stage.api.call("POST", PATH, {"zone_drain": wanted})
    assert answer.status == 201, answer.text
    return answer.body["zone_drain"]["id"]


def show(stage, id_):
    return stage.api.call("GET", f"{PATH}/{id_}").body["zone_drain"]


def let_expire(stage, id_):
    """Let its time be over: the API has the wall clock, the cloud its own."""
    with stage.api.database.transaction() as session:
        end = zone_drains.get(session, id_).expires_at
    stage.cloud.now = max(stage.cloud.now, end)
    stage.cloud.pass_time(1)


def look(stage):
    """One look of a new controller at each zone drain; whom it wakes."""
    woken = []
    drains = ZoneDrains(stage.controller.world)
    for key in drains.pending(woken.append):
        drains.reconcile(key)
    return woken


def resize(stage, desired, minimum=1):
    with stage.api.database.transaction() as session:
        clusters.update(
            session,
            stage.load_balancer_id,
            size=ClusterSize(desired=desired, minimum=minimum),
        )


def test_drained_for_a_time_and_back_by_itself(racks):
    id_ = ask(racks, timeout=30)
    boots = len(racks.cloud.machines)

    assert look(racks) == [racks.load_balancer_id]
    assert look(racks) == [], "it is idempotent"
    assert show(racks, id_)["state"] == "DRAINING"
    assert len(announcers(racks)) == 2
    racks.run(120)

    assert zones_of(announcers(racks)) == ["rack2"]
    assert show(racks, id_)["state"] == "DRAINED"
    assert show(racks, id_)["drained_count"] == 1
    assert len(racks.cloud.machines) == boots, "nothing boots in its place"
    assert racks.show()["operating_status"] == "DEGRADED"
    with racks.api.database.transaction() as session:
        reason = clusters.get(session, racks.load_balancer_id).reason
    assert f"drained by zone drain {id_}" in reason

    let_expire(racks, id_)
    assert look(racks) == [racks.load_balancer_id]
    racks.run()

    assert len(announcers(racks)) == 2
    shown = show(racks, id_)
    assert shown["state"] == "ENDED"
    assert shown["end_reason"].startswith("its time was over at ")
    assert shown["amphora_count"] == 0
    assert racks.show()["operating_status"] == "ONLINE"
    assert look(racks) == []


def test_each_state_is_told_of_once(racks):
    """Also by a controller that was not there before."""
    id_ = ask(racks, timeout=30, reason="ToR upgrade")
    for _ in range(2):
        look(racks)
    racks.run(120)
    for _ in range(2):
        look(racks)
    let_expire(racks, id_)
    look(racks)
    racks.run()
    look(racks)
    found = told(racks, "zone.drain")
    assert [states for *states, _ in found] == [
        ["", "DRAINING"],
        ["DRAINING", "DRAINED"],
        ["DRAINED", "ENDED"],
    ]
    first, *_, last = [cause for *_, cause in found]
    assert f"zone drain {id_} of the availability zone rack1" in first
    assert "(1 amphorae) until " in first
    assert first.endswith(": ToR upgrade")
    assert "its time was over at " in last


def test_an_end_that_nobody_told_of_is_told_later(racks):
    """The controller that ended it died before it told."""
    id_ = ask(racks)
    look(racks)
    racks.cloud.pass_time(1)
    now = racks.cloud.now
    with racks.api.database.transaction() as session:
        zone_drains.begin_end(session, id_, "so it is", now)
        assert zone_drains.finish(session, id_, now)
    look(racks)
    states = [state for _, state, _ in told(racks, "zone.drain")]
    assert states == ["DRAINING", "ENDED"]
    assert ZoneDrains(racks.controller.world).pending(print) == {}


def test_an_operator_ends_it(racks):
    id_ = ask(racks)
    look(racks)
    racks.run(120)
    assert racks.api.call("DELETE", f"{PATH}/{id_}").status == 204
    look(racks)
    racks.run()
    assert show(racks, id_)["end_reason"] == "an operator ended it"
    assert len(announcers(racks)) == 2


def test_another_boots_elsewhere_first_and_goes_afterwards(racks):
    id_ = ask(racks, boot_elsewhere=True)
    look(racks)
    least = 2
    for _ in range(90):
        racks.controller.reconcile(racks.load_balancer_id)
        assert len(announcers(racks)) >= least
        racks.cloud.pass_time(1)
    racks.run(120)

    assert zones_of(announcers(racks)) == ["rack2", "rack2"]
    assert show(racks, id_)["state"] == "DRAINED"
    assert racks.show()["operating_status"] == "ONLINE"
    assert len(records(racks)) == 3

    assert racks.api.call("DELETE", f"{PATH}/{id_}").status == 204
    look(racks)
    assert show(racks, id_)["state"] == "ENDING"
    assert show(racks, id_)["returning_count"] == 1
    for _ in range(90):
        racks.controller.reconcile(racks.load_balancer_id)
        look(racks)
        assert len(announcers(racks)) >= least
        racks.cloud.pass_time(1)
    racks.run(120)
    assert show(racks, id_)["state"] == "ENDED"
    assert sorted(zones_of(announcers(racks))) == ["rack1", "rack2"]
    assert len(records(racks)) == 2


def test_what_boots_meanwhile_boots_elsewhere(racks):
    ask(racks, force=True)
    look(racks)
    resize(racks, 5)
    racks.run(120)
    look(racks)
    racks.run(120)
    assert zones_of(announcers(racks)) == ["rack2"] * 4


def test_one_that_came_there_all_the_same_is_drained_too(racks):
    id_ = ask(racks, boot_elsewhere=True)
    (first,) = (r for r in records(racks) if r.availability_zone == "rack1")
    with racks.api.database.transaction() as session:
        amphorae.update(session, first.id, availability_zone="rack7")
    assert look(racks) == []
    racks.cloud.pass_time(60)
    resize(racks, 3)
    # As if it had been placed before the zone drain was asked for.
    racks.run(120)
    newest = max(records(racks), key=lambda r: r.status_since)
    with racks.api.database.transaction() as session:
        amphorae.update(session, newest.id, availability_zone="rack1")
    look(racks)
    (marked,) = (r for r in records(racks) if r.zone_drain_id == id_)
    assert marked.id == newest.id
    assert not marked.stand_in_wanted, "or one would boot after the other"


def test_who_cannot_be_missed_stays(racks):
    """Another one is lost after it was asked for."""
    id_ = ask(racks)
    (other,) = (m for m in racks.cloud.machines.values() if m.zone == "rack2")
    racks.cloud.cut_sessions.add(other.amphora_id)
    look(racks)
    for _ in range(40):
        racks.controller.reconcile(racks.load_balancer_id)
        assert zones_of(announcers(racks)) == ["rack1"]
        racks.cloud.pass_time(1)
    assert racks.cloud.violations == []
    assert show(racks, id_)["waiting_count"] == 1

    racks.cloud.cut_sessions.clear()
    racks.run(120)
    assert zones_of(announcers(racks)) == ["rack2"]
    assert show(racks, id_)["state"] == "DRAINED"


def test_an_operators_own_drain_stays_his(racks):
    (first,) = (r for r in records(racks) if r.availability_zone == "rack1")
    drained = racks.api.call(
        "PUT",
        f"/v2/octavia/amphorae/{first.id}/drain",
        {"drain": {"timeout": 5}},
    )
    assert drained.status == 202, drained.text
    racks.run(60)
    id_ = ask(racks)
    assert look(racks) == []
    racks.api.call("DELETE", f"{PATH}/{id_}")
    look(racks)
    racks.run(60)
    assert zones_of(announcers(racks)) == ["rack2"], "he has to undo it"


@pytest.mark.parametrize("step", range(1, 12))
def test_a_controller_that_dies_in_the_middle(racks, step):
    """Whatever was done, the next one ends with the same."""
    id_ = ask(racks)
    racks.cloud.die_in(step)
    drains = ZoneDrains(racks.controller.world)
    try:
        while True:
            for key in drains.pending(lambda _: None):
                drains.reconcile(key)
            racks.controller.reconcile(racks.load_balancer_id)
            if racks.cloud.is_dead:
                break
            racks.cloud.pass_time(1)
    except Died:
        pass
    racks.restart()
    for _ in range(3):
        look(racks)
        racks.run(120)
    assert zones_of(announcers(racks)) == ["rack2"]
    assert show(racks, id_)["state"] == "DRAINED"


def test_two_controllers_at_once(racks):
    """Both read that it is to end; one of them tells of it."""
    id_ = ask(racks)
    look(racks)
    racks.run(120)
    racks.cloud.pass_time(2 * HOUR)
    first, second = (ZoneDrains(racks.controller.world) for _ in range(2))
    for one in (first, second):
        assert one.pending(lambda _: None) == {id_: "over"}
    assert first.reconcile(id_).is_gone
    assert second.reconcile(id_).is_gone
    ended_at = show(racks, id_)["ended_at"]
    racks.cloud.pass_time(60)
    assert second.reconcile(id_).is_gone
    assert show(racks, id_)["ended_at"] == ended_at


def test_a_late_controller_marks_nothing_after_the_end(racks):
    """It was paused between its first look and the marks."""
    id_ = ask(racks)
    with racks.api.database.transaction() as session:
        drain = zone_drains.get(session, id_)
    racks.api.call("DELETE", f"{PATH}/{id_}")
    look(racks)
    late = ZoneDrains(racks.controller.world)
    assert not late._mark_new(drain)
    assert all(r.zone_drain_id is None for r in records(racks))


def test_marks_that_came_after_the_end_are_taken_back(racks):
    """As of a controller that was stopped in the middle, whatever it did."""
    id_ = ask(racks)
    look(racks)
    racks.run(120)
    racks.cloud.pass_time(1)
    now = racks.cloud.now
    with racks.api.database.transaction() as session:
        zone_drains.begin_end(session, id_, "so it is", now)
        zone_drains.finish(session, id_, now)
        later = now + timedelta(days=999)
        assert zone_drains.purge(session, later) == 0, "it is borne"
    drains = ZoneDrains(racks.controller.world)
    assert drains.pending(lambda _: None) == {id_: "over"}
    look(racks)
    assert all(r.zone_drain_id is None for r in records(racks))
    racks.run(120)
    assert len(announcers(racks)) == 2
    look(racks)
    assert drains.pending(lambda _: None) == {}


def test_an_operator_undrains_what_an_ended_one_left(racks):
    id_ = ask(racks)
    look(racks)
    racks.run(120)
    (left,) = (r for r in records(racks) if r.zone_drain_id == id_)
    path = f"/v2/octavia/amphorae/{left.id}/drain"
    assert racks.api.call("DELETE", path).status == 409
    now = racks.cloud.now
    with racks.api.database.transaction() as session:
        zone_drains.begin_end(session, id_, "so it is", now)
        zone_drains.finish(session, id_, now)
    assert racks.api.call("DELETE", path).status == 204
    racks.run(120)
    assert len(announcers(racks)) == 2


def test_it_is_purged_like_an_event(racks):
    id_ = ask(racks)
    purge = Purge(racks.controller.world)
    age = racks.controller.world.settings.event_expiry_age
    racks.api.call("DELETE", f"{PATH}/{id_}")
    look(racks)
    assert purge.find()[ZONE_DRAINS] == 0
    racks.cloud.now += timedelta(seconds=age + 60)
    assert purge.find()[ZONE_DRAINS] == 1
    assert purge.run()[ZONE_DRAINS] == 1
    assert racks.api.call("GET", f"{PATH}/{id_}").status == 404
