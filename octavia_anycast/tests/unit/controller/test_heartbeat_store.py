# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The latest heartbeats, and when they are news."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.controller.memory import HeartbeatStore
from octavia_anycast.model.heartbeat import Heartbeat, ListenerBeat

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def beat(status="OPEN", **counters):
    return Heartbeat(
        amphora_id="a",
        listeners=(ListenerBeat(listener_id="l", status=status, **counters),),
    )


@pytest.fixture
def store():
    made = HeartbeatStore(stale_after=30)
    made.of({"a": NOW}, "lb", NOW)
    return made


def test_first_and_changed_are_news_counters_are_not(store):
    assert store.put(beat(), NOW) == "lb"
    assert store.put(beat(bytes_in=5), NOW) is None
    assert store.put(beat("FULL"), NOW) == "lb"


def test_unknown_amphora_wakes_nobody():
    assert HeartbeatStore(stale_after=30).put(beat(), NOW) is None


def test_says_nothing_about_a_configuration_pushed_later(store):
    store.put(beat(), NOW)
    assert store.of({"a": NOW}, "lb", NOW).beats == ()
    earlier = NOW - timedelta(seconds=1)
    assert store.of({"a": earlier}, "lb", NOW).beats == (beat(),)
    assert store.of({"a": None}, "lb", NOW).beats == ()


def test_the_second_since_a_push_is_about_what_was_pushed(store):
    """The first one may have been on its way already; both wake."""
    pushed = NOW + timedelta(seconds=1)
    store.put(beat(), NOW)
    store.of({"a": pushed}, "lb", pushed)
    woken, current = [], []
    for seconds in (2, 5, 8):
        now = NOW + timedelta(seconds=seconds)
        woken.append(store.put(beat(), now))
        current.append(store.of({"a": pushed}, "lb", now).is_current)
    assert current == [False, True, True]
    assert woken == [None, "lb", None]


def test_one_that_was_just_configured_makes_all_wait(store):
    for seconds in (1, 4):
        store.put(beat(), NOW + timedelta(seconds=seconds))
    now = NOW + timedelta(seconds=4)
    applied = {"a": NOW, "b": now}
    assert store.of(applied, "lb", now).is_current
    store.put(replace(beat(), amphora_id="b"), now + timedelta(seconds=1))
    told = store.of(applied, "lb", now + timedelta(seconds=1))
    assert len(told.beats) == 2
    assert not told.is_current


def test_stale_says_nothing(store):
    store.put(beat(), NOW)
    earlier = NOW - timedelta(seconds=1)
    later = NOW + timedelta(seconds=30)
    assert store.of({"a": earlier}, "lb", later).beats == ()


def test_pruned_after_long_silence(store):
    store.put(beat(), NOW)
    store.prune(NOW + timedelta(seconds=299))
    assert store.put(beat(), NOW) is None
    store.prune(NOW + timedelta(seconds=301))
    assert store.put(beat(), NOW) is None  # not known whose it is
    store.of({"a": NOW}, "lb", NOW)
    assert store.put(beat("FULL"), NOW) == "lb"
