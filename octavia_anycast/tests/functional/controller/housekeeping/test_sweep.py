# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What belongs to nothing is reported and, after a while, removed."""

import uuid
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest
from octavia.db import api as octavia_db
from octavia.db import models

from octavia_anycast.controller.housekeeping.sweep import Sweep, take_inventory
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterRecord,
    ClusterSize,
)
from octavia_anycast.model.housekeeping import OrphanKind, Outcome, Seen
from octavia_anycast.model.wire import Intent, VipState

STRANGE = ip_address("203.0.113.77")


@pytest.fixture
def sweep(stage):
    return stage.controller.sweep


def orphan_cluster(stage):
    """A cluster whose load balancer was rolled back."""
    with stage.api.database.transaction() as session:
        existing = clusters.list_all(session)[0]
        record = ClusterRecord(
            load_balancer_id=str(uuid.uuid4()),
            project_id="p",
            distributor_id=existing.distributor_id,
            size=ClusterSize(desired=1),
            created_at=stage.cloud.now,
        )
        clusters.create(session, record)
    return record.load_balancer_id


def orphan_amphora(stage, **changes):
    record = AmphoraRecord(
        **{
            "id": str(uuid.uuid4()),
            "load_balancer_id": str(uuid.uuid4()),
            "status": AmphoraStatus.ALLOCATED,
            "status_since": stage.cloud.now,
        }
        | changes
    )
    with stage.api.database.transaction() as session:
        amphorae.create(session, record)
    return record


def grow_old(stage):
    stage.cloud.pass_time(stage.controller.world.settings.orphan_after + 1)


def outcomes(findings):
    return {(f.orphan.kind.value, f.orphan.id): f.outcome for f in findings}


def kept_whole(stage):
    """The load balancer that lives has all that it had."""
    assert stage.cloud.violations == []
    assert len(stage.cloud.machines) == 2
    assert len(stage.cloud.ports) == 2
    assert stage.cloud.security_groups == {stage.load_balancer_id}
    assert stage.load_balancer_id not in stage.cloud.deleted_load_balancers
    with stage.api.database.transaction() as session:
        left = [c.load_balancer_id for c in clusters.list_all(session)]
        assert len(amphorae.list_all(session)) == 2
    assert left == [stage.load_balancer_id]


def test_nothing_is_found_of_what_lives(stage, sweep):
    stage.run()
    grow_old(stage)
    assert sweep.run() == ()
    kept_whole(stage)


def test_young_orphan_is_reported_and_left_alone(stage, sweep):
    stage.run()
    identifier = orphan_cluster(stage)
    after = stage.controller.world.settings.orphan_after
    stage.cloud.pass_time(after - 1)
    assert outcomes(sweep.run()) == {("cluster", identifier): Outcome.YOUNG}
    with stage.api.database.transaction() as session:
        assert clusters.get(session, identifier) is not None


def test_dry_run_touches_nothing(stage, sweep):
    stage.run()
    identifier = orphan_cluster(stage)
    record = orphan_amphora(stage)
    grow_old(stage)
    stage.cloud.calls.clear()
    assert outcomes(sweep.find()) == {
        ("cluster", identifier): Outcome.FOUND,
        ("amphora", record.id): Outcome.FOUND,
    }
    assert set(stage.cloud.calls) <= {"transaction", "list servers"}
    with stage.api.database.transaction() as session:
        assert clusters.get(session, identifier) is not None
        assert len(amphorae.list_all(session)) == 3


def test_old_orphan_is_removed_and_nothing_else(stage, sweep):
    stage.run()
    identifier = orphan_cluster(stage)
    grow_old(stage)
    assert outcomes(sweep.run()) == {("cluster", identifier): Outcome.DONE}
    assert identifier in stage.cloud.deleted_load_balancers
    kept_whole(stage)
    assert sweep.run() == ()


