# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The life of a load balancer: real API rows, real flows, a fake cloud."""

import pytest
from octavia.db import models

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.models import Amphora, FrontendAddress
from octavia_anycast.testing import octavia_rows


def records(stage):
    with stage.api.database.transaction() as session:
        return amphorae.list_for(session, stage.load_balancer_id)


def test_create_boots_the_cluster_and_becomes_active(stage):
    stage.run()
    shown = stage.show()
    assert shown["provisioning_status"] == "ACTIVE"
    assert shown["operating_status"] == "ONLINE"
    assert len(stage.cloud.of(stage.load_balancer_id)) == 2
    assert [r.status for r in records(stage)] == ["ALLOCATED"] * 2


def test_nothing_is_announced_without_a_listener(stage):
    stage.run()
    assert stage.cloud.announcers(stage.load_balancer_id) == []


def test_listener_is_announced_by_all(stage):
    stage.run()
    stage.add_listener()
    assert stage.show()["provisioning_status"] == "PENDING_UPDATE"
    stage.run()
    shown = stage.show()
    assert shown["provisioning_status"] == "ACTIVE"
    machines = stage.cloud.announcers(stage.load_balancer_id)
    assert len(machines) == 2
    vips = {shown["vip_address"]} | {
        vip["ip_address"] for vip in shown["additional_vips"]
    }
    for machine in machines:
        assert {str(ip) for ip in stage.cloud.announced(machine)} == vips


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_a_listener_of_lvs_alone_is_announced_by_all(stage, protocol):
    stage.run()
    listener = stage.add_listener()
    octavia_rows.set_protocol(listener["id"], protocol)
    stage.run()
    shown = stage.show()
    assert shown["provisioning_status"] == "ACTIVE"
    assert shown["operating_status"] == "ONLINE"
    machines = stage.cloud.announcers(stage.load_balancer_id)
    assert len(machines) == 2
    for machine in machines:
        assert machine.sockets == frozenset()
        assert machine.state.listeners == ()
        assert machine.state.lvs_listener_ids == (listener["id"],)
    assert stage.cloud.violations == []


def test_a_settled_cluster_is_left_alone(stage):
    stage.run()
    pushes = [m.pushes for m in stage.cloud.machines.values()]
    for _ in range(3):
        result = stage.controller.reconcile(stage.load_balancer_id)
        assert result.is_settled
        assert not result.did_something
        stage.cloud.pass_time(10)
    assert [m.pushes for m in stage.cloud.machines.values()] == pushes


def test_deleted_listener_goes_from_rows_amphorae_and_quota(stage):
    stage.run()
    listener = stage.add_listener()
    stage.run()
    stage.cloud.stopping = frozenset({stage.load_balancer_id})
    stage.api.call("DELETE", f"/v2/lbaas/listeners/{listener['id']}")
    stage.run()
    assert stage.count(models.Listener) == 0
    assert stage.quota().in_use_listener == 0
    assert stage.cloud.announcers(stage.load_balancer_id) == []
    assert stage.show()["provisioning_status"] == "ACTIVE"


def test_member_network_is_plugged_before_haproxy_is_told(stage):
    _, (subnet,) = stage.api.neutron.add_network("10.10.0.0/24")
    stage.run()
    listener = stage.add_listener()
    stage.run()
    pool = stage.api.create(
        "/v2/lbaas/pools",
        {
            "pool": {
                "listener_id": listener["id"],
                "protocol": "HTTP",
                "lb_algorithm": "ROUND_ROBIN",
            }
        },
    )
    stage.run()
    stage.api.create(
        f"/v2/lbaas/pools/{pool['id']}/members",
        {
            "member": {
                "address": "10.10.0.11",
                "protocol_port": 8080,
                "subnet_id": subnet,
            }
        },
    )
    stage.run()
    for machine in stage.cloud.of(stage.load_balancer_id):
        assert machine.member_networks == {f"net-{subnet}"}
    assert stage.show()["provisioning_status"] == "ACTIVE"


def test_nothing_boots_without_its_server_group(stage):
    stage.cloud.refuse["ensure group"] = 1
    stage.controller.reconcile(stage.load_balancer_id)
    assert stage.cloud.calls.count("build") == 0
    assert stage.cloud.machines == {}
    stage.cloud.pass_time(5)
    stage.run()
    assert len(stage.cloud.of(stage.load_balancer_id)) == 2


def test_a_replacement_gets_a_server_group(stage):
    stage.run()
    # Anti-affinity was switched on when the load balancer was there.
    stage.cloud.server_groups.clear()
    machine = stage.cloud.of(stage.load_balancer_id)[0]
    del stage.cloud.machines[machine.server_id]
    stage.cloud.pass_time(60)
    stage.run(120)
    assert len(stage.cloud.of(stage.load_balancer_id)) == 2
    assert stage.cloud.server_groups == {stage.load_balancer_id}


def test_a_spare_gets_a_server_group(stage):
    stage.run()
    stage.cloud.server_groups.clear()
    answer = stage.api.call(
        "PUT",
        f"/v2/lbaas/loadbalancers/{stage.load_balancer_id}/cluster",
        {"cluster": {"spare_count": 1}},
    )
    assert answer.status == 202, answer.text
    stage.run()
    assert len(stage.cloud.of(stage.load_balancer_id)) == 3
    assert stage.cloud.server_groups == {stage.load_balancer_id}


