# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The agenda: who is looked at when."""

import pytest

from octavia_anycast.controller.agenda import IDLE_MAX_SECONDS, Agenda


@pytest.fixture
def agenda():
    return Agenda(poll_interval=0.5, resync_interval=10)


def test_woken_is_due_at_once(agenda):
    agenda.wake("a", now=100)
    assert agenda.take_due(100, limit=8) == ["a"]


def test_busy_is_not_taken_twice(agenda):
    agenda.wake("a", now=100)
    agenda.take_due(100, limit=8)
    agenda.wake("a", now=101)
    assert agenda.take_due(101, limit=8) == []


def test_woken_while_busy_is_looked_at_once_more(agenda):
    agenda.wake("a", now=100)
    agenda.take_due(100, limit=8)
    agenda.wake("a", now=101)
    agenda.done("a", 102, is_settled=True)
    assert agenda.take_due(102, limit=8) == ["a"]
    agenda.done("a", 103, is_settled=True)
    assert agenda.take_due(104, limit=8) == []


def test_limit_leaves_the_latest_for_later(agenda):
    agenda.wake("late", now=101)
    agenda.wake("early", now=100)
    assert agenda.take_due(102, limit=1) == ["early"]
    assert agenda.take_due(102, limit=1) == ["late"]


def test_where_something_happens_goes_before_a_resync(agenda):
    for name in ("settled", "under way", "waits"):
        agenda.wake(name, now=0)
    agenda.take_due(0, limit=3)
    agenda.done("settled", 0, is_settled=True)
    agenda.done("under way", 20, is_settled=False, did_something=True)
    agenda.done("waits", 15, is_settled=False)
    agenda.wake("asked for", now=29)
    assert [agenda.take_due(30, limit=1) for _ in range(4)] == [
        ["under way"],
        ["asked for"],
        ["settled"],
        ["waits"],
    ]


def test_those_that_wait_do_not_keep_others_from_a_look(agenda):
    """However many there are: a thousand amphorae may be without a leaf."""
    waiting = [f"waits-{number}" for number in range(50)]
    for name in waiting:
        agenda.wake(name, now=0)
    agenda.keep({*waiting, "new"}, now=0)
    seen, now = set(), 0.0
    while "new" not in seen and now < 60:
        for name in agenda.take_due(now, limit=2):
            seen.add(name)
            agenda.done(name, now, is_settled=False)
        now += 0.5
    assert "new" in seen


def test_settled_waits_for_the_resync(agenda):
    agenda.wake("a", now=0)
    agenda.take_due(0, limit=1)
    agenda.done("a", 0, is_settled=True)
    assert agenda.take_due(8.9, limit=1) == []
    assert agenda.take_due(11.1, limit=1) == ["a"]


def test_under_way_is_polled_ever_more_slowly_to_a_bound(agenda):
    agenda.wake("a", now=0)
    waits = []
    now = 0.0
    for _ in range(20):
        before = now
        while not agenda.take_due(now, limit=1):
            now += 0.01
        waits.append(now - before)
        agenda.done("a", now, is_settled=False)
    assert waits[1] < 1
    assert waits[1] < waits[5] <= waits[-1]
    assert waits[-1] == pytest.approx(IDLE_MAX_SECONDS, abs=0.1)


def test_failure_waits_at_least_as_long_as_asked(agenda):
    agenda.wake("a", now=0)
    agenda.take_due(0, limit=1)
    agenda.done("a", 0, is_settled=False, retry_after=30)
    assert agenda.take_due(29, limit=1) == []
    assert agenda.take_due(30, limit=1) == ["a"]


def test_new_ones_are_spread_over_the_resync_interval(agenda):
    agenda.keep({str(n) for n in range(200)}, now=0)
    half = len(agenda.take_due(5, limit=1000))
    assert 60 < half < 140
    assert half + len(agenda.take_due(10, limit=1000)) == 200


def test_gone_ones_are_dropped_but_not_under_work(agenda):
    agenda.wake("busy", now=0)
    agenda.take_due(0, limit=1)
    agenda.wake("idle", now=0)
    agenda.keep(set(), now=0)
    assert agenda.take_due(100, limit=8) == []
    agenda.done("busy", 100, is_settled=False)
    assert agenda.take_due(200, limit=8) == ["busy"]
