# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A PROMETHEUS listener, from the API to what the agents are told."""

from octavia_anycast.testing.controller_process import AUTHORITY

PROMETHEUS = {"protocol": "PROMETHEUS"}


def told(stage):
    """What the agents were told, by amphora."""
    return {
        machine.amphora_id: machine.state.tenant_metrics
        for machine in stage.cloud.machines.values()
    }


def test_without_a_listener_of_metrics_nobody_is_told_of_them(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    assert set(told(stage).values()) == {None}


def test_with_one_all_amphorae_know_each_other(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    stage.add_listener(8088, **PROMETHEUS)
    stage.run()
    found = told(stage)
    assert len(found) == 2
    for metrics in found.values():
        assert metrics.authority == AUTHORITY
        assert {member.id for member in metrics.members} == set(found)
        for member in metrics.members:
            assert {ip.version for ip in member.addresses} == {4, 6}
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2
    assert stage.show()["provisioning_status"] == "ACTIVE"


def test_with_its_deletion_they_are_told_of_none_again(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    made = stage.add_listener(8088, **PROMETHEUS)
    stage.run()
    path = f"/v2/lbaas/listeners/{made['id']}"
    assert stage.api.call("DELETE", path).status == 204
    stage.run()
    assert set(told(stage).values()) == {None}
