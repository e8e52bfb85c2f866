# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The work queue: who is looked at when."""

from dataclasses import replace

import pytest

from octavia_anycast.controller.engine.work_queue import (
    FAILED_MAX_SECONDS,
    STEAL_AFTER_SECONDS,
    Backlog,
    Kind,
    Result,
    WorkQueue,
)
from octavia_anycast.model.errors import Retryable

IDLE_MAX_SECONDS = 3.0
KIND = Kind(
    noun="load balancer",
    busy=0.5,
    busy_max=IDLE_MAX_SECONDS,
    resync=10,
    failed=2,
)


@pytest.fixture
def foreign():
    """What other controllers own."""
    return set()


@pytest.fixture
def work_queue(foreign):
    return WorkQueue(KIND, lambda key: key not in foreign)


def at_rest(*keys):
    return dict.fromkeys(keys, "")


def test_woken_is_due_at_once(work_queue):
    work_queue.wake("a", now=100)
    assert work_queue.take_due(100, limit=8) == ["a"]


def test_busy_is_not_taken_twice(work_queue):
    work_queue.wake("a", now=100)
    work_queue.take_due(100, limit=8)
    work_queue.wake("a", now=101)
    assert work_queue.take_due(101, limit=8) == []


def test_woken_while_busy_is_looked_at_once_more(work_queue):
    work_queue.wake("a", now=100)
    work_queue.take_due(100, limit=8)
    work_queue.wake("a", now=101)
    work_queue.done("a", 102, Result(is_settled=True))
    assert work_queue.take_due(102, limit=8) == ["a"]
    work_queue.done("a", 103, Result(is_settled=True))
    assert work_queue.take_due(104, limit=8) == []


def test_limit_leaves_the_latest_for_later(work_queue):
    work_queue.wake("late", now=101)
    work_queue.wake("early", now=100)
    assert work_queue.take_due(102, limit=1) == ["early"]
    assert work_queue.take_due(102, limit=1) == ["late"]


def test_where_something_happens_goes_before_a_resync(work_queue):
    for name in ("settled", "under way", "waits"):
        work_queue.wake(name, now=0)
    work_queue.take_due(0, limit=3)
    work_queue.done("settled", 0, Result(is_settled=True))
    work_queue.done(
        "under way", 20, Result(is_settled=False, did_something=True)
    )
    work_queue.done("waits", 15, Result(is_settled=False))
    work_queue.wake("asked for", now=29)
    assert [work_queue.take_due(30, limit=1) for _ in range(4)] == [
        ["under way"],
        ["asked for"],
        ["settled"],
        ["waits"],
    ]


def test_those_that_wait_do_not_keep_others_from_a_look(work_queue):
    """However many there are: a thousand amphorae may be without a leaf."""
    waiting = [f"waits-{number}" for number in range(50)]
    for name in waiting:
        work_queue.wake(name, now=0)
    work_queue.see(at_rest(*waiting, "new"), now=0)
    seen, now = set(), 0.0
    while "new" not in seen and now < 60:
        for name in work_queue.take_due(now, limit=2):
            seen.add(name)
            work_queue.done(name, now, Result(is_settled=False))
        now += 0.5
    assert "new" in seen


def test_settled_waits_for_the_resync(work_queue):
    work_queue.wake("a", now=0)
    work_queue.take_due(0, limit=1)
    work_queue.done("a", 0, Result(is_settled=True))
    assert work_queue.take_due(8.9, limit=1) == []
    assert work_queue.take_due(11.1, limit=1) == ["a"]


def test_under_way_is_polled_ever_more_slowly_to_a_bound(work_queue):
    work_queue.wake("a", now=0)
    waits = []
    now = 0.0
    for _ in range(20):
        before = now
        while not work_queue.take_due(now, limit=1):
            now += 0.01
        waits.append(now - before)
        work_queue.done("a", now, Result(is_settled=False))
    assert waits[1] < 1
    assert waits[1] < waits[5] <= waits[-1]
    assert waits[-1] == pytest.approx(IDLE_MAX_SECONDS, abs=0.1)


def test_failure_waits_at_least_as_long_as_asked(work_queue):
    work_queue.wake("a", now=0)
    work_queue.take_due(0, limit=1)
    work_queue.done("a", 0, Result(is_settled=False, retry_after_seconds=30))
    assert work_queue.take_due(29, limit=1) == []
    assert work_queue.take_due(30, limit=1) == ["a"]


