# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What it costs to read, settle and delete many objects, and that all go.

Queries are counted, never seconds.
"""

from contextlib import contextmanager

import pytest
from octavia.db import api as octavia_db
from octavia.db import base_models, models
from sqlalchemy import event

from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    snapshot,
)
from octavia_anycast.octavia_adapter.load_balancer.statistics import (
    OctaviaStatistics,
)
from octavia_anycast.testing import octavia_rows
from octavia_anycast.tests.functional.controller.conftest import LB

FEW, MANY = 2, 6
MEMBERS = 4  # of each listener's pool
QUERIES = {"read": 30, "settle": 30, "delete": 60}
BELOW = {
    models.Listener: "in_use_listener",
    models.Pool: "in_use_pool",
    models.Member: "in_use_member",
    models.HealthMonitor: "in_use_health_monitor",
    models.L7Policy: "in_use_l7policy",
    models.L7Rule: "in_use_l7rule",
}
# What only exists with its parent.
BESIDE = (
    base_models.Tags,
    models.SNI,
    models.ListenerCidr,
    models.SessionPersistence,
    models.ListenerStatistics,
)


@contextmanager
def counted():
    """The statements meanwhile; one for many rows is one."""
    said = []

    def note(_connection, _cursor, statement, *_):
        said.append(statement)

    engine = octavia_db.get_engine()
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", note)


def listener(number):
    return {
        "name": f"web-{number}",
        "protocol": "HTTP",
        "protocol_port": 1000 + number,
        "allowed_cidrs": ["10.0.0.0/8", "192.0.2.0/24"],
        "tags": ["one", "two"],
        "default_pool": pool(number),
        "l7policies": [
            {
                "name": f"policy-{position}",
                "action": "REJECT",
                "position": position,
                "rules": [
                    {
                        "type": "PATH",
                        "compare_type": "EQUAL_TO",
                        "value": f"/{position}",
                    }
                ],
            }
            for position in (1, 2, 3)
        ],
    }


def pool(number):
    return {
        "name": f"pool-{number}",
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "session_persistence": {"type": "SOURCE_IP"},
        "tags": ["one"],
        "members": [
            {
                "address": f"10.{number}.0.{last}",
                "protocol_port": 80,
                "tags": ["one"],
            }
            for last in range(1, MEMBERS + 1)
        ],
        "healthmonitor": {
            "type": "HTTP",
            "delay": 5,
            "timeout": 3,
            "max_retries": 2,
        },
    }


def fill(stage, count):
    """Another load balancer, fully populated in one request: its id."""
    _, (subnet,) = stage.api.neutron.add_network(f"203.0.{count}.0/24")
    body = {
        "vip_subnet_id": subnet,
        "project_id": stage.api.project_id,
        "listeners": [listener(number) for number in range(count)],
    }
    made = stage.api.create(LB, {"loadbalancer": body})
    session = octavia_db.get_session()
    with session.begin():
        rows = session.query(models.Listener).filter_by(
            load_balancer_id=made["id"]
        )
        for row in rows:
            session.add(models.SNI(listener_id=row.id, tls_container_id="x"))
            counters = {
                name: 0
                for name in (
                    "bytes_in",
                    "bytes_out",
                    "active_connections",
                    "total_connections",
                    "request_errors",
                )
            }
            session.add(
                models.ListenerStatistics(
                    listener_id=row.id, amphora_id=row.id, **counters
                )
            )
    return made["id"]


@pytest.fixture
def rows(stage):
    return stage.controller.load_balancers, stage.controller.world.statuses


def expect_delete(stage, load_balancer_id):
    answer = stage.api.call("DELETE", f"{LB}/{load_balancer_id}?cascade=true")
    assert answer.status == 204, answer.text


def test_queries_do_not_grow_with_the_number_of_objects(stage, rows):
    balancers, statuses = rows
    found = {}
    for count in (FEW, MANY):
        balancer = fill(stage, count)
        with counted() as read:
            tree = balancers.read(balancer)
        assert len(tree.pending) == count * (2 + MEMBERS + 1 + 6)
        with counted() as settle:
            assert statuses.settle(tree)
        expect_delete(stage, balancer)
        tree = balancers.read(balancer)
        with counted() as delete:
            assert statuses.delete(tree)
        found[count] = {
            "read": len(read),
            "settle": len(settle),
            "delete": len(delete),
        }
    for name, limit in QUERIES.items():
        assert found[MANY][name] <= found[FEW][name] <= limit, name


def test_operating_statuses_are_written_by_status_not_by_object(stage, rows):
    balancers, statuses = rows
    balancer = fill(stage, MANY)
    tree = balancers.read(balancer)
    wanted = {
        key: "ONLINE" if key[0] != "members" else "NO_MONITOR"
        for key in tree.operating_statuses
    } | {("loadbalancers", balancer): "DEGRADED"}

    with counted() as said:
        statuses.set_operating(tree, wanted)

    assert len(said) <= 6, said
    again = balancers.read(balancer)
    shown = again.operating_statuses | {
        ("loadbalancers", balancer): again.operating_status
    }
    assert shown == wanted


def test_active_connections_are_written_by_number(stage, rows):
    balancers, _ = rows
    tree = balancers.read(fill(stage, MANY))
    listener_ids = dict.fromkeys(x.listener_id for x in tree.listeners)
    assert len(listener_ids) == MANY
    wanted = {one: number % 2 for number, one in enumerate(listener_ids)}
    wanted["of-a-listener-that-went"] = 1

    with counted() as said:
        OctaviaStatistics().set_active(wanted)

    assert len(said) <= 3, said
    session = octavia_db.get_session()
    with session.begin():
        found = {
            row.listener_id: row.active_connections
            for row in session.query(models.ListenerStatistics)
        }
    wanted.pop("of-a-listener-that-went")
    assert found == wanted


def test_a_tree_read_at_once_is_the_one_that_octavia_reads(stage, rows):
    balancers, _ = rows
    balancer = fill(stage, FEW)
    ours = balancers.read(balancer)
    theirs = snapshot(octavia_rows.load_balancer(balancer))
    assert ours.revision == theirs.revision
    assert set(ours.pending) == set(theirs.pending)
    assert ours.operating_statuses == theirs.operating_statuses
    assert ours.listeners == theirs.listeners
    assert ours.vips == theirs.vips


def test_a_cascade_delete_leaves_no_row_and_takes_no_other(stage, rows):
    balancers, statuses = rows
    other = fill(stage, 3)
    before = {model: stage.count(model) for model in (*BELOW, *BESIDE)}
    balancer = fill(stage, FEW)
    assert statuses.settle(balancers.read(balancer))
    expect_delete(stage, balancer)

    assert statuses.delete(balancers.read(balancer))

    after = {model: stage.count(model) for model in (*BELOW, *BESIDE)}
    assert after == before
    assert balancers.read(balancer) is None
    assert len(balancers.read(other).listeners) == 3
    quota = stage.quota()
    for model, column in BELOW.items():
        assert getattr(quota, column) == before[model], column
    assert quota.in_use_load_balancer == 2  # the stage's, and the other


def doom(load_balancer_id, *names):
    """Mark objects of these names PENDING_DELETE, as the API does."""
    session = octavia_db.get_session()
    with session.begin():
        session.get(
            models.LoadBalancer, load_balancer_id
        ).provisioning_status = "PENDING_UPDATE"
        for model in (models.Listener, models.Pool, models.L7Policy):
            for row in session.query(model).filter(model.name.in_(names)):
                row.provisioning_status = "PENDING_DELETE"


def positions():
    session = octavia_db.get_session()
    with session.begin():
        rows = session.query(models.L7Policy).all()
        return sorted((row.name, row.position) for row in rows)


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["policy-1"], [("policy-2", 1), ("policy-3", 2)]),
        (["policy-2"], [("policy-1", 1), ("policy-3", 2)]),
        (["policy-3"], [("policy-1", 1), ("policy-2", 2)]),
        (["policy-1", "policy-2"], [("policy-3", 1)]),
        (["policy-1", "policy-3"], [("policy-2", 1)]),
        (["policy-1", "policy-2", "policy-3"], []),
        (["web-0", "policy-1"], []),
    ],
)
def test_policies_that_stay_are_numbered_anew(stage, rows, names, left):
    balancers, statuses = rows
    balancer = fill(stage, 1)
    assert statuses.settle(balancers.read(balancer))
    doom(balancer, *names)
    assert statuses.settle(balancers.read(balancer))
    assert positions() == left
    assert stage.count(models.L7Rule) == len(left)


def test_a_pool_that_goes_is_referred_to_no_more(stage, rows):
    """By a listener and by a policy, which both stay."""
    balancers, statuses = rows
    balancer = fill(stage, FEW)
    assert statuses.settle(balancers.read(balancer))
    session = octavia_db.get_session()
    with session.begin():
        gone = session.query(models.Pool).filter_by(name="pool-0").one()
        policy = (
            session.query(models.L7Policy).filter_by(name="policy-2").first()
        )
        policy.redirect_pool_id = gone.id
    doom(balancer, "pool-0")

    assert statuses.settle(balancers.read(balancer))

    left = balancers.model_of(balancers.read(balancer))
    assert stage.count(models.Listener) == FEW
    assert stage.count(models.L7Policy) == 3 * FEW
    assert {p.name for p in left.pools} == {"pool-1"}
    assert stage.count(models.Member) == MEMBERS * (FEW - 1)
    assert stage.count(models.SessionPersistence) == FEW - 1
    references = {
        *(row.default_pool_id for row in left.listeners),
        *(p.redirect_pool_id for x in left.listeners for p in x.l7policies),
    }
    assert references == {None, left.pools[0].id}
