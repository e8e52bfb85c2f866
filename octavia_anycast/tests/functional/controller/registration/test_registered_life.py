# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Registered amphorae, from rows to a dedicated distributor's agents."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from taskflow import engines

from octavia_anycast.db import dedicated, heartbeat
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.registration import amphora_registrations
from octavia_anycast.model.errors import AnycastError, Conflict, NotFound
from octavia_anycast.model.registration import AmphoraRegistration, ExternalVip
from octavia_anycast.model.wire import Intent
from octavia_anycast.testing import samples

PATH = "/v2/lbaas/distributors"


class Registered:
    """A load balancer of two, and a distributor with one of its own."""

    def __init__(self, stage):
        self.stage = stage
        self.api = stage.api
        self.cloud = stage.cloud
        peer = samples.peer(availability_zone=None, peer_ip="172.31.0.77")
        speaker = samples.speaker(driver="bird", peers=[peer])
        made = self.api.create(
            PATH, samples.distributor(dedicated_count=1, speakers=[speaker])
        )
        self.id = made["id"]
        self.path = f"{PATH}/{self.id}/amphorae"

    def register(self, **attributes):
        wanted = {"load_balancer_id": self.stage.load_balancer_id}
        return self.api.create(self.path, {"amphora": wanted | attributes})

    def drain(self, registration, seconds):
        return self.api.call(
            "PUT",
            f"{self.path}/{registration['id']}/drain",
            {"drain": {"timeout": seconds}},
        )

    def run(self, seconds=120):
        """Have its own amphorae follow."""
        controller = self.stage.controller
        # What serves goes on announcing itself: these are no last ones.
        self.cloud.stopping = frozenset((*self.cloud.stopping, "None"))
        for _ in range(seconds):
            controller.distributors.reconcile(self.id)
            if controller.dedicated.reconcile(self.id).is_settled:
                assert self.cloud.violations == []
                return
            self.cloud.pass_time(1)
        raise AssertionError("it did not settle")

    def told(self):
        """amphora_id -> (next hop, intent) that its own amphora was told.

        Of IPv4; the paths of both families come and go together.
        """
        (own,) = (
            m
            for m in self.cloud.machines.values()
            if m.state.is_distributor and m.has_power
        )
        told = [
            {
                vip.amphora_id: (str(vip.nexthop_ip), vip.intent)
                for vip in own.state.vips
                if vip.vip_ip.version == version
            }
            for version in (4, 6)
        ]
        assert told[0].keys() == told[1].keys()
        assert len(own.state.vips) == 2 * len(told[0])
        return told[0]

    def served(self):
        """amphora_id -> the front-end address of each that serves."""
        with self.api.database.transaction() as session:
            found = amphorae.list_for(session, self.stage.load_balancer_id)
        return {
            r.id: str(r.frontend.addresses[0].ip_address)
            for r in found
            if r.frontend and r.leaving_since is None
        }

    def version(self):
        return self.stage.controller.dedicated.pending(print)[self.id]

    def counts(self):
        (shown,) = self.api.call("GET", self.path).body["amphorae"]
        return {p["amphora_id"]: p["announcing_count"] for p in shown["paths"]}


@pytest.fixture
def stage_of_two(stage):
    stage.cloud.now = datetime.now(UTC)
    stage.run()
    stage.add_listener()
    stage.run()
    return stage


@pytest.fixture
def registered(stage_of_two):
    registered = Registered(stage_of_two)
    registered.run()
    return registered


def whole(registered):
    return {
        amphora_id: (address, Intent.ADVERTISE)
        for amphora_id, address in registered.served().items()
    }


def machine_of(registered, amphora_id):
    (machine,) = (
        m
        for m in registered.cloud.machines.values()
        if m.amphora_id == amphora_id
    )
    return machine


def test_each_amphora_is_announced_with_its_own_next_hop(registered):
    registered.register()
    registered.run()
    assert len(registered.served()) == 2
    assert registered.told() == whole(registered)
    assert registered.counts() == dict.fromkeys(registered.served(), 1)
    # They go on announcing themselves.
    announcers = registered.cloud.announcers(registered.stage.load_balancer_id)
    assert len(announcers) == 2


def test_unregistered_nothing_is_left(registered):
    made = registered.register()
    registered.run()
    api = registered.api
    assert api.call("DELETE", f"{registered.path}/{made['id']}").status == 204
    registered.run()
    assert registered.told() == {}
    with api.database.transaction() as session:
        assert dedicated.announced_paths(session, registered.id) == {}


