# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Session persistence asked for by API: who shares stick tables."""

import pytest


def add_pool(stage, listener, **persistence):
    return stage.api.create(
        "/v2/lbaas/pools",
        {
            "pool": {
                "listener_id": listener["id"],
                "protocol": "HTTP",
                "lb_algorithm": "ROUND_ROBIN",
                "session_persistence": persistence or None,
            }
        },
    )


def machines(stage):
    found = stage.cloud.of(stage.load_balancer_id)
    return {machine.amphora_id: machine for machine in found}


@pytest.mark.parametrize(
    "persistence",
    [
        {"type": "SOURCE_IP"},
        {"type": "APP_COOKIE", "cookie_name": "session"},
    ],
)
def test_all_amphorae_share_and_go_on_when_one_is_lost(stage, persistence):
    stage.run()
    listener = stage.add_listener()
    stage.run()
    add_pool(stage, listener, **persistence)
    stage.run()
    before = machines(stage)
    assert len(before) > 1
    assert {m.peers for m in before.values()} == {frozenset(before)}
    lost = stage.cloud.of(stage.load_balancer_id)[0]
    lost.has_power = False
    for _ in range(60):
        stage.controller.reconcile(stage.load_balancer_id)
        stage.cloud.pass_time(1)
    after = machines(stage)
    assert len(after) == len(before)
    assert lost.amphora_id not in after
    assert {m.peers for m in after.values()} == {frozenset(after)}
    assert stage.cloud.violations == []


def test_nobody_shares_what_nobody_needs(stage):
    stage.run()
    listener = stage.add_listener()
    stage.run()
    add_pool(stage, listener, type="HTTP_COOKIE")
    stage.run()
    assert {m.peers for m in machines(stage).values()} == {frozenset()}
