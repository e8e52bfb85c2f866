# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Events that are too old or too many go; all others stay."""

from datetime import timedelta

import pytest
from sqlalchemy import event, func, select

from octavia_anycast.db import columns, listing
from octavia_anycast.db.models import Event as Row
from octavia_anycast.db.monitoring import events
from octavia_anycast.model.monitoring.event import (
    Event,
    EventKind,
    Mark,
    Owner,
)
from octavia_anycast.tests.functional.db.test_records import NOW

WEEK = timedelta(days=7)
EVERYTHING = listing.Request(filters={})


def make(count, owner, age=timedelta(0)):
    """So many of one owner, a second apart, the last one that old."""
    return [
        Event(
            kind=EventKind.SCALE,
            at=NOW - age - timedelta(seconds=number),
            owner=owner,
            to_state=str(number),
        )
        for number in range(count)
    ]


A, B, OWN = (
    Owner(distributor_id="d", load_balancer_id="a"),
    Owner(distributor_id="d", load_balancer_id="b"),
    Owner(distributor_id="d"),
)


def purge(session, count_max):
    conditions = events.to_purge(session, NOW - WEEK, count_max)
    counted = sum(events.count(session, one) for one in conditions)
    removed = 0
    for condition in conditions:
        while some := events.remove_some(session, condition):
            removed += some
    assert removed == counted
    return removed


def kept(session, **scope):
    found = events.page(session, events.Scope(**scope), EVERYTHING)
    return [int(one.to_state) for one in found]


def test_all_are_stored_by_one_statement(session):
    said = []

    def note(_connection, _cursor, statement, *_):
        if statement != "BEGIN":
            said.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    events.add(session, make(50, A))
    assert len(said) == 1
    events.add(session, [])
    assert len(said) == 1
    assert session.scalar(select(func.count()).select_from(Row)) == 50


def test_old_ones_go(session):
    events.add(session, make(3, A))
    events.add(session, make(1200, B, age=WEEK + timedelta(seconds=1)))
    assert purge(session, 5000) == 1200
    assert kept(session) == [0, 1, 2]
    assert purge(session, 5000) == 0


@pytest.mark.parametrize("owner", [A, OWN])
def test_the_newest_of_each_owner_stay(session, owner):
    events.add(session, make(12, owner))
    events.add(session, make(4, B))
    assert purge(session, 5) == 7
    assert kept(session, load_balancer_id="b") == [0, 1, 2, 3]
    assert len(kept(session)) == 9
    assert sorted(kept(session))[-1] == 4


def test_a_distributors_own_do_not_count_with_those_of_load_balancers(session):
    for owner in (A, B, OWN):
        events.add(session, make(5, owner))
    assert purge(session, 5) == 0
    assert len(kept(session, distributor_id="d")) == 15


def test_a_mark_of_a_later_release_is_read():
    assert columns.told({"gate": ["open", 5.25, 6, 2, "new"]}) == {
        "gate": Mark("open", 5.25, 6, 2)
    }
    assert columns.told({"gate": ["open"]}) == {"gate": Mark("open")}


def test_both_at_once(session):
    events.add(session, make(10, A))
    events.add(session, make(10, A, age=WEEK + timedelta(seconds=1)))
    assert purge(session, 4) == 16
    assert kept(session) == [0, 1, 2, 3]