def test_new_ones_are_spread_over_the_resync_interval(work_queue):
    work_queue.see(at_rest(*map(str, range(200))), now=0)
    half = len(work_queue.take_due(5, limit=1000))
    assert 60 < half < 140
    assert half + len(work_queue.take_due(10, limit=1000)) == 200


def test_gone_ones_are_dropped_but_not_under_work(work_queue):
    work_queue.wake("busy", now=0)
    work_queue.take_due(0, limit=1)
    work_queue.wake("idle", now=0)
    work_queue.see({}, now=0)
    assert work_queue.take_due(100, limit=8) == []
    work_queue.done("busy", 100, Result(is_settled=False))
    assert work_queue.take_due(200, limit=8) == ["busy"]


def test_what_has_news_is_due_at_once_and_only_once(work_queue):
    work_queue.see({"a": "1"}, now=0)
    assert work_queue.take_due(0, limit=1) == ["a"]
    work_queue.done("a", 0, Result(is_settled=True))
    work_queue.see({"a": "1"}, now=1)
    assert work_queue.take_due(1, limit=1) == []
    work_queue.see({"a": "2"}, now=2)
    assert work_queue.take_due(2, limit=1) == ["a"]


def test_what_comes_to_rest_is_no_news(work_queue):
    work_queue.see({"a": "PENDING"}, now=0)
    work_queue.take_due(0, limit=1)
    work_queue.done("a", 0, Result(is_settled=True))
    work_queue.see(at_rest("a"), now=1)
    assert work_queue.take_due(1, limit=1) == []
    work_queue.see({"a": "PENDING"}, now=2)
    assert work_queue.take_due(2, limit=1) == ["a"]


def test_another_controllers_is_taken_when_that_one_is_late(
    work_queue, foreign
):
    foreign.add("a")
    work_queue.see({"a": "PENDING"}, now=100)
    assert work_queue.take_due(100 + STEAL_AFTER_SECONDS, limit=1) == []
    late = 100.1 + STEAL_AFTER_SECONDS
    assert work_queue.take_due(late, limit=1) == ["a"]
    # Not settled: this controller goes on with it.
    work_queue.done("a", late, Result(did_something=True))
    assert work_queue.take_due(late + 0.5, limit=1) == ["a"]


def test_what_becomes_ours_is_looked_at_at_once(work_queue, foreign):
    """Its controller was killed, and has kept the lock for a while."""
    foreign.add("a")
    work_queue.see({"a": "PENDING"}, now=100)
    now = 100.0
    for _ in range(20):
        now += 2 * STEAL_AFTER_SECONDS
        assert work_queue.take_due(now, limit=1) == ["a"]
        work_queue.done("a", now, Result())  # the lock is another one's
    assert work_queue.take_due(now + 0.1, limit=1) == []
    foreign.clear()
    work_queue.see({"a": "PENDING"}, now=now + 0.1)
    assert work_queue.take_due(now + 0.1, limit=1) == ["a"]
    work_queue.done("a", now + 0.1, Result())
    # From then on it takes its turns.
    work_queue.see({"a": "PENDING"}, now=now + 0.2)
    assert work_queue.take_due(now + 0.2, limit=1) == []


def test_another_controllers_at_rest_is_left_to_it(work_queue, foreign):
    foreign.add("a")
    work_queue.see(at_rest("a"), now=0)
    assert work_queue.take_due(1000, limit=1) == []
    foreign.clear()  # its owner went away
    work_queue.see(at_rest("a"), now=1000)
    assert work_queue.take_due(1010, limit=1) == ["a"]


def test_each_failure_in_a_row_is_waited_for_longer(work_queue):
    work_queue.wake("a", now=0)
    waits = []
    for _ in range(6):
        work_queue.take_due(0, limit=1)
        waits.append(work_queue.failed("a", 0, RuntimeError("a bug")))
    assert waits[:4] == [KIND.failed, 4, 8, FAILED_MAX_SECONDS]
    work_queue.done("a", 0, Result())
    asked = work_queue.failed("a", 0, Retryable("busy", after_seconds=7))
    assert asked == 7


def test_what_is_gone_is_not_looked_at_again(work_queue):
    work_queue.wake("a", now=0)
    work_queue.take_due(0, limit=1)
    work_queue.done("a", 0, Result(is_gone=True, is_settled=True))
    assert work_queue.take_due(1000, limit=1) == []