def test_cascade_delete_leaves_nothing(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    stage.delete()
    stage.controller.run(stage.load_balancer_id)
    cloud = stage.cloud
    assert cloud.violations == []
    assert cloud.machines == {}
    assert cloud.ports == {}
    assert cloud.security_groups == set()
    assert cloud.server_groups == set()
    assert stage.count(models.Listener) == 0
    assert stage.quota().in_use_load_balancer == 0
    assert stage.quota().in_use_listener == 0
    with stage.api.database.transaction() as session:
        assert clusters.list_all(session) == []
        assert session.query(Amphora).count() == 0
        assert session.query(FrontendAddress).count() == 0


def test_whoever_sees_it_deleted_finds_its_distributor_free(
    stage, monkeypatch
):
    """The cluster's row goes before Octavia's says DELETED."""
    stage.run()
    statuses = stage.controller.world.statuses
    delete, clusters_left = statuses.delete, []

    def look(tree):
        with stage.api.database.transaction() as session:
            clusters_left.append(clusters.list_all(session))
        return delete(tree)

    monkeypatch.setattr(statuses, "delete", look)
    stage.delete()
    stage.controller.run(stage.load_balancer_id)
    assert clusters_left == [[]]


def test_a_deletion_that_stops_in_between_goes_on(stage, monkeypatch):
    """Octavia's row is PENDING_DELETE, and no cluster row is left."""
    stage.run()
    statuses = stage.controller.world.statuses
    delete, answers = statuses.delete, [False]
    monkeypatch.setattr(
        statuses,
        "delete",
        lambda tree: answers.pop() if answers else delete(tree),
    )
    stage.delete()
    stage.controller.run(stage.load_balancer_id, seconds=60)
    assert answers == []
    assert stage.quota().in_use_load_balancer == 0
    assert stage.cloud.violations == []


def test_dead_amphora_is_replaced_without_locking(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    dead = stage.cloud.of(stage.load_balancer_id)[0]
    dead.has_power = False
    seen = set()
    for _ in range(60):
        stage.controller.reconcile(stage.load_balancer_id)
        seen.add(stage.show()["provisioning_status"])
        stage.cloud.pass_time(1)
    assert seen == {"ACTIVE"}
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2
    assert dead.server_id not in stage.cloud.machines
    assert stage.cloud.violations == []


def test_unreachable_amphora_does_not_delay_an_update(stage):
    stage.run()
    stage.cloud.of(stage.load_balancer_id)[0].is_reachable = False
    stage.add_listener()
    stage.controller.reconcile(stage.load_balancer_id)
    stage.cloud.pass_time(1)
    stage.controller.reconcile(stage.load_balancer_id)
    assert stage.show()["provisioning_status"] == "ACTIVE"
    assert stage.cloud.violations == []


def test_agent_that_is_not_understood_is_complained_of_once(stage, caplog):
    stage.run()
    machine = stage.cloud.of(stage.load_balancer_id)[0]
    machine.speaks_another_version = True
    for _ in range(3):
        stage.controller.reconcile(stage.load_balancer_id)
    complaints = [
        record
        for record in caplog.records
        if machine.amphora_id in record.getMessage()
        and "not understood" in record.getMessage()
        and record.levelname == "ERROR"
    ]
    assert len(complaints) == 1


def test_failover_replaces_every_amphora_and_keeps_serving(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    before = {m.server_id for m in stage.cloud.of(stage.load_balancer_id)}
    answer = stage.api.call(
        "PUT", f"/v2/lbaas/loadbalancers/{stage.load_balancer_id}/failover"
    )
    assert answer.status == 202, answer.text
    stage.run(seconds=300)
    after = {m.server_id for m in stage.cloud.of(stage.load_balancer_id)}
    assert not before & after
    assert len(after) == 2
    assert stage.show()["provisioning_status"] == "ACTIVE"


def test_error_is_shown_and_gone_when_it_works_again(stage):
    stage.cloud.build_error = "no valid host was found"
    settings = stage.controller.world.settings
    stage.controller.reconcile(stage.load_balancer_id)
    stage.cloud.pass_time(settings.patience.error_after + 1)
    stage.controller.reconcile(stage.load_balancer_id)
    assert stage.show()["provisioning_status"] == "ERROR"
    stage.cloud.build_error = ""
    stage.run(seconds=900)
    assert stage.show()["provisioning_status"] == "ACTIVE"
    assert len(stage.cloud.of(stage.load_balancer_id)) == 2


def test_security_group_trouble_keeps_the_change_pending(stage):
    stage.run()
    stage.cloud.refuse["prepare"] = 2
    stage.add_listener()
    stage.controller.reconcile(stage.load_balancer_id)
    assert stage.show()["provisioning_status"] == "PENDING_UPDATE"
    stage.run()
    assert stage.show()["provisioning_status"] == "ACTIVE"


def test_disabled_load_balancer_is_withdrawn(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    stage.cloud.stopping = frozenset({stage.load_balancer_id})
    stage.api.call(
        "PUT",
        f"/v2/lbaas/loadbalancers/{stage.load_balancer_id}",
        {"loadbalancer": {"admin_state_up": False}},
    )
    stage.run()
    shown = stage.show()
    assert shown["provisioning_status"] == "ACTIVE"
    assert shown["operating_status"] == "OFFLINE"
    assert stage.cloud.announcers(stage.load_balancer_id) == []
