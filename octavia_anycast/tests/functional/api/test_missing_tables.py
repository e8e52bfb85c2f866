# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A database without one of our tables: 503, and the log says what to type.

No answer has SQL in it.
"""

from contextlib import contextmanager

import pytest
from sqlalchemy import text

from octavia_anycast.tests.functional.balancers import DISTRIBUTORS, post

CURE = "run octavia-anycast-manage db upgrade"


@contextmanager
def without(api, table):
    away = f"{table}_away"
    rename(api, table, away)
    try:
        yield
    finally:
        rename(api, away, table)


def rename(api, table, name):
    with api.database.transaction() as session:
        session.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


@pytest.mark.parametrize(
    ("table", "ask"),
    [
        ("distributor", lambda api, vip: api.call("GET", DISTRIBUTORS)),
        ("cluster", lambda api, vip: post(api, vip)),
        ("event", lambda api, vip: api.call("GET", events_of(api, vip))),
    ],
    ids=["list", "create", "events"],
)
def test_it_is_503_and_no_sql(api, vip, default, caplog, table, ask):
    with without(api, f"anycast_{table}"):
        answer = ask(api, vip)

    assert answer.status == 503, answer.text
    assert "SELECT" not in answer.text.upper()
    assert "INSERT" not in answer.text.upper()
    assert f"anycast_{table}: {CURE}" in caplog.text
    assert api.call("GET", DISTRIBUTORS).status == 200


def events_of(api, vip):
    (one,) = api.call("GET", DISTRIBUTORS).body["distributors"]
    return f"{DISTRIBUTORS}/{one['id']}/events"
