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

DRAIN_SECONDS = 300  # the default of drain_timeout


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


def record_of(stage, amphora_id):
    with transaction(stage) as session:
        return amphorae.get(session, amphora_id)


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


def test_create_makes_none_where_the_provider_chose_none(stage, driver):
    """As the API: a load balancer without a distributor is refused."""
    other = Thing(id="0f0f0f0f-0000-4000-8000-000000000000")
    with pytest.raises(NotFound):
        run(driver.get_create_distributor_subflow(), load_balancer=other)
    with transaction(stage) as session:
        (only,) = distributors.list_all(session, WithoutPasswords())
    assert only.id == distributor_id(stage)


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


@pytest.mark.parametrize(
    "subflow", ["get_remove_vip_subflow", "get_add_vip_subflow"]
)
def test_the_vips_of_load_balancers_follow_from_octavias_rows(
    running, driver, subflow
):
    """There is nothing to be told: the planner has the last word anyway."""
    address = ip_address(running.show()["vip_address"])
    members = announcing(running)
    vip = Thing(
        ip_address=str(address), load_balancer_id=running.load_balancer_id
    )
    run_and_revert(
        getattr(driver, subflow)(),
        distributor_id=distributor_id(running),
        vip=vip,
        vip_alg=None,
        vip_persistence=None,
    )
    running.run()
    assert announcing(running) == members
    for amphora_id in members:
        assert intents(running, amphora_id)[address] is Intent.ADVERTISE
        assert address in vips_of(running, amphora_id)


# -- amphorae -----------------------------------------------------------------


def amphorae_store(stage, *ids):
    return {
        "distributor_id": distributor_id(stage),
        "amphorae": tuple(Thing(id=i) for i in ids),
    }


def drain_path(amphora_id):
    return f"/v2/octavia/amphorae/{amphora_id}/drain"


def drain_state(stage, amphora_id):
    answer = stage.api.call("GET", drain_path(amphora_id))
    return answer.body["drain"]["state"]


@pytest.mark.parametrize(
    ("subflow", "seconds"),
    [
        ("get_drain_amphorae_subflow", DRAIN_SECONDS),
        ("get_unregister_amphorae_subflow", 0),
    ],
)
def test_one_is_drained_as_the_api_drains_it(
    running, driver, subflow, seconds
):
    first, second = sorted(announcing(running))
    run(getattr(driver, subflow)(), **amphorae_store(running, first))
    record = record_of(running, first)
    waited = record.drain_deadline - record.drain_wanted_since
    assert waited.total_seconds() == seconds
    assert drain_state(running, first) == "PENDING"
    running.run(120)
    assert drain_state(running, first) == "DRAINED"
    assert set(intents(running, first).values()) == {Intent.WITHDRAW}
    assert vips_of(running, first) == set()
    assert announcing(running) == {second}
    assert record_of(running, first).leaving_since is None


@pytest.mark.parametrize(
    "subflow",
    ["get_drain_amphorae_subflow", "get_unregister_amphorae_subflow"],
)
def test_a_drain_is_reverted(running, driver, subflow):
    first, second = sorted(announcing(running))
    before = record_of(running, first)
    flow = getattr(driver, subflow)()
    run_and_revert(flow, **amphorae_store(running, first))
    assert record_of(running, first) == before
    running.run()
    assert announcing(running) == {first, second}


def test_the_last_one_cannot_be_drained(running, driver):
    """The API says the same."""
    first, second = sorted(announcing(running))
    flow = driver.get_unregister_amphorae_subflow()
    run(flow, **amphorae_store(running, first))
    with pytest.raises(Conflict, match="cannot be drained") as caught:
        run(flow, **amphorae_store(running, second))
    assert record_of(running, second).drain_wanted_since is None
    answer = running.api.call("PUT", drain_path(second), {})
    assert answer.status == 409
    assert str(caught.value) in answer.fault


def test_all_of_them_cannot_be_drained(running, driver):
    """Of those that were asked for together, none is."""
    members = announcing(running)
    flow = driver.get_drain_amphorae_subflow()
    with pytest.raises(Conflict, match="the only one"):
        run(flow, **amphorae_store(running, *members))
    for amphora_id in members:
        assert record_of(running, amphora_id).drain_wanted_since is None


def test_register_brings_an_amphora_back(running, driver):
    first, second = sorted(announcing(running))
    store = amphorae_store(running, first)
    run(driver.get_drain_amphorae_subflow(), **store)
    running.run(120)
    drained = record_of(running, first)
    assert drained.drained_at is not None

    run_and_revert(driver.get_register_amphorae_subflow(), **store)
    assert record_of(running, first) == drained

    run(driver.get_register_amphorae_subflow(), **store)
    running.run()
    assert set(intents(running, first).values()) == {Intent.ADVERTISE}
    assert len(vips_of(running, first)) == 2
    assert announcing(running) == {first, second}


def test_reverting_a_registration_takes_nothing_that_was_there(
    running, driver
):
    members = announcing(running)
    flow = driver.get_register_amphorae_subflow()
    run_and_revert(flow, **amphorae_store(running, *members))
    running.run()
    assert announcing(running) == members


@pytest.mark.parametrize(
    "subflow",
    ["get_register_amphorae_subflow", "get_drain_amphorae_subflow"],
)
def test_one_that_leaves_for_good_is_refused(running, driver, subflow):
    first, _ = sorted(announcing(running))
    with transaction(running) as session:
        amphorae.update(session, first, leaving_since=running.cloud.now)
    with pytest.raises(Conflict, match="is being removed") as caught:
        run(getattr(driver, subflow)(), **amphorae_store(running, first))
    answer = running.api.call("DELETE", drain_path(first))
    assert answer.status == 409
    assert str(caught.value) in answer.fault


def test_an_amphora_that_is_not_there_is_refused(running, driver):
    flow = driver.get_drain_amphorae_subflow()
    with pytest.raises(NotFound, match="nobody"):
        run(flow, **amphorae_store(running, "nobody"))
