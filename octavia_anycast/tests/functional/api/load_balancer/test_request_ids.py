# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which API request changes a load balancer is recorded in its cluster."""

from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.errors import Retryable
from octavia_anycast.octavia_adapter.load_balancer import rows
from octavia_anycast.testing import octavia_rows
from octavia_anycast.tests.functional.amphora_rows import PATH, make_ours
from octavia_anycast.tests.functional.api.load_balancer.test_objects import (
    CERTIFICATE,
    ROWS,
)
from octavia_anycast.tests.functional.balancers import LBS
from octavia_anycast.tests.functional.object_tree import call

BATCH = 200
CLUSTER = f"{LBS}/{{lb}}/cluster"


def stored(tree):
    with tree.api.database.transaction() as session:
        return clusters.get(session, tree.lb)


def expect_recorded(tree, answer):
    assert 200 <= answer.status < 300, answer.text
    assert answer.request_id.startswith("req-")
    assert stored(tree).request_id == answer.request_id


@contextmanager
def counted():
    """The statements meanwhile, to either database."""
    said = []

    def note(_connection, _cursor, statement, *_):
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def batch(tree, count):
    members = [
        {"address": f"10.20.{n // 250}.{n % 250 + 1}", "protocol_port": 80}
        for n in range(count)
    ]
    path = f"/v2/lbaas/pools/{tree.pool}/members"
    return tree.api.call("PUT", path, {"members": members})


@pytest.mark.parametrize("name", ROWS)
def test_each_change_of_each_object_is_recorded(tree, name):
    before = stored(tree)

    answer = call(tree, *ROWS[name][:-1])

    expect_recorded(tree, answer)
    assert stored(tree).request_id != before.request_id
    assert stored(tree).changed_at == before.changed_at


def test_a_batch_is_recorded_at_the_price_of_one(tree):
    def cost(count):
        with counted() as said:
            answer = batch(tree, count)
        expect_recorded(tree, answer)
        octavia_rows.settle()
        look_ups = [s for s in said if s.startswith("SELECT pool.load_bal")]
        return len(look_ups), len([s for s in said if "anycast_" in s])

    assert cost(2) == cost(BATCH) == (1, 1)


def test_a_new_load_balancer_has_it_with_its_row(api, default, vip):
    body = {"loadbalancer": {"vip_subnet_id": vip[1][0]}}
    answer = api.call("POST", LBS, body)

    assert answer.status == 201, answer.text
    with api.database.transaction() as session:
        made = clusters.get(session, answer.body["loadbalancer"]["id"])
    assert answer.request_id
    assert made.request_id == answer.request_id


def test_octavias_other_contexts_do_not_count(tree):
    """It makes one with an id of its own where it reads a secret."""
    body = {
        "loadbalancer_id": tree.lb,
        "protocol": "TERMINATED_HTTPS",
        "protocol_port": 443,
        "default_tls_container_ref": CERTIFICATE,
        "sni_container_refs": [CERTIFICATE, CERTIFICATE + "2"],
    }
    answer = tree.api.call("POST", "/v2/lbaas/listeners", {"listener": body})
    expect_recorded(tree, answer)


def test_a_refused_change_is_not_recorded(tree):
    before = stored(tree)
    rule = ["POST", "l7policies/{policy}/rules", "rule"]
    bad = {"type": "PATH", "compare_type": "REGEX", "value": "\\u0041"}

    assert call(tree, *rule, bad).status == 400
    call(tree, *ROWS["update pool"][:-1])
    last = stored(tree)
    assert call(tree, *ROWS["update listener"][:-1]).status == 409

    assert last.request_id != before.request_id
    assert stored(tree) == last


def test_the_last_one_wins(tree):
    call(tree, *ROWS["update pool"][:-1])
    octavia_rows.settle()

    expect_recorded(tree, call(tree, *ROWS["update listener"][:-1]))


CHANGES = {
    "size": ("PUT", CLUSTER, {"cluster": {"desired_size": 3}}),
    "manager": ("PUT", CLUSTER, {"cluster": {"enabled": False}}),
    "failover": ("PUT", f"{PATH}/{{serving}}/failover", None),
    "agent": ("PUT", f"{PATH}/{{serving}}/config", None),
    "deletion": ("DELETE", f"{PATH}/{{failed}}", None),
    "no drain": ("DELETE", f"{PATH}/{{serving}}/drain", None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_our_own_api_changes_is_recorded(tree, name):
    method, path, body = CHANGES[name]
    serving = make_ours(tree.api, tree.lb, 1)
    failed = make_ours(tree.api, tree.lb, 2, status=AmphoraStatus.ERROR)

    answer = tree.api.call(
        method, path.format(lb=tree.lb, serving=serving, failed=failed), body
    )

    expect_recorded(tree, answer)


def test_nothing_new_is_nobodys_request(tree):
    before = stored(tree)

    path = f"{LBS}/{tree.lb}/cluster"
    assert tree.api.call("PUT", path, {"cluster": {}}).status == 202
    assert tree.api.call("GET", path).status == 200

    assert stored(tree) == before


def test_without_a_cluster_the_request_is_served(tree):
    """As between the crash of a deletion and the next look."""
    with tree.api.database.transaction() as session:
        clusters.delete(session, tree.lb)

    answer = call(tree, *ROWS["update listener"][:-1])

    assert answer.status == 200, answer.text


@pytest.mark.parametrize("where", ["look-up", "record"])
def test_a_database_that_fails_fails_no_request(tree, monkeypatch, where):
    def fail(*_):
        raise Retryable("it is down")

    if where == "record":
        monkeypatch.setattr(clusters, "record_request", fail)
    else:
        monkeypatch.setattr(rows, "load_balancer_id_of", fail)
    before = stored(tree)

    answer = call(tree, *ROWS["update member"][:-1])

    assert answer.status == 200, answer.text
    assert stored(tree) == before


def test_a_newer_request_is_not_forgotten(tree):
    first = call(tree, *ROWS["update pool"][:-1]).request_id
    octavia_rows.settle()
    newer = call(tree, *ROWS["update listener"][:-1])

    with tree.api.database.transaction() as session:
        clusters.forget_request(session, tree.lb, first)
    expect_recorded(tree, newer)

    with tree.api.database.transaction() as session:
        clusters.forget_request(session, tree.lb, newer.request_id)
    assert stored(tree).request_id == ""
