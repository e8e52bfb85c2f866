# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The amphorae of a distributor's own, from rows to agents and back."""

from contextlib import suppress
from ipaddress import ip_address

import pytest
from oslo_config import cfg
from taskflow import engines

from octavia_anycast import options
from octavia_anycast.db import dedicated
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.distributor import distributors
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.errors import Conflict
from octavia_anycast.model.registration import ExternalVip
from octavia_anycast.testing import samples
from octavia_anycast.testing.controller_process import ControllerProcess
from octavia_anycast.testing.fakes.fake_cloud import START, Died, FakeCloud

PATH = "/v2/lbaas/distributors"
AMPHORAE = "/v2/octavia/amphorae"
BODY = {"vip": {"vip_address": "203.0.113.7", "next_hop": "10.1.0.7"}}


class Stage:
    """A distributor with two amphorae of its own, and a controller."""

    def __init__(self, api, **changes):
        self.api = api
        self.cloud = FakeCloud(api.database)
        self.controller = ControllerProcess(self.cloud, options.read(cfg.CONF))
        peer = samples.peer(availability_zone=None)
        self.id = api.create(
            PATH,
            samples.distributor(
                dedicated_count=2,
                speakers=[samples.speaker(peers=[peer])],
                **changes,
            ),
        )["id"]
        self.vips = f"{PATH}/{self.id}/vips"

    def run(self, seconds=120):
        for _ in range(seconds):
            self.controller.distributors.reconcile(self.id)
            if self.controller.dedicated.reconcile(self.id).is_settled:
                assert self.cloud.violations == []
                return
            self.cloud.pass_time(1)
        raise AssertionError("it did not settle")

    def delete(self, look=lambda: None):
        """With all that it has; ``look``: at each second."""
        self.cloud.stopping = frozenset(("None",))
        path = f"{PATH}/{self.id}?cascade=true"
        assert self.api.call("DELETE", path).status == 204
        for _ in range(30):
            self.controller.dedicated.reconcile(self.id)
            self.controller.distributors.reconcile(self.id)
            look()
            self.cloud.pass_time(1)

    def machines(self):
        return [m for m in self.cloud.machines.values() if m.has_power]

    def announced(self):
        return [self.cloud.announced(m) for m in self.machines()]

    def counts(self):
        found = self.api.call("GET", self.vips).body["vips"]
        return [vip["announcing_count"] for vip in found]


@pytest.fixture
def stage(api):
    stage = Stage(api)
    stage.run()
    yield stage
    stage.controller.stop()


def test_they_boot_without_a_load_balancer(stage):
    assert len(stage.machines()) == 2
    shown = stage.api.call("GET", AMPHORAE).body["amphorae"]
    assert {a["service_type"] for a in shown} == {"distributor"}
    assert {a["loadbalancer_id"] for a in shown} == {None}
    assert {a["status"] for a in shown} == {"ALLOCATED"}
    distributor = stage.api.call("GET", f"{PATH}/{stage.id}").body[
        "distributor"
    ]
    assert distributor["amphora_count"] == 2
    assert distributor["provisioning_status"] == "ACTIVE"


def test_nothing_is_plugged_and_haproxy_is_let_alone(stage):
    calls = set(stage.cloud.calls)
    assert not {"plug frontend", "push", "prepare", "ensure group"} & calls


def test_a_vip_is_announced_by_both(stage):
    stage.api.create(stage.vips, BODY)
    stage.run()
    assert stage.announced() == [{ip_address("203.0.113.7")}] * 2
    assert stage.counts() == [2]


def test_what_a_user_changes_is_news_once(stage):
    has_news = stage.controller.dedicated.has_news
    has_news()
    assert not has_news()
    created = stage.api.create(stage.vips, BODY)
    assert has_news()
    stage.run()
    assert not has_news()
    stage.api.call("DELETE", f"{stage.vips}/{created['id']}")
    assert has_news()
    stage.api.call(
        "PUT",
        f"{PATH}/{stage.id}",
        {"distributor": {"dedicated_count": 1}},
    )
    assert has_news()
    assert not has_news()


