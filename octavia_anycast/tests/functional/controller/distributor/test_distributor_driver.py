# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Each subflow of the l3_bgp driver, run by a TaskFlow engine; and reverted.

The rows are real, the amphorae are those that the controller made in a fake
cloud. A subflow is reverted by a task after it that fails.
"""

import inspect
import tomllib
from dataclasses import dataclass
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path

import pytest
from octavia.distributor.drivers.driver_base import DistributorDriver
from taskflow import engines, task
from taskflow.patterns import linear_flow

import octavia_anycast
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import Conflict, NotFound, Permanent
from octavia_anycast.model.wire import Intent


@dataclass
class Thing:
    """What Octavia's data models are to the driver."""

    id: str = ""
    ip_address: str = ""
    load_balancer_id: str = ""


class Saboteur(task.Task):
    """The task after the subflow: it fails."""

    def execute(self):
        raise RuntimeError("sabotage")


def run(flow, **store):
    """Run a subflow; returns what it provided."""
    engine = engines.load(flow, store=store, engine="serial")
    engine.run()
    return engine.storage.fetch_all()


def run_and_revert(flow, **store):
    """Run a subflow inside a flow that fails after it."""
    outer = linear_flow.Flow("outer").add(flow, Saboteur())
    with pytest.raises(RuntimeError, match="sabotage"):
        run(outer, **store)


@pytest.fixture
def running(stage):
    """A load balancer whose two amphorae announce."""
    stage.run()
    stage.add_listener()
    stage.run()
    assert len(announcing(stage)) == 2
    return stage


@pytest.fixture
def driver(stage):
    return stage.controller.driver


def announcing(stage):
    """Ids of the amphorae that the fabric sends traffic to."""
    found = stage.cloud.announcers(stage.load_balancer_id)
    return {machine.amphora_id for machine in found}


def intents(stage, amphora_id):
    """Intents that an amphora's agent was told: VIP -> intent."""
    (machine,) = [
        m for m in stage.cloud.machines.values() if m.amphora_id == amphora_id
    ]
    return {vip.vip_ip: vip.intent for vip in machine.state.vips}


def transaction(stage):
    return stage.api.database.transaction()


def distributor_id(stage):
    with transaction(stage) as session:
        return distributors.default_id(session)


def shown(stage, identifier):
    with transaction(stage) as session:
        return distributors.get(session, identifier, WithoutPasswords())


def vips_of(stage, amphora_id):
    with transaction(stage) as session:
        rows = registrations.list_vips(session, amphora_id)
    return {row.vip_ip for row in rows}


def is_leaving(stage, amphora_id):
    with transaction(stage) as session:
        return amphorae.get(session, amphora_id).leaving_since is not None


def test_it_is_octavias_interface_and_an_entry_point(driver):
    assert isinstance(driver, DistributorDriver)
    for name, method in inspect.getmembers(DistributorDriver):
        if name.startswith("get_"):
            assert getattr(type(driver), name) is not method
    project = Path(octavia_anycast.__file__).parents[1] / "pyproject.toml"
    points = tomllib.loads(project.read_text())["project"]["entry-points"]
    module, name = points["octavia.distributor.drivers"]["l3_bgp"].split(":")
    assert getattr(import_module(module), name) is type(driver)


# -- the distributor ----------------------------------------------------------


def test_create_finds_the_clusters_own(stage, driver):
    provided = run(
        driver.get_create_distributor_subflow(),
        load_balancer=Thing(id=stage.load_balancer_id),
    )
    assert provided["distributor_id"] == distributor_id(stage)
    found = shown(stage, distributor_id(stage))
    assert found.provisioning_status == "ACTIVE"


def test_create_makes_one_where_there_is_none(stage, driver):
    with transaction(stage) as session:
        distributors.set_default(session, distributor_id(stage), False)
    other = Thing(id="0f0f0f0f-0000-4000-8000-000000000000")
    flow = driver.get_create_distributor_subflow()
    run_and_revert(flow, load_balancer=other)
    with transaction(stage) as session:
        (kept,) = distributors.list_all(session, WithoutPasswords())
    assert kept.speakers  # the one of the stage; what was made is gone

    flow = driver.get_create_distributor_subflow()
    made = run(flow, load_balancer=other)["distributor_id"]
    assert shown(stage, made).provisioning_status == "ACTIVE"


def test_create_that_fails_its_checks_shows_an_error(stage, driver):
    path = f"/v2/lbaas/distributors/{distributor_id(stage)}"
    stage.controller.distributors.reconcile(distributor_id(stage))
    answer = stage.api.call(
        "PUT",
        path,
        {"distributor": {"zones": [{"availability_zone": "rack9"}]}},
    )
    assert answer.status == 200, answer.text
    stage.cloud.missing = {"rack9"}
    with pytest.raises(Permanent):
        run(
            driver.get_create_distributor_subflow(),
            load_balancer=Thing(id=stage.load_balancer_id),
        )
    found = shown(stage, distributor_id(stage))
    assert found.provisioning_status == "ERROR"
    assert "rack9" in found.status_reason


def test_delete_removes_an_unused_one_and_keeps_a_used_one(stage, driver):
    unused = Distributor(id="unused", provisioning_status="PENDING_DELETE")
    with transaction(stage) as session:
        distributors.create(session, unused, stage.controller.world.cipher)
    flow = driver.get_delete_distributor_subflow()
    run(flow, distributor_id="unused")
    assert shown(stage, "unused") is None
    run(flow, distributor_id="unused")  # once more is nothing

    with pytest.raises(Conflict, match="1 load balancer"):
        run(flow, distributor_id=distributor_id(stage))
    assert shown(stage, distributor_id(stage)) is not None


