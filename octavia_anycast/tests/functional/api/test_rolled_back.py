# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Requests whose transaction is refused when it commits, as Galera does."""

import contextlib
from collections.abc import Iterator

import pytest
from oslo_db.exception import DBDeadlock
from sqlalchemy import Engine, event

from octavia_anycast.testing import samples
from octavia_anycast.tests.functional.amphora_rows import (
    LBS,
    PATH,
    make_lb,
    make_ours,
)
from octavia_anycast.tests.functional.balancers import DISTRIBUTORS

FOR_EVER = 1000
_WRITES = ("INSERT", "UPDATE", "DELETE")


@contextlib.contextmanager
def rolled_back(times: int) -> Iterator[list[str]]:
    """Refuse so many commits of what wrote our tables; the statements."""
    refused: list[str] = []

    def note(connection, cursor, statement, *rest):
        if statement.startswith(_WRITES) and "anycast_" in statement:
            connection.info["wrote"] = statement

    def refuse(connection):
        wrote = connection.info.pop("wrote", None)
        if wrote and len(refused) < times:
            refused.append(wrote)
            raise DBDeadlock

    event.listen(Engine, "before_cursor_execute", note)
    event.listen(Engine, "commit", refuse)
    try:
        yield refused
    finally:
        event.remove(Engine, "commit", refuse)
        event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture
def ids(api, vip, default):
    """What the paths of the calls name."""
    api.settle()
    lb = make_lb(api, vip[1][0])
    first, _ = [make_ours(api, lb["id"], number) for number in (1, 2)]
    return {
        "lb": lb["id"],
        "amphora": first,
        "distributor": default["id"],
        "subnet": vip[1][0],
    }


CALLS = (
    ("PUT", PATH + "/{amphora}/drain", lambda ids: None),
    ("DELETE", PATH + "/{amphora}/drain", lambda ids: None),
    ("PUT", PATH + "/{amphora}/failover", lambda ids: None),
    ("PUT", PATH + "/{amphora}/config", lambda ids: None),
    (
        "PUT",
        LBS + "/{lb}/cluster",
        lambda ids: {"cluster": {"desired_size": 3}},
    ),
    ("PUT", LBS + "/{lb}/failover", lambda ids: None),
    (
        "POST",
        LBS,
        lambda ids: {"loadbalancer": {"vip_subnet_id": ids["subnet"]}},
    ),
    ("POST", DISTRIBUTORS, lambda ids: samples.distributor(name="other")),
    (
        "PUT",
        DISTRIBUTORS + "/{distributor}",
        lambda ids: {"distributor": {"name": "new"}},
    ),
)
NAMES = [f"{method} {path}" for method, path, _ in CALLS]


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=NAMES)
def test_it_is_carried_out_again(api, ids, method, path, body):
    with rolled_back(times=2) as refused:
        answer = api.call(method, path.format(**ids), body(ids))

    assert len(refused) == 2
    assert answer.status in range(200, 300), answer.text


def test_what_is_made_is_made_once(api, ids):
    with rolled_back(times=2):
        api.create(DISTRIBUTORS, samples.distributor(name="once"))

    answer = api.call("GET", DISTRIBUTORS)
    assert answer.status == 200, answer.text
    names = [one["name"] for one in answer.body["distributors"]]
    assert names.count("once") == 1


def test_it_is_503_if_that_does_not_help(api, ids, caplog):
    with rolled_back(FOR_EVER) as refused:
        answer = api.call("PUT", f"{PATH}/{ids['amphora']}/drain")

    assert answer.status == 503, answer.text
    assert len(refused) > 2
    assert "did not carry it out" in caplog.text
    answer = api.call("GET", f"{PATH}/{ids['amphora']}/drain")
    assert answer.status == 200, answer.text
    assert answer.body["drain"]["state"] == "NONE"