def test_an_unregistered_vip_is_withdrawn(stage):
    created = stage.api.create(stage.vips, BODY)
    stage.run()
    stage.cloud.stopping = frozenset(("None",))
    stage.api.call("DELETE", f"{stage.vips}/{created['id']}")
    stage.run()
    assert stage.announced() == [frozenset()] * 2


def test_a_dead_one_is_replaced(stage):
    stage.api.create(stage.vips, BODY)
    stage.run()
    victim = stage.machines()[0]
    victim.has_power = False
    stage.run()
    assert len(stage.machines()) == 2
    assert stage.counts() == [2]
    with stage.api.database.transaction() as session:
        left = amphorae.list_dedicated(session, stage.id)
    assert victim.amphora_id not in {r.id for r in left}


def test_replacements_are_counted_and_held_by_the_replacement_limit(stage):
    world = stage.controller.world
    limit = world.settings.policy.replacement_limit
    lose_one(stage)
    with stage.api.database.transaction() as session:
        for number in range(limit - 1):
            amphorae.create(session, replacing(world, number))
    stage.controller.dedicated.reconcile(stage.id)
    assert under_way(stage) == limit
    stage.run()
    assert under_way(stage) == limit - 1

    with stage.api.database.transaction() as session:
        amphorae.create(session, replacing(world, limit))
    lose_one(stage)
    for _ in range(5):
        assert not stage.controller.dedicated.reconcile(stage.id).is_settled
        stage.cloud.pass_time(1)
    assert len(stage.machines()) == 1


def test_no_other_controller_gets_a_dedicated_one_past_the_limit(
    stage,
):
    """What was counted before the plan is counted again when it boots."""
    world = stage.controller.world
    count = amphorae.replacements_under_way
    asked = []

    def careless(session, since, *, is_locked=False):
        asked.append(is_locked)
        return count(session, since, is_locked=True) if is_locked else 0

    lose_one(stage)
    with stage.api.database.transaction() as session:
        for number in range(world.settings.policy.replacement_limit):
            amphorae.create(session, replacing(world, number))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(amphorae, "replacements_under_way", careless)
        assert not stage.controller.dedicated.reconcile(stage.id).is_settled
    assert True in asked
    assert len(stage.machines()) == 1


def lose_one(stage):
    victim = stage.machines()[0]
    del stage.cloud.machines[victim.server_id]
    stage.cloud.pass_time(60)


def under_way(stage):
    with stage.api.database.transaction() as session:
        return amphorae.replacements_under_way(session, START)


def replacing(world, number):
    """One that boots in the place of another, in some cluster."""
    return AmphoraRecord(
        id=f"other-{number}",
        load_balancer_id="other",
        status=AmphoraStatus.BOOTING,
        status_since=world.now(),
        is_replacing=True,
    )


def test_failover_of_one_of_them(stage):
    stage.api.create(stage.vips, BODY)
    stage.run()
    victim = stage.machines()[0]
    path = f"{AMPHORAE}/{victim.amphora_id}/failover"
    assert stage.api.call("PUT", path).status == 202
    stage.run()
    assert victim.amphora_id not in {m.amphora_id for m in stage.machines()}
    assert stage.announced() == [{ip_address("203.0.113.7")}] * 2


def test_operating_status_counts_their_sessions(stage):
    stage.controller.distributors.report()
    shown = stage.api.call("GET", f"{PATH}/{stage.id}").body["distributor"]
    assert shown["operating_status"] == "ONLINE"
    stage.cloud.cut_sessions = {stage.machines()[0].amphora_id}
    stage.cloud.pass_time(1)
    stage.controller.dedicated.reconcile(stage.id)
    stage.controller.distributors.report()
    shown = stage.api.call("GET", f"{PATH}/{stage.id}").body["distributor"]
    assert shown["operating_status"] == "DEGRADED"


def test_operating_status_misses_those_that_are_not_there(stage):
    for machine in stage.machines():
        machine.has_power = False
    stage.cloud.refuse["build"] = 100
    for _ in range(60):
        stage.controller.dedicated.reconcile(stage.id)
        stage.controller.distributors.report()
        stage.cloud.pass_time(1)
    shown = stage.api.call("GET", f"{PATH}/{stage.id}").body["distributor"]
    assert shown["operating_status"] == "ERROR"