def test_amphora_without_load_balancer_goes_with_server_and_ports(
    stage, sweep
):
    stage.run()
    server_id = next(iter(stage.cloud.machines))
    machine = stage.cloud.machines[server_id]
    with stage.api.database.transaction() as session:
        amphorae.update(
            session, machine.amphora_id, load_balancer_id=str(uuid.uuid4())
        )
    stage.cloud.stopping = frozenset({stage.load_balancer_id})
    grow_old(stage)
    assert outcomes(sweep.run()) == {
        ("amphora", machine.amphora_id): Outcome.DONE
    }
    assert server_id not in stage.cloud.machines
    owners = {owner for _, owner in stage.cloud.ports.values()}
    assert machine.amphora_id not in owners
    with stage.api.database.transaction() as session:
        record = amphorae.get(session, machine.amphora_id)
        assert record.status is AmphoraStatus.DELETED


def test_cluster_stays_while_its_amphorae_do(stage, sweep):
    identifier = orphan_cluster(stage)
    record = orphan_amphora(stage, load_balancer_id=identifier)
    grow_old(stage)
    stage.cloud.refuse["delete server"] = 1
    assert outcomes(sweep.run()) == {
        ("amphora", record.id): Outcome.FAILED,
        ("cluster", identifier): Outcome.FAILED,
    }
    assert outcomes(sweep.run()) == {
        ("amphora", record.id): Outcome.DONE,
        ("cluster", identifier): Outcome.DONE,
    }


def test_server_that_came_back_after_its_deletion(stage, sweep):
    """Its record is DELETED; a compute service restored a backup, say."""
    stage.run()
    record = orphan_amphora(stage, status=AmphoraStatus.DELETED)
    server = Seen(id="again", amphora_id=record.id, created_at=stage.cloud.now)
    stage.cloud.leave(OrphanKind.SERVER, server, is_mine=True)
    assert outcomes(sweep.run()) == {("server", "again"): Outcome.YOUNG}
    grow_old(stage)
    assert outcomes(sweep.run()) == {("server", "again"): Outcome.DONE}
    assert not stage.cloud.has(OrphanKind.SERVER, "again")
    kept_whole(stage)


def test_second_server_of_an_amphora_goes_the_first_stays(stage, sweep):
    stage.run()
    machine = next(iter(stage.cloud.machines.values()))
    twin = Seen(
        id="twin",
        amphora_id=machine.amphora_id,
        created_at=stage.cloud.now,
    )
    stage.cloud.leave(OrphanKind.SERVER, twin, is_mine=True)
    grow_old(stage)
    assert outcomes(sweep.run()) == {("server", "twin"): Outcome.DONE}
    kept_whole(stage)


def test_after_a_database_was_restored(stage, sweep):
    """Server and port without any row: the port's name proves both.

    The port is older, and stays all the same until the server is gone.
    """
    lost = str(uuid.uuid4())
    born = stage.cloud.now
    young = born + timedelta(seconds=1)
    for kind, seen in (
        (OrphanKind.SERVER, Seen(id="s", amphora_id=lost, created_at=young)),
        (
            OrphanKind.PORT,
            Seen(
                id="p",
                amphora_id=lost,
                is_named_by_us=True,
                created_at=born,
            ),
        ),
    ):
        stage.cloud.leave(kind, seen, is_mine=True)
    grow_old(stage)
    assert outcomes(sweep.run()) == {("server", "s"): Outcome.YOUNG}
    stage.cloud.pass_time(1)
    stage.cloud.refuse["delete server"] = 1
    assert outcomes(sweep.run()) == {("server", "s"): Outcome.FAILED}
    assert outcomes(sweep.run()) == {("server", "s"): Outcome.DONE}
    assert stage.cloud.has(OrphanKind.PORT, "p")
    assert outcomes(sweep.run()) == {("port", "p"): Outcome.DONE}
    assert sweep.run() == ()


