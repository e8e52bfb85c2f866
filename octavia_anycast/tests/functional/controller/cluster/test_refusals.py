# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Refused content: the culprit is ERROR, the rest goes into force.

``FakeCloud`` counts how often an amphora is given what it refused, and the
stage asserts that nothing of the kind was violated.
"""

import pytest

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.errors import Permanent
from octavia_anycast.testing import octavia_rows

LB = "/v2/lbaas/loadbalancers"
ALERT = "regex '(' is invalid (error=missing closing parenthesis)"


def populated(stage):
    """Make a load balancer and all that hangs on it, in one call."""
    pool = {
        "name": "pool",
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "healthmonitor": {
            "type": "HTTP",
            "delay": 2,
            "timeout": 1,
            "max_retries": 2,
        },
        "members": [
            {"address": f"10.10.0.{n}", "protocol_port": 8080} for n in (1, 2)
        ],
    }
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/x"}
    listeners = [
        {
            "protocol": "HTTP",
            "protocol_port": 80,
            "default_pool": pool,
            "l7policies": [{"action": "REJECT", "rules": [rule]}],
        },
        {"protocol": "HTTP", "protocol_port": 81},
    ]
    made = stage.api.create(
        LB,
        {
            "loadbalancer": {
                "vip_subnet_id": stage.show()["vip_subnet_id"],
                "project_id": stage.api.project_id,
                "listeners": listeners,
            }
        },
    )
    stage.load_balancer_id = made["id"]
    return paths_of(octavia_rows.load_balancer(made["id"]))


def paths_of(balancer):
    """kind -> path of one object of each kind."""
    listener, other = sorted(
        balancer.listeners, key=lambda one: one.protocol_port
    )
    (pool,) = balancer.pools
    (policy,) = listener.l7policies
    paths = {
        "listener": f"listeners/{listener.id}",
        "other": f"listeners/{other.id}",
        "pool": f"pools/{pool.id}",
        "healthmonitor": f"healthmonitors/{pool.health_monitor.id}",
        "member": f"pools/{pool.id}/members/{pool.members[0].id}",
        "l7policy": f"l7policies/{policy.id}",
        "rule": f"l7policies/{policy.id}/rules/{policy.l7rules[0].id}",
    }
    return {kind: f"/v2/lbaas/{path}" for kind, path in paths.items()}


@pytest.fixture
def tree(stage):
    """One of each kind, all in force: kind -> path."""
    made = populated(stage)
    stage.run()
    return made


CHANGES = {
    "listener": {"connection_limit": 100},
    "pool": {"lb_algorithm": "LEAST_CONNECTIONS"},
    "healthmonitor": {"delay": 5},
    "member": {"weight": 5},
    "l7policy": {"action": "REDIRECT_TO_URL", "redirect_url": "http://x.y/"},
    "rule": {"value": "/y"},
}
AGAIN = {
    "listener": {"connection_limit": 101},
    "pool": {"lb_algorithm": "SOURCE_IP"},
    "healthmonitor": {"delay": 6},
    "member": {"weight": 6},
    "l7policy": {"redirect_url": "http://z.y/"},
    "rule": {"value": "/z"},
}


def identifier(path):
    return path.rsplit("/", 1)[1]


def change(stage, tree, kind, changes=CHANGES):
    answer = stage.api.call("PUT", tree[kind], {kind: changes[kind]})
    assert answer.status in (200, 202), answer.text


def statuses(tree):
    """kind -> provisioning status, of what there is still."""
    rows = {i: status for (_, i), status in octavia_rows.statuses().items()}
    return {kind: rows.get(identifier(path)) for kind, path in tree.items()}


def errors(tree):
    return {k for k, status in statuses(tree).items() if status == "ERROR"}


def refuse(stage, tree, *kinds):
    for kind in kinds:
        stage.cloud.contents.refused[identifier(tree[kind])] = ALERT


def reason(stage):
    with stage.api.database.transaction() as session:
        return clusters.get(session, stage.load_balancer_id).reason


def records(stage):
    with stage.api.database.transaction() as session:
        return amphorae.list_for(session, stage.load_balancer_id)


def assert_serves(stage, tree):
    """All is open for changes, and both amphorae announce."""
    assert stage.show()["provisioning_status"] == "ACTIVE"
    assert set(statuses(tree).values()) <= {"ACTIVE", "ERROR", None}
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2
    assert stage.cloud.violations == []


@pytest.mark.parametrize("kind", sorted(CHANGES))
def test_what_is_refused_is_error_until_it_is_corrected_or_deleted(
    stage, tree, kind
):
    refuse(stage, tree, kind)
    change(stage, tree, kind)
    begun = stage.cloud.now
    stage.run()
    assert (stage.cloud.now - begun).total_seconds() < 10
    assert errors(tree) == {kind}
    assert_serves(stage, tree)
    assert f"{identifier(tree[kind])} is refused: {ALERT}" in reason(stage)
    stage.cloud.contents.refused.clear()
    change(stage, tree, kind)
    stage.run()
    assert errors(tree) == set()
    assert_serves(stage, tree)
    assert "is refused" not in reason(stage)
    refuse(stage, tree, kind)
    stage.cloud.contents.names_culprits = False
    change(stage, tree, kind, AGAIN)
    stage.run()
    assert errors(tree) == {kind}
    answer = stage.api.call("DELETE", tree[kind])
    assert answer.status == 204, answer.text
    stage.run()
    assert errors(tree) == set()
    assert_serves(stage, tree)
    assert "is refused" not in reason(stage)


def test_one_create_with_two_culprits(stage):
    """Everything in a fully populated load balancer is new."""
    tree = populated(stage)
    stage.cloud.contents.names_culprits = False
    refuse(stage, tree, "other", "member")
    stage.run()
    assert errors(tree) == {"other", "member"}
    assert_serves(stage, tree)
    machines = stage.cloud.of(stage.load_balancer_id)
    assert {port for m in machines for _, port in m.sockets} == {80}


def test_amphorae_boot_fine_with_an_object_in_error(stage, tree):
    refuse(stage, tree, "rule")
    change(stage, tree, "rule")
    stage.run()
    answer = stage.api.call("PUT", f"{LB}/{stage.load_balancer_id}/failover")
    assert answer.status == 202, answer.text
    stage.run(300)
    assert errors(tree) == {"rule"}
    assert_serves(stage, tree)
    for machine in stage.cloud.of(stage.load_balancer_id):
        machine.has_power = False
    stage.cloud.pass_time(60)
    stage.run(300)
    assert_serves(stage, tree)


def test_a_culprit_that_comes_while_an_amphora_is_out_of_reach(stage, tree):
    lost, _ = stage.cloud.of(stage.load_balancer_id)
    lost.is_reachable = False
    refuse(stage, tree, "pool")
    change(stage, tree, "pool")
    stage.controller.run(stage.load_balancer_id, 8)
    assert errors(tree) == {"pool"}
    assert stage.show()["provisioning_status"] == "ACTIVE"
    lost.is_reachable = True
    stage.run()
    assert_serves(stage, tree)


def one_of(stage):
    return stage.cloud.of(stage.load_balancer_id)[0].amphora_id


def test_an_amphora_that_refuses_what_others_run_is_replaced(stage, tree):
    odd = one_of(stage)
    stage.cloud.contents.strict[odd] = identifier(tree["member"])
    change(stage, tree, "member")
    stage.run(300)
    assert errors(tree) == set()
    assert odd not in {record.id for record in records(stage)}
    assert_serves(stage, tree)


def test_an_amphora_whose_haproxy_is_broken_is_replaced(stage, tree):
    """Both are, so nobody holds the new configuration."""
    broken = {m.amphora_id for m in stage.cloud.of(stage.load_balancer_id)}
    stage.cloud.contents.broken |= broken
    change(stage, tree, "member")
    stage.run(600)
    assert errors(tree) == set()
    assert not broken & {record.id for record in records(stage)}
    assert_serves(stage, tree)


def test_boots_of_a_broken_image_are_no_fault_of_the_content(stage):
    populated(stage)
    contents = stage.cloud.contents
    for _ in range(30):
        contents.broken |= {
            m.amphora_id for m in stage.cloud.machines.values()
        }
        stage.controller.run(stage.load_balancer_id, 1)
    assert "ERROR" not in octavia_rows.statuses().values()
    assert stage.cloud.calls.count("build") < 12
    assert "refuses any configuration" in reason(stage)
    assert stage.cloud.violations == []


@pytest.mark.parametrize("at", [8, 17, 26])
def test_killed_while_the_culprit_is_sought(stage, tree, at):
    stage.cloud.contents.names_culprits = False
    refuse(stage, tree, "member")
    change(stage, tree, "member")
    stage.cloud.die_in(at)
    stage.controller.run(stage.load_balancer_id, seconds=10)
    stage.restart()
    stage.run(120)
    assert errors(tree) == {"member"}
    assert_serves(stage, tree)


def test_with_every_culprit_the_load_balancer_can_be_deleted(stage, tree):
    refuse(stage, tree, *CHANGES)
    change(stage, tree, "listener")
    stage.run()
    stage.delete()
    stage.controller.run(stage.load_balancer_id)
    assert stage.cloud.machines == {}


NO_START = "Amphora cannot reload what it was given: Cannot raise FD limit"


def does_not_start(stage, monkeypatch, *amphora_ids):
    """What HAProxy takes with -c, and does not start with, in these."""
    push = stage.cloud.push

    def attempt(tree, record, peers=(), **also):
        if record.id in amphora_ids:
            raise Permanent(NO_START)
        push(tree, record, peers, **also)

    monkeypatch.setattr(stage.cloud, "push", attempt)


def look(stage, seconds):
    for _ in range(seconds):
        stage.controller.reconcile(stage.load_balancer_id)
        stage.cloud.pass_time(1)
    return octavia_rows.load_balancer(
        stage.load_balancer_id
    ).provisioning_status


def test_where_one_haproxy_does_not_start_it_withdraws_and_is_replaced(
    stage, tree, monkeypatch
):
    first, second = stage.cloud.of(stage.load_balancer_id)
    does_not_start(stage, monkeypatch, first.amphora_id)
    change(stage, tree, "listener")
    assert look(stage, 3) == "ACTIVE"
    assert NO_START in reason(stage)
    look(stage, 5)  # it drains first
    assert stage.cloud.announcers(stage.load_balancer_id) == [second]
    look(stage, 90)
    assert first not in stage.cloud.of(stage.load_balancer_id)
    assert len(stage.cloud.announcers(stage.load_balancer_id)) == 2


def test_where_no_haproxy_starts_it_is_error_and_serves_what_it_served(
    stage, tree, monkeypatch
):
    both = stage.cloud.of(stage.load_balancer_id)
    with monkeypatch.context() as patched:
        does_not_start(stage, patched, *(one.amphora_id for one in both))
        change(stage, tree, "listener")
        assert look(stage, 10) == "PENDING_UPDATE"
        assert look(stage, 10) == "ERROR"
        assert NO_START in reason(stage)
        assert stage.cloud.announcers(stage.load_balancer_id) == both
    assert look(stage, 40) == "ACTIVE"
    assert NO_START not in reason(stage)