def test_a_changed_peer_reaches_them(stage):
    (peer,) = stage.api.call("GET", "/v2/lbaas/bgp-peers").body["bgp_peers"]
    answer = stage.api.call(
        "PUT", f"/v2/lbaas/bgp-peers/{peer['id']}", {"bgp_peer": {"med": 7}}
    )
    assert answer.status == 200, answer.text
    stage.run()
    for machine in stage.machines():
        ((_, told),) = machine.state.peers()
        assert told.med == 7
    for _ in range(5):
        stage.controller.distributors.reconcile(stage.id)
    shown = stage.api.call("GET", f"{PATH}/{stage.id}").body["distributor"]
    assert shown["provisioning_status"] == "ACTIVE"


def test_deletion_leaves_nothing(stage):
    stage.api.create(stage.vips, BODY)
    stage.run()
    stage.delete()
    assert stage.api.call("GET", f"{PATH}/{stage.id}").status == 404
    assert stage.machines() == []
    with stage.api.database.transaction() as session:
        assert dedicated.row_versions(session) == {}
        left = distributors.counts_of(session, [stage.id])[stage.id]
        assert left == distributors.Counts()
    assert stage.cloud.violations == []


@pytest.mark.parametrize("at", range(1, 40, 3))
def test_a_controller_that_dies_leaves_nothing_behind(api, at):
    """It converges from wherever the one before it stopped."""
    stage = Stage(api)
    stage.cloud.die_in(at)
    for _ in range(30):
        with suppress(Died):
            stage.controller.distributors.reconcile(stage.id)
            stage.controller.dedicated.reconcile(stage.id)
        if stage.cloud.is_dead:
            break
        stage.cloud.pass_time(1)
    stage.controller.stop()
    stage.cloud.revive()
    stage.controller = ControllerProcess(stage.cloud, options.read(cfg.CONF))
    stage.run(300)
    assert len(stage.machines()) == 2
    stage.controller.stop()


def run_flow(flow, **store):
    engines.load(flow, store=store, engine="serial").run()


def test_the_driver_registers_and_unregisters(stage):
    """``octavia.distributor.drivers: l3_bgp`` does what the API does."""
    vip = ExternalVip(
        id="5a2d3f0c-8f3f-4d3c-9b8a-7e6d5c4b3a21",
        vip_ip=ip_address("203.0.113.9"),
        nexthop_ip=ip_address("10.1.0.9"),
    )
    driver = stage.controller.driver
    values = {"distributor_id": stage.id, "external_vip": vip}
    run_flow(driver.get_register_vip_subflow(), **values)
    stage.run()
    assert stage.announced() == [{vip.vip_ip}] * 2
    with pytest.raises(Conflict):
        run_flow(driver.get_register_vip_subflow(), **values)
    assert stage.counts() == [2]
    stage.cloud.stopping = frozenset(("None",))
    for _ in range(2):  # idempotent
        run_flow(driver.get_unregister_vip_subflow(), **values)
    stage.run()
    assert stage.counts() == []


def test_events_of_a_distributors_own(stage):
    def told(query):
        path = f"{PATH}/{stage.id}/events?{query}"
        return stage.api.call("GET", path).body["events"]

    victim = stage.machines()[0]
    assert {e["load_balancer_id"] for e in told("")} == {None}
    assert len(told("kind=session.up")) == 2
    stage.cloud.cut_sessions = {victim.amphora_id}
    stage.cloud.pass_time(1)
    stage.controller.dedicated.reconcile(stage.id)
    (event,) = told("kind=session.down")
    assert event["amphora_id"] == victim.amphora_id
    stage.cloud.cut_sessions = set()
    victim.has_power = False
    stage.cloud.pass_time(60)
    stage.run()
    of_victim = told(f"kind=amphora.phase&amphora_id={victim.amphora_id}")
    assert {e["to_state"] for e in of_victim} >= {"silent", "deleted"}