def test_what_a_deleted_load_balancer_left(stage, sweep):
    stage.run()
    stage.delete()
    stage.run()
    gone = stage.load_balancer_id
    for kind, identifier in (
        (OrphanKind.PORT, "vip"),
        (OrphanKind.SECURITY_GROUP, "group"),
    ):
        seen = Seen(
            id=identifier,
            load_balancer_id=gone,
            created_at=stage.cloud.now,
        )
        stage.cloud.leave(kind, seen, is_mine=True)
    grow_old(stage)
    assert outcomes(sweep.run()) == {
        ("port", "vip"): Outcome.DONE,
        ("security_group", "group"): Outcome.DONE,
    }


def stock_octavia(stage):
    """An amphora and a load balancer of the stock provider, and a stranger.

    Octavia's rows, and what is in the cloud for them.
    """
    amphora_id, balancer_id, unknown = (str(uuid.uuid4()) for _ in range(3))
    session = octavia_db.get_session()
    with session.begin():
        session.add(models.Amphora(id=amphora_id, status="ALLOCATED"))
        session.add(
            models.LoadBalancer(
                id=balancer_id,
                project_id="p",
                provider="amphora",
                provisioning_status="ACTIVE",
                operating_status="ONLINE",
                enabled=True,
            )
        )
    born = stage.cloud.now
    things = {
        "stock server": (OrphanKind.SERVER, {"amphora_id": amphora_id}),
        "stranger's server": (OrphanKind.SERVER, {"amphora_id": unknown}),
        "stock VIP": (OrphanKind.PORT, {"load_balancer_id": balancer_id}),
        "stranger's VIP": (OrphanKind.PORT, {"load_balancer_id": unknown}),
        "stock group": (
            OrphanKind.SECURITY_GROUP,
            {"load_balancer_id": balancer_id},
        ),
        "stranger's group": (
            OrphanKind.SECURITY_GROUP,
            {"load_balancer_id": unknown},
        ),
    }
    for identifier, (kind, what) in things.items():
        seen = Seen(id=identifier, created_at=born, **what)
        stage.cloud.leave(kind, seen, is_mine=False)
    return things


def test_nothing_of_stock_octavia_or_strangers_is_touched(stage, sweep):
    stage.run()
    things = stock_octavia(stage)
    grow_old(stage)
    for _ in range(3):
        assert outcomes(sweep.run()) == {
            ("server", "stranger's server"): Outcome.FOREIGN
        }
        grow_old(stage)
    for identifier, (kind, _) in things.items():
        assert stage.cloud.has(kind, identifier), identifier
    kept_whole(stage)


def test_port_of_unknown_age_is_removed_when_seen_for_long(stage, sweep):
    stage.cloud.ports["fe-x"] = ("port", "nobody")
    assert outcomes(sweep.run()) == {("port", "port"): Outcome.YOUNG}
    assert "fe-x" in stage.cloud.ports
    grow_old(stage)
    # A look by somebody else has not seen it before.
    assert outcomes(Sweep(stage.controller.world).run()) == {
        ("port", "port"): Outcome.YOUNG
    }
    assert outcomes(sweep.run()) == {("port", "port"): Outcome.DONE}
    assert "fe-x" not in stage.cloud.ports


def test_age_counts_anew_when_it_was_gone_in_between(stage, sweep):
    stage.cloud.ports["fe-x"] = ("port", "nobody")
    sweep.run()
    del stage.cloud.ports["fe-x"]
    grow_old(stage)
    assert sweep.run() == ()
    stage.cloud.ports["fe-x"] = ("port", "nobody")
    assert outcomes(sweep.run()) == {("port", "port"): Outcome.YOUNG}


def announce(stage, machine, vip_ip):
    """Have an agent announce what nobody told it to, and report it."""
    vip = VipState(
        vip_ip=vip_ip,
        nexthop_ip=ip_address("10.1.0.1"),
        load_balancer_id=None,
        intent=Intent.ADVERTISE,
    )
    machine.state = replace(machine.state, vips=(*machine.state.vips, vip))
    report = stage.cloud.get_report(machine.amphora_id, machine.address)
    with stage.api.database.transaction() as session:
        reports.save(session, machine.amphora_id, report, stage.cloud.now)