def test_the_backlog_is_what_is_due_and_what_is_worked_on(work_queue):
    assert work_queue.backlog(0) == Backlog()
    for key, now in (("first", 100), ("second", 101), ("third", 103)):
        work_queue.wake(key, now=now)
    work_queue.wake("later", now=200)
    found = work_queue.backlog(104)
    assert found == Backlog(due=3, busy=0, oldest_seconds=4)
    assert work_queue.take_due(104, limit=1) == ["first"]
    found = work_queue.backlog(104)
    assert found == Backlog(due=2, busy=1, oldest_seconds=3)
    work_queue.done("first", 105, Result(is_settled=True))
    assert work_queue.backlog(105).busy == 0


def test_what_another_controller_has_time_for_is_no_backlog(
    work_queue, foreign
):
    foreign.add("a")
    work_queue.see({"a": "PENDING"}, now=100)
    assert work_queue.backlog(100 + STEAL_AFTER_SECONDS) == Backlog()
    found = work_queue.backlog(102 + STEAL_AFTER_SECONDS)
    assert found == Backlog(due=1, oldest_seconds=2)


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        (KIND, "load_balancer"),
        (replace(KIND, label="dedicated amphorae"), "dedicated_amphorae"),
        (replace(KIND, label="housekeeping-purge"), "housekeeping_purge"),
    ],
)
def test_a_kind_has_a_name_in_metrics(kind, label):
    assert kind.metric_label == label


REST = Result(is_settled=True, rest_seconds=120.0)


def due_after(work_queue, key, begin, limit):
    """Seconds from ``begin`` on until a key is due; to a tenth."""
    for tenth in range(10 * limit):
        if key in work_queue.take_due(begin + tenth / 10, limit=1000):
            return tenth / 10
    return None


def test_what_is_at_rest_is_looked_at_seldom(work_queue):
    work_queue.see(at_rest("a"), now=0)
    for _ in range(20):
        assert due_after(work_queue, "a", 100, 200) is not None
        work_queue.done("a", 100, REST)
        wait = due_after(work_queue, "a", 100, 200)
        assert wait is not None
        assert 8.9 <= wait <= 132
        work_queue.done("a", 100, Result(is_settled=True))
        wait = due_after(work_queue, "a", 100, 200)
        assert wait is not None
        assert wait <= 11.1
        work_queue.done("a", 0, Result())


def test_many_at_rest_are_spread_over_time(work_queue):
    """All were looked at in one moment, and never are again."""
    keys = {f"{number}" for number in range(600)}
    work_queue.see(at_rest(*keys), now=0)
    work_queue.take_due(11, limit=1000)
    for key in keys:
        work_queue.done(key, 100, REST)
    taken = [
        len(work_queue.take_due(now, limit=1000))
        for now in range(100, 250, 10)
    ]
    assert sum(taken) == 600
    assert max(taken[2:12]) < 100, "50 in 10 s are the mean"


def test_what_is_at_rest_comes_round_regularly(work_queue):
    work_queue.see(at_rest("a"), now=0)
    work_queue.take_due(11, limit=8)
    work_queue.done("a", 0, REST)
    first = due_after(work_queue, "a", 0, 200)
    work_queue.done("a", first, REST)
    second = due_after(work_queue, "a", first, 200)
    assert abs(second - 120) <= 0.2


def test_woken_at_rest_is_due_at_once(work_queue):
    work_queue.see(at_rest("a"), now=0)
    work_queue.take_due(11, limit=8)
    work_queue.done("a", 11, REST)
    work_queue.wake("a", 12)
    assert work_queue.take_due(12, limit=8) == ["a"]


def test_news_of_heartbeats_wait_for_what_users_change(work_queue):
    for key in "abc":
        work_queue.wake(key, 100, is_urgent=False)
    work_queue.see({"z": "PENDING"} | at_rest(*"abc"), now=101)
    assert work_queue.take_due(101, limit=2) == ["z", "a"]


def test_what_is_urgent_stays_urgent(work_queue):
    work_queue.wake("b", 100, is_urgent=False)
    work_queue.wake("a", 101)
    work_queue.wake("a", 102, is_urgent=False)
    assert work_queue.take_due(102, limit=2) == ["a", "b"]
