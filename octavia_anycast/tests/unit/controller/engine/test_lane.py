# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Who looks at which key of a kind, and when; time is a number."""

from contextlib import contextmanager

import pytest
from oslo_context import context as oslo_context

from octavia_anycast import log_lines
from octavia_anycast.controller.engine.daemon import LOG, Lane
from octavia_anycast.controller.engine.work_queue import (
    STEAL_AFTER_SECONDS,
    Backlog,
    Kind,
    Result,
)
from octavia_anycast.controller.housekeeping.housekeeping import (
    RETRY_SECONDS,
    Recurring,
)
from octavia_anycast.controller.meter import Ending
from octavia_anycast.model.errors import Retryable
from octavia_anycast.testing.fakes.fake_meter import FakeMeter
from octavia_anycast.tests.log_capture import captured

BUSY_SECONDS = 0.9
RESYNC_SECONDS = 30


class Things:
    """A reconciler without a database."""

    kind = Kind(
        noun="thing",
        lock_prefix="thing-",
        busy=BUSY_SECONDS,
        busy_max=BUSY_SECONDS,
        resync=RESYNC_SECONDS,
        spread=0,
        failed=5,
    )

    def __init__(self):
        self.versions = {"d": "1"}
        self.looked = []
        self.result = Result()
        self.failure = None

    def pending(self, wake):
        wake("lb-of-d")
        return dict(self.versions)

    def reconcile(self, key):
        self.looked.append(key)
        log_lines.bear("project-of-d", "req-of-d")
        if self.failure:
            raise self.failure
        return self.result


class Coordination:
    """The other controllers: what they own and what they hold."""

    def __init__(self):
        self.foreign = set()
        self.held = set()

    def owns(self, name):
        return name not in self.foreign

    @contextmanager
    def lock(self, name):
        yield name not in self.held


class Workers:
    """Threads that are as quick as one likes."""

    def submit(self, work, *arguments):
        work(*arguments)


class Stage:
    def __init__(self, reconciler):
        self.coordination = Coordination()
        self.woken = []
        self.now = 0.0
        self.meter = FakeMeter()
        self.lane = Lane(
            reconciler,
            self.coordination,
            Workers(),
            lambda: self.now,
            self.meter,
        )

    def poll(self, *moments):
        for self.now in moments:
            self.lane.notice(self.woken.append)
            self.lane.hand_out()


@pytest.fixture
def things():
    return Things()


@pytest.fixture
def stage(things):
    return Stage(things)


def test_a_new_one_is_looked_at_at_once(stage, things):
    stage.poll(100.0)
    assert things.looked == ["d"]
    assert stage.woken == ["lb-of-d"]


def test_one_under_way_is_looked_at_often(stage, things):
    stage.poll(100.0, 100.5, 100.0 + BUSY_SECONDS)
    assert things.looked == ["d", "d"]


def test_a_settled_one_is_looked_at_after_a_change_and_at_each_resync(
    stage, things
):
    things.result = Result(is_settled=True)
    stage.poll(0, 1, RESYNC_SECONDS - 1)
    assert len(things.looked) == 1
    stage.poll(RESYNC_SECONDS + 1)
    assert len(things.looked) == 2
    things.versions = {"d": "2"}
    stage.poll(RESYNC_SECONDS + 2)
    assert len(things.looked) == 3


class PromptThings(Things):
    """One that can tell whether there is news."""

    def __init__(self):
        super().__init__()
        self.is_news = False
        self.asked = 0

    def has_news(self):
        self.asked += 1
        return self.is_news


@pytest.mark.parametrize("kind", [Things, PromptThings])
def test_a_change_is_noticed_when_the_next_look_at_the_rows_is_due(kind):
    things = kind()
    things.result = Result(is_settled=True)
    stage = Stage(things)
    stage.poll(0)
    things.versions = {"d": "2"}
    stage.poll(Things.kind.notice / 2)
    assert len(things.looked) == 1
    stage.poll(Things.kind.notice)
    assert len(things.looked) == 2


def test_a_change_is_noticed_at_the_next_poll_where_that_is_asked():
    things = PromptThings()
    things.result = Result(is_settled=True)
    stage = Stage(things)
    stage.poll(0)
    things.versions, things.is_news = {"d": "2"}, True
    stage.poll(Things.kind.notice / 2)
    assert len(things.looked) == 2
    assert things.asked == 1


def test_the_queue_waits_after_a_refusal(stage, things):
    things.result = Result(retry_after_seconds=10.0)
    stage.poll(0, BUSY_SECONDS, 9)
    assert len(things.looked) == 1
    stage.poll(10)
    assert len(things.looked) == 2