def test_strange_path_is_withdrawn_by_a_reconcile(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    machine = next(iter(stage.cloud.machines.values()))
    announce(stage, machine, STRANGE)
    assert STRANGE in stage.cloud.announced(machine)
    sweep = Sweep(stage.controller.world, stage.controller.reconcile)
    key = ("path", f"{STRANGE} of {machine.amphora_id}")
    assert outcomes(sweep.run()) == {key: Outcome.YOUNG}
    assert STRANGE in stage.cloud.announced(machine)
    grow_old(stage)
    assert outcomes(sweep.run()) == {key: Outcome.DONE}
    assert STRANGE not in stage.cloud.announced(machine)
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2
    assert stage.cloud.violations == []


def test_registered_external_vip_is_no_orphan(stage, sweep):
    stage.run()
    stage.add_listener()
    stage.run()
    machine = next(iter(stage.cloud.machines.values()))
    announce(stage, machine, STRANGE)
    assert len(sweep.find()) == 1
    external = registrations.AnnouncedVip(
        vip_ip=STRANGE, nexthop_ip=ip_address("10.1.0.1")
    )
    with stage.api.database.transaction() as session:
        before = registrations.list_vips(session, machine.amphora_id)
        registrations.replace_vips(
            session, machine.amphora_id, [*before, external]
        )
    assert sweep.find() == ()


def test_census_of_octavias_rows(stage):
    stock_octavia(stage)
    shown = stage.show()
    census = stage.controller.load_balancers.census()
    assert census.live == {stage.load_balancer_id}
    assert census.deleted == set()
    addresses = [shown["vip_address"]] + [
        vip["ip_address"] for vip in shown["additional_vips"]
    ]
    assert census.vips == {
        stage.load_balancer_id: frozenset(map(ip_address, addresses))
    }
    assert len(census.stock_amphorae) == 1
    stage.run()
    stage.delete()
    stage.run()
    census = stage.controller.load_balancers.census()
    assert (census.live, census.deleted) == (
        frozenset(),
        {stage.load_balancer_id},
    )


def test_a_thing_made_while_the_inventory_is_taken_is_no_orphan(
    stage, sweep, monkeypatch
):
    """Its row is read after it was listed; even an old clock does not harm.

    The record appears just after the servers were listed, as that of a
    server made in that very moment.
    """
    cloud = stage.cloud
    lister = cloud.list_servers
    made = []

    def list_and_make():
        server = Seen(
            id="new",
            amphora_id=str(uuid.uuid4()),
            created_at=cloud.now - timedelta(days=1),
        )
        cloud.leave(OrphanKind.SERVER, server, is_mine=False)
        found = lister()
        made.append(
            orphan_amphora(
                stage,
                id=server.amphora_id,
                load_balancer_id=stage.load_balancer_id,
                status=AmphoraStatus.BOOTING,
            )
        )
        return found

    monkeypatch.setattr(cloud, "list_servers", list_and_make)
    taken = take_inventory(stage.controller.world)
    assert made[0].id in {record.id for record in taken.amphorae}
    monkeypatch.setattr(cloud, "list_servers", lister)
    assert sweep.run() == ()
    assert cloud.violations == []


def test_what_somebody_deleted_is_made_again_when_missed_twice(stage, sweep):
    """A VIP port, and the amphora that lost its front-end port."""
    stage.run()
    cloud = stage.cloud
    (first, second) = cloud.of(stage.load_balancer_id)
    del cloud.ports[f"fe-{first.amphora_id}"]
    cloud.lost_vip_ports = {stage.load_balancer_id}
    prepared = cloud.calls.count("prepare")

    sweep.run()
    stage.run()
    assert cloud.calls.count("prepare") == prepared
    sweep.run()
    stage.run(240)

    assert cloud.lost_vip_ports == set()
    left = {m.amphora_id for m in cloud.of(stage.load_balancer_id)}
    assert second.amphora_id in left
    assert first.amphora_id not in left
    assert len(left) == 2
