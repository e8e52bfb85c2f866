# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which amphorae are news, and hearing of many at once."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from octavia_anycast.controller.cluster.cluster_watch import (
    SilentAmphorae,
    Wishes,
)
from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.tests.functional.db.test_records import NOW, make_amphora

LATER = NOW + timedelta(seconds=3)
PATIENCE = timedelta(seconds=7.5)  # 2.5 heartbeats of 3 s


@pytest.fixture
def two(session):
    """Two ALLOCATED amphorae of two load balancers, heard of now."""
    for name in ("one", "two"):
        record = make_amphora(
            id=name,
            load_balancer_id=f"lb-{name}",
            status=AmphoraStatus.ALLOCATED,
        )
        amphorae.create(session, record)
    heartbeat.touch_all(session, ["one", "two"], NOW)


class Telling:
    """A watch all of whose news is told each time."""

    def __init__(self, watch):
        self._watch = watch

    def news(self, session, now):
        found = self._watch.news(session, now)
        self._watch.remember()
        return found


@pytest.fixture
def silent():
    return Telling(SilentAmphorae(silent_after=7.5))


@pytest.fixture
def watch():
    return Telling(Wishes())


def test_one_that_falls_silent_is_news_once(session, two, silent):
    assert silent.news(session, NOW + PATIENCE) == set()
    heartbeat.touch(session, "two", LATER)

    past = NOW + PATIENCE + timedelta(seconds=1)

    assert silent.news(session, past) == {"lb-one"}
    assert silent.news(session, past) == set()
    assert silent.news(session, past + timedelta(minutes=1)) == {"lb-two"}


def test_one_that_falls_silent_again_is_news_again(session, two, silent):
    late = NOW + timedelta(minutes=1)
    silent.news(session, late)
    heartbeat.touch(session, "one", late)
    assert silent.news(session, late) == set()

    assert silent.news(session, late + timedelta(minutes=1)) == {"lb-one"}


def test_one_that_was_never_heard_of_is_not_silent(session):
    amphorae.create(session, make_amphora(status=AmphoraStatus.ALLOCATED))

    assert amphorae.silent(session, NOW + timedelta(days=1)) == {}


@pytest.mark.parametrize(
    "status", [s for s in AmphoraStatus if s != AmphoraStatus.ALLOCATED]
)
def test_only_one_that_serves_is_silent(session, two, status):
    amphorae.update(session, "one", now=NOW, status=status)

    found = amphorae.silent(session, NOW + timedelta(days=1))

    assert found == {"two": "lb-two"}


@pytest.mark.parametrize(
    "change",
    [
        {"failover_wanted": True},
        {"agent_update_wanted": True},
        {"drain_deadline": LATER},
        {"stand_in_wanted": True},
        {"now": NOW, "status": AmphoraStatus.PENDING_DELETE},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_asked_is_news_and_so_is_its_end(session, two, watch, change):
    assert watch.news(session, NOW) == set()
    amphorae.update(session, "one", **change)
    assert watch.news(session, NOW) == {"lb-one"}
    assert watch.news(session, NOW) == set()

    amphorae.mark_deleted(session, "one", NOW)

    assert watch.news(session, NOW) == {"lb-one"}


def test_another_deadline_is_news(session, two, watch):
    amphorae.update(session, "one", drain_deadline=LATER)
    watch.news(session, NOW)
    amphorae.update(session, "one", drain_deadline=LATER + timedelta(1))

    assert watch.news(session, NOW) == {"lb-one"}


def test_a_distributors_own_wakes_no_load_balancer(session, watch):
    amphorae.create(
        session, make_amphora(load_balancer_id=None, failover_wanted=True)
    )

    assert watch.news(session, NOW) == set()
    assert len(amphorae.wishes(session)) == 1


def test_many_are_heard_of_with_their_times(session, two):
    amphorae.create(session, make_amphora(id="new"))
    amphorae.create(session, make_amphora(id="gone"))
    amphorae.mark_deleted(session, "gone", NOW)
    asked = {"one", "new", "gone", "stranger"}

    found = heartbeat.touch_all(session, asked, LATER, is_beat=True)

    assert found == {"one", "new"}
    assert heartbeat.last_updates(session, [*asked, "two"]) == {
        "one": LATER,
        "new": LATER,
        "two": NOW,
    }


def test_those_heard_of_before_cost_no_question_each(session, database, two):
    statements = []

    def count(_connection, _cursor, statement, parameters, _context, many):
        statements.append((statement, len(parameters) if many else 1))

    event.listen(database.engine(), "before_cursor_execute", count)
    try:
        heartbeat.touch_all(session, ["one", "two"], LATER)
    finally:
        event.remove(database.engine(), "before_cursor_execute", count)

    assert [number for _, number in statements] == [1, 1]
    assert statements[1][0].startswith("UPDATE")


def test_an_answer_need_not_be_recorded_after_a_heartbeat(session, two):
    heartbeat.touch(session, "two", LATER)
    now = LATER + timedelta(seconds=1)

    found = heartbeat.touch_all(
        session, ["one", "two"], now, fresh_since=LATER
    )

    assert found == {"one", "two"}
    assert heartbeat.last_updates(session, found) == {"one": now, "two": LATER}