def test_a_closed_gate_is_news_and_withdraws(registered):
    """Its load balancer's reconcile writes the report; the watch sees it."""
    registered.register()
    registered.run()
    first, second = registered.served()
    before = registered.version()
    assert registered.version() == before
    machine_of(registered, first).sockets = frozenset()
    registered.stage.controller.reconcile(registered.stage.load_balancer_id)
    assert registered.version() != before
    registered.run()
    assert set(registered.told()) == {second}
    assert registered.counts() == {first: 0, second: 1}


def test_a_silent_one_is_given_up(registered):
    registered.register()
    registered.run()
    first, second = registered.served()
    before = registered.version()
    machine_of(registered, first).has_power = False
    # A resync each second, as the controller's watch polls.
    for _ in range(40):
        registered.cloud.pass_time(1)
        registered.stage.controller.reconcile(
            registered.stage.load_balancer_id
        )
        registered.version()
    assert registered.version() != before
    registered.run()
    assert first not in registered.told()
    assert second in registered.told()


def test_failover_and_scaling_are_followed(registered):
    registered.register()
    registered.run()
    old = set(registered.served())
    stage = registered.stage
    path = f"/v2/lbaas/loadbalancers/{stage.load_balancer_id}/failover"
    assert stage.api.call("PUT", path).status == 202
    stage.run(300)
    registered.run()
    assert not old & set(registered.told())
    assert registered.told() == whole(registered)


def test_drained_by_a_deadline_and_back(registered):
    made = registered.register()
    registered.run()
    assert registered.drain(made, 30).status == 202
    registered.run()
    assert {i for _, i in registered.told().values()} == {Intent.DRAIN}
    before = registered.version()
    # The API's clock is the real one, and runs while the cloud's stands.
    ahead = datetime.now(UTC) - registered.cloud.now
    registered.cloud.pass_time(31 + max(0.0, ahead.total_seconds()))
    assert registered.version() != before
    registered.run()
    assert registered.told() == {}
    path = f"{registered.path}/{made['id']}/drain"
    assert registered.api.call("DELETE", path).status == 204
    registered.run()
    assert set(registered.told()) == set(registered.served())


def test_an_amphora_that_drains_itself_drains_here_too(registered):
    registered.register()
    registered.run()
    first, second = registered.served()
    answer = registered.api.call(
        "PUT",
        f"/v2/octavia/amphorae/{first}/drain",
        {"drain": {"timeout": 30}},
    )
    assert answer.status == 202
    registered.stage.controller.reconcile(registered.stage.load_balancer_id)
    registered.run()
    told = registered.told()
    assert told[first][1] is Intent.DRAIN
    assert told[second][1] is Intent.ADVERTISE


def test_a_deleted_load_balancer_takes_all_along(registered):
    registered.register()
    registered.run()
    registered.stage.delete()
    registered.stage.run()
    registered.run()
    assert registered.told() == {}
    with registered.api.database.transaction() as session:
        assert amphora_registrations.count(session, registered.id) == 0


def test_a_new_controller_withdraws_nothing(registered):
    """It was away: that it heard nobody says nothing of them."""
    registered.register()
    registered.run()
    before = registered.told()
    registered.cloud.pass_time(3600)
    registered.stage.restart()
    registered.run()
    assert registered.told() == before


def test_one_that_was_away_withdraws_nothing(registered):
    """Its database was down, for instance: no heartbeat was written."""
    registered.register()
    registered.run()
    before = registered.told()
    registered.cloud.pass_time(3600)
    first, _ = registered.served()
    with registered.api.database.transaction() as session:
        heartbeat.touch(session, first, registered.cloud.now)
    registered.run()
    assert registered.told() == before


def run_flow(flow, **store):
    engine = engines.load(flow, store=store, engine="serial")
    engine.run()
    return engine.storage.fetch_all()