def test_one_looks_and_another_takes_over_what_it_leaves(stage, things):
    stage.coordination.foreign = {"d"}
    stage.poll(100.0, 101.0)
    assert things.looked == []
    stage.poll(101.0 + STEAL_AFTER_SECONDS)
    assert things.looked == ["d"]


def test_one_that_somebody_holds_is_left_alone(stage, things):
    stage.coordination.held = {"thing-d"}
    stage.poll(100.0)
    assert things.looked == []
    stage.coordination.held = set()
    stage.poll(101.0)
    assert things.looked == ["d"]


@pytest.mark.parametrize(
    "failure", [Retryable("out", after_seconds=7.0), RuntimeError("bug")]
)
def test_a_failure_is_waited_for(stage, things, failure):
    things.failure = failure
    stage.poll(100.0, 101.0, 104.0)
    assert things.looked == ["d"]
    stage.poll(108.0)
    assert things.looked == ["d", "d"]


def test_a_failure_is_logged_with_its_project_and_request(stage, things):
    things.failure = Retryable("out")
    with captured(LOG) as lines:
        stage.poll(100.0)
    (line,) = lines()
    assert "project-of-d" in line
    assert "req-of-d" in line
    current = oslo_context.get_current()
    assert current is None or current.project_id != "project-of-d"


class Work:
    """What a chore does."""

    def __init__(self):
        self.count = 0
        self.failure = None

    def __call__(self):
        self.count += 1
        if self.failure:
            raise self.failure


@pytest.fixture
def work():
    return Work()


def test_a_chore_is_due_at_once_and_again_after_its_interval(work):
    stage = Stage(Recurring("sweep", 300, work))
    stage.poll(1000.0, 1000.0 + 299)
    assert work.count == 1
    stage.poll(1000.0 + 300)
    assert work.count == 2


def test_the_chore_of_another_controller_is_never_ours(work):
    stage = Stage(Recurring("sweep", 300, work))
    stage.coordination.foreign = {"sweep"}
    stage.poll(0.0, 10_000.0)
    assert work.count == 0


@pytest.mark.parametrize("failure", [Retryable("not today"), RuntimeError()])
def test_a_chore_that_failed_is_done_again_when_it_is_due(work, failure):
    work.failure = failure
    stage = Stage(Recurring("sweep", 300, work))
    stage.poll(0.0, 299.0)
    assert work.count == 1
    stage.poll(300.0)
    assert work.count == 2


def test_a_chore_may_be_tried_again_sooner(work):
    work.failure = Retryable("not today")
    stage = Stage(Recurring("certificates", 3600, work, RETRY_SECONDS))
    stage.poll(0.0, RETRY_SECONDS - 1)
    assert work.count == 1
    work.failure = None
    stage.poll(RETRY_SECONDS, 2 * RETRY_SECONDS)
    assert work.count == 2


def test_a_chore_that_somebody_else_does_is_not_done(work):
    stage = Stage(Recurring("sweep", 300, work))
    stage.coordination.held = {"sweep"}
    stage.poll(0.0)
    assert work.count == 0


@pytest.mark.parametrize(
    ("result", "ending"),
    [
        (Result(is_settled=True), Ending.SETTLED),
        (Result(is_settled=True, did_something=True), Ending.SETTLED),
        (Result(did_something=True), Ending.ACTED),
        (Result(), Ending.WAITING),
        (Result(is_gone=True, is_settled=True), Ending.GONE),
        (Retryable("out"), Ending.FAILED),
        (RuntimeError("bug"), Ending.CRASHED),
    ],
)
def test_the_meter_is_told_how_each_reconcile_ended(
    stage, things, result, ending
):
    if isinstance(result, Exception):
        things.failure = result
    else:
        things.result = result
    reconcile = things.reconcile

    def take_two_seconds(key):
        stage.now += 2.0
        return reconcile(key)

    things.reconcile = take_two_seconds
    stage.poll(100.0)
    assert stage.meter.reconciles == [("thing", ending, 2.0)]


def test_the_meter_is_told_of_what_others_hold(stage):
    stage.coordination.held = {"thing-d"}
    stage.poll(100.0)
    assert stage.meter.reconciles == [("thing", Ending.BUSY, 0.0)]


def test_a_lane_says_what_is_to_be_done(stage, things):
    stage.coordination.foreign = {"d"}
    stage.poll(100.0)
    stage.now = 103.0 + STEAL_AFTER_SECONDS
    assert stage.lane.label == "thing"
    assert stage.lane.backlog() == Backlog(due=1, oldest_seconds=3.0)
