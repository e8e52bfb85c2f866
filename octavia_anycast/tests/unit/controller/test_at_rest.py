# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Who is at rest, by what heartbeats say."""

from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.controller.at_rest import (
    LATE_FACTOR,
    LATE_SECONDS,
    AtRest,
)
from octavia_anycast.model.heartbeat import Heartbeat

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INTERVAL, CONFIRM, REST = 10.0, 9.0, 120.0
LATE = LATE_FACTOR * INTERVAL + LATE_SECONDS
SEEN = {"a": "one", "b": "two"}


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def beat(amphora_id, digest):
    return Heartbeat(amphora_id=amphora_id, report_digest=digest)


def hear(rests, seconds, **digests):
    return rests.hear(
        (beat(amphora_id, digest), at(seconds))
        for amphora_id, digest in digests.items()
    )


def begin(rests, seconds=0.0, seen=SEEN):
    return rests.begin("lb", seen, at(seconds), REST)


@pytest.fixture
def rests():
    """Two amphorae have been heard of; nobody rests."""
    made = AtRest(interval=INTERVAL, confirm=CONFIRM)
    assert hear(made, 0, **SEEN).ended == set()
    return made


def test_it_rests_if_all_say_what_was_seen(rests):
    assert begin(rests)
    assert rests.amphorae() == {"lb": ("a", "b")}


@pytest.mark.parametrize(
    "seen",
    [
        {"a": "one", "b": "another"},
        {"a": "one", "b": "two", "c": "never heard of"},
    ],
)
def test_it_does_not_rest_on_what_nobody_says(rests, seen):
    assert not begin(rests, seen=seen)
    assert rests.amphorae() == {}


def test_it_does_not_rest_on_what_was_said_long_ago(rests):
    assert not begin(rests, LATE + 0.1)
    assert begin(rests, LATE)


@pytest.mark.parametrize("digest", ["another", ""])
def test_who_says_another_thing_ends_the_rest_once(rests, digest):
    begin(rests)
    assert hear(rests, 5, a="one").ended == set()
    assert hear(rests, 5, b=digest).ended == {"lb"}
    assert hear(rests, 6, a="x", b="y").ended == set()
    assert rests.amphorae() == {}


def test_a_rest_that_begins_again_takes_what_is_said_then(rests):
    begin(rests)
    hear(rests, 5, b="three")
    assert not begin(rests, 6)
    assert begin(rests, 6, SEEN | {"b": "three"})
    assert hear(rests, 7, b="two").ended == {"lb"}


def test_a_missing_heartbeat_ends_the_rest(rests):
    begin(rests)
    hear(rests, 5, a="one")
    assert rests.overdue(at(LATE)) == set()
    assert rests.overdue(at(LATE + 0.1)) == {"lb"}, "b is late"
    assert rests.overdue(at(LATE + 0.1)) == set()


def test_a_rest_that_nobody_renews_ends(rests):
    """Another controller looks after it."""
    begin(rests)
    for seconds in range(0, int(REST) + 10, 5):
        hear(rests, seconds, **SEEN)
        ended = rests.overdue(at(seconds))
    assert ended == {"lb"}


def test_a_report_is_confirmed_at_once_and_then_at_intervals(rests):
    begin(rests)
    confirmed = [
        seconds
        for seconds in range(1, 31)
        if hear(rests, seconds, a="one").confirmed
    ]
    assert confirmed == [1, 10, 19, 28]


def test_nothing_is_confirmed_without_rest(rests):
    assert hear(rests, 60, **SEEN).confirmed == set()
    begin(rests, 60)
    assert hear(rests, 120, a="other").confirmed == set()


def test_who_is_looked_at_does_not_rest(rests):
    begin(rests)
    rests.end("lb")
    assert hear(rests, 5, a="other").ended == set()
    assert rests.among(["lb"]) == set()


def test_those_of_some_that_rest(rests):
    begin(rests)
    assert rests.among(["other", "lb"]) == {"lb"}


def test_who_is_forgotten_is_waited_for_no_more(rests):
    begin(rests)
    rests.forget(["a", "nobody"])
    assert rests.amphorae() == {}
    assert rests.overdue(at(1000)) == set()
    assert not begin(rests, 1), "a is to be heard of again"


CONTROLLERS = 3
RACK = {"a": "one"}


def after(*gaps):
    """One of three controllers; heartbeats came with these gaps."""
    made = AtRest(interval=INTERVAL, confirm=CONFIRM, controllers=CONTROLLERS)
    seconds = 0.0
    hear(made, seconds, **RACK)
    for gap in gaps:
        seconds += gap
        hear(made, seconds, **RACK)
    assert begin(made, seconds, RACK)
    return made, seconds


@pytest.mark.parametrize(
    ("gaps", "longest"),
    [
        pytest.param((10, 10, 10), 10, id="all hand on"),
        pytest.param((10, 10, 10, 20, 10, 20), 20, id="one is down"),
        pytest.param((30, 30, 30), 30, id="nobody hands on"),
        pytest.param((30, 30, 10, 10, 10), 10, id="they hand on again"),
        pytest.param((10, 10, 10, 0.4, 0.2, 1), 10, id="it had news"),
        pytest.param((10, 10, 900), 30, id="all were down"),
        pytest.param((), 30, id="nothing is known yet"),
    ],
)
def test_what_is_late_is_what_came_before_and_some(gaps, longest):
    """No later than with one controller, as long as all hand on."""
    rests, last = after(*gaps)
    limit = last + LATE_FACTOR * longest + LATE_SECONDS
    assert rests.overdue(at(limit)) == set()
    assert rests.overdue(at(limit + 0.1)) == {"lb"}


def test_a_controller_that_goes_down_ends_each_rest_once():
    rests, last = after(10, 10, 10)
    ended = 0
    for gap in (20, 10) * 6:
        ended += bool(rests.overdue(at(last + gap - 0.1)))
        last += gap
        hear(rests, last, **RACK)
        begin(rests, last, RACK)
    assert ended == 1
