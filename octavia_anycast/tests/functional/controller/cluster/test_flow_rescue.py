# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Flow rescue, from the option to what the agents are told."""

import pytest
from oslo_config import cfg


@pytest.fixture
def is_on(api):
    """The operator's choice, before the controller reads it."""
    cfg.CONF.set_override("flow_rescue", True, group="anycast")
    yield
    cfg.CONF.clear_override("flow_rescue", group="anycast")


def rescues(stage):
    """What the agents were told, by amphora."""
    return {
        machine.amphora_id: machine.state.flow_rescue
        for machine in stage.cloud.machines.values()
    }


def test_by_default_nobody_is_told_of_it(stage):
    stage.run()
    stage.add_listener()
    stage.run()
    assert set(rescues(stage).values()) == {None}


def test_all_amphorae_know_each_other_and_share_a_secret(is_on, stage):
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
