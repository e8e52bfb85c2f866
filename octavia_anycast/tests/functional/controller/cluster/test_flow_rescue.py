# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Flow rescue, from the option to what the agents are told."""

import pytest
from oslo_config import cfg


@pytest.fixture
def is_off(api):
    """The operator's choice, before the controller reads it."""
    cfg.CONF.set_override("flow_rescue", False, group="anycast")
    yield
    cfg.CONF.clear_override("flow_rescue", group="anycast")


def rescues(stage):
    """What the agents were told, by amphora."""
    return {
        machine.amphora_id: machine.state.flow_rescue
        for machine in stage.cloud.machines.values()
    }


def cluster_path(stage):
    return f"/v2/lbaas/loadbalancers/{stage.load_balancer_id}/cluster"


def switch(stage, value):
    body = {"cluster": {"flow_rescue": value}}
    answer = stage.api.call("PUT", cluster_path(stage), body)
    assert answer.status == 202, answer.text
    assert answer.body["cluster"]["flow_rescue"] is value


def test_the_operator_can_switch_it_off(is_off, stage):
    stage.run()
    stage.add_listener()
    stage.run()
    assert set(rescues(stage).values()) == {None}
    switch(stage, True)
    stage.run()
    assert set(rescues(stage).values()) == {None}


def test_a_cluster_can_switch_it_off_and_on(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    switch(stage, False)
    stage.run()
    assert set(rescues(stage).values()) == {None}
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2
    switch(stage, True)
    stage.run()
    assert None not in rescues(stage).values()


@pytest.mark.parametrize("value", ["yes", 1])
def test_it_is_on_or_off(stage, value):
    stage.run()
    body = {"cluster": {"flow_rescue": value}}
    answer = stage.api.call("PUT", cluster_path(stage), body)
    assert answer.status == 400
    assert "flow_rescue" in answer.fault


def test_all_amphorae_know_each_other_and_share_a_secret(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    told = rescues(stage)
    assert len(told) == 2
    assert len({rescue.secrets for rescue in told.values()}) == 1
    for rescue in told.values():
        assert {member.id for member in rescue.members} == set(told)
        for member in rescue.members:
            assert {ip.version for ip in member.addresses} == {4, 6}
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2
    assert stage.show()["provisioning_status"] == "ACTIVE"