# -- VIPs ---------------------------------------------------------------------


def primary(stage):
    address = stage.show()["vip_address"]
    return ip_address(address), Thing(
        ip_address=address, load_balancer_id=stage.load_balancer_id
    )


def vip_store(stage, vip):
    return {
        "distributor_id": distributor_id(stage),
        "vip": vip,
        "vip_alg": None,
        "vip_persistence": None,
    }


def test_remove_and_add_a_vip(running, driver):
    address, vip = primary(running)
    store = vip_store(running, vip)
    members = announcing(running)

    run(driver.get_remove_vip_subflow(), **store)
    for amphora_id in members:
        assert intents(running, amphora_id)[address] is Intent.WITHDRAW
        assert address not in vips_of(running, amphora_id)
        assert len(vips_of(running, amphora_id)) == 1  # the other VIP stays

    run(driver.get_add_vip_subflow(), **store)
    for amphora_id in members:
        told = intents(running, amphora_id)
        assert set(told.values()) == {Intent.ADVERTISE}
        assert len(vips_of(running, amphora_id)) == 2


def test_remove_a_vip_is_reverted(running, driver):
    address, vip = primary(running)
    flow = driver.get_remove_vip_subflow()
    run_and_revert(flow, **vip_store(running, vip))
    for amphora_id in announcing(running):
        assert intents(running, amphora_id)[address] is Intent.ADVERTISE
        assert address in vips_of(running, amphora_id)


def test_add_a_vip_is_reverted(running, driver):
    address, vip = primary(running)
    store = vip_store(running, vip)
    run(driver.get_remove_vip_subflow(), **store)
    run_and_revert(driver.get_add_vip_subflow(), **store)
    for amphora_id in announcing(running):
        assert intents(running, amphora_id)[address] is Intent.WITHDRAW


def test_a_vip_of_nobody_is_refused(running, driver):
    stranger = Thing(
        ip_address="203.0.113.9", load_balancer_id=running.load_balancer_id
    )
    before = {i: intents(running, i) for i in announcing(running)}
    with pytest.raises(NotFound):
        run(driver.get_add_vip_subflow(), **vip_store(running, stranger))
    assert {i: intents(running, i) for i in announcing(running)} == before


# -- amphorae -----------------------------------------------------------------


def amphorae_store(stage, *ids):
    return {
        "distributor_id": distributor_id(stage),
        "amphorae": tuple(Thing(id=i) for i in ids),
    }


@pytest.mark.parametrize(
    ("subflow", "intent"),
    [
        ("get_drain_amphorae_subflow", Intent.DRAIN),
        ("get_unregister_amphorae_subflow", Intent.WITHDRAW),
    ],
)
def test_an_amphora_leaves_and_another_one_serves(
    running, driver, subflow, intent
):
    first, second = sorted(announcing(running))
    store = amphorae_store(running, first)
    run(getattr(driver, subflow)(), **store)
    assert set(intents(running, first).values()) == {intent}
    assert set(intents(running, second).values()) == {Intent.ADVERTISE}
    assert is_leaving(running, first)
    # The controller takes it from there: somebody takes its place.
    running.run(120)
    assert first not in announcing(running)
    assert len(announcing(running)) == 2


@pytest.mark.parametrize(
    "subflow",
    ["get_drain_amphorae_subflow", "get_unregister_amphorae_subflow"],
)
def test_leaving_is_reverted(running, driver, subflow):
    first, _ = sorted(announcing(running))
    flow = getattr(driver, subflow)()
    run_and_revert(flow, **amphorae_store(running, first))
    assert set(intents(running, first).values()) == {Intent.ADVERTISE}
    assert not is_leaving(running, first)
    running.run()
    assert first in announcing(running)


def test_the_last_ones_cannot_leave(running, driver):
    members = announcing(running)
    flow = driver.get_unregister_amphorae_subflow()
    with pytest.raises(Conflict, match="Nobody else announces"):
        run(flow, **amphorae_store(running, *members))
    assert announcing(running) == members
    assert not any(is_leaving(running, i) for i in members)


def test_register_brings_an_amphora_back(running, driver):
    first, _ = sorted(announcing(running))
    store = amphorae_store(running, first)
    run(driver.get_unregister_amphorae_subflow(), **store)
    assert vips_of(running, first) == set()

    run_and_revert(driver.get_register_amphorae_subflow(), **store)
    assert set(intents(running, first).values()) == {Intent.WITHDRAW}

    run(driver.get_register_amphorae_subflow(), **store)
    assert set(intents(running, first).values()) == {Intent.ADVERTISE}
    assert len(vips_of(running, first)) == 2
    assert not is_leaving(running, first)


def test_reverting_a_registration_takes_nothing_that_was_there(
    running, driver
):
    members = announcing(running)
    flow = driver.get_register_amphorae_subflow()
    run_and_revert(flow, **amphorae_store(running, *members))
    assert announcing(running) == members


def test_an_amphora_that_is_not_ready_is_not_registered(running, driver):
    first, _ = sorted(announcing(running))
    (machine,) = [
        m for m in running.cloud.machines.values() if m.amphora_id == first
    ]
    machine.sockets = frozenset()  # HAProxy is gone
    flow = driver.get_register_amphorae_subflow()
    with pytest.raises(Conflict, match="not ready"):
        run(flow, **amphorae_store(running, first))


def test_an_amphora_that_is_not_there_is_refused(running, driver):
    flow = driver.get_drain_amphorae_subflow()
    with pytest.raises(NotFound, match="nobody"):
        run(flow, **amphorae_store(running, "nobody"))