def test_the_driver_registers_lists_drains_and_unregisters(registered):
    wanted = AmphoraRegistration(
        id="5a2d3f0c-8f3f-4d3c-9b8a-7e6d5c4b3a21",
        load_balancer_id=registered.stage.load_balancer_id,
    )
    driver = registered.stage.controller.driver
    values = {"distributor_id": registered.id, "registration": wanted}
    run_flow(driver.get_register_amphora_subflow(), **values)
    registered.run()
    assert registered.told() == whole(registered)
    with pytest.raises(Conflict):
        run_flow(driver.get_register_amphora_subflow(), **values)
    listed = run_flow(
        driver.get_list_amphorae_subflow(), distributor_id=registered.id
    )
    assert listed["registrations"] == (wanted,)
    run_flow(driver.get_drain_amphora_subflow(), **values)
    registered.run()
    assert {i for _, i in registered.told().values()} == {Intent.DRAIN}
    for _ in range(2):  # idempotent
        run_flow(driver.get_unregister_amphora_subflow(), **values)
    registered.run()
    assert registered.told() == {}
    with pytest.raises(NotFound):
        run_flow(driver.get_drain_amphora_subflow(), **values)
    listed = run_flow(
        driver.get_list_vips_subflow(), distributor_id=registered.id
    )
    assert listed["external_vips"] == ()


NEW = "5a2d3f0c-8f3f-4d3c-9b8a-7e6d5c4b3a22"
NOBODY = "00000000-0000-4000-8000-000000000000"


def refusal(registered, method, path, body):
    """What the API says when it refuses a call."""
    answer = registered.api.call(method, path, body)
    assert answer.status in (400, 404, 409), answer.body
    return answer.fault


def own_id(registered):
    """The amphora of the distributor's own."""
    (own,) = (
        m
        for m in registered.cloud.machines.values()
        if m.state.is_distributor and m.has_power
    )
    return own.amphora_id


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("load_balancer_id", lambda _: NOBODY),
        ("amphora_id", lambda _: NOBODY),
        ("amphora_id", own_id),
        ("peer_id", lambda _: NOBODY),
    ],
)
def test_the_driver_refuses_what_the_api_refuses(registered, name, changes):
    attributes = {"load_balancer_id": registered.stage.load_balancer_id}
    attributes[name] = changes(registered)
    body = {"amphora": attributes}
    said = refusal(registered, "POST", registered.path, body)
    flow = registered.stage.controller.driver.get_register_amphora_subflow()
    with pytest.raises(AnycastError) as caught:
        run_flow(
            flow,
            distributor_id=registered.id,
            registration=AmphoraRegistration(id=NEW, **attributes),
        )
    if isinstance(caught.value, NotFound):
        assert attributes[name] in said
    else:
        assert str(caught.value) in said
    with registered.api.database.transaction() as session:
        assert not amphora_registrations.of_distributor(session, registered.id)


def test_the_driver_takes_no_vip_of_a_load_balancer(registered):
    machine = machine_of(registered, next(iter(registered.served())))
    vip_ip = machine.state.vips[0].vip_ip
    next_hop = "10.1.0.77" if vip_ip.version == 4 else "2001:db8::77"
    body = {"vip": {"vip_address": str(vip_ip), "next_hop": next_hop}}
    path = f"{PATH}/{registered.id}/vips"
    said = refusal(registered, "POST", path, body)
    assert "is a VIP of load balancer" in said
    vip = ExternalVip(id=NEW, vip_ip=vip_ip, nexthop_ip=ip_address(next_hop))
    flow = registered.stage.controller.driver.get_register_vip_subflow()
    with pytest.raises(Conflict) as caught:
        run_flow(flow, distributor_id=registered.id, external_vip=vip)
    assert str(caught.value) in said


def test_the_driver_drains_no_last_announcer(registered):
    """The reports of those that serve are too old to say anything."""
    made = registered.register()
    registered.run()
    balancer_id = registered.stage.load_balancer_id
    long_ago = registered.cloud.now - timedelta(days=1)
    with registered.api.database.transaction() as session:
        for amphora_id in registered.served():
            machine = machine_of(registered, amphora_id)
            report = registered.cloud.report_of(machine)
            reports.save(session, amphora_id, report, long_ago)
    path = f"{registered.path}/{made['id']}/drain"
    said = refusal(registered, "PUT", path, {"drain": {"timeout": 1}})
    assert "the last one that announces" in said
    stored = AmphoraRegistration(id=made["id"], load_balancer_id=balancer_id)
    flow = registered.stage.controller.driver.get_drain_amphora_subflow()
    with pytest.raises(Conflict) as caught:
        run_flow(flow, distributor_id=registered.id, registration=stored)
    assert str(caught.value) in said
