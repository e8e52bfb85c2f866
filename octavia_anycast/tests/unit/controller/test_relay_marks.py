# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The mark of a heartbeat that is handed on, and what is made of it."""

from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.controller import relay
from octavia_anycast.controller.memory import SOURCES_MAX, HeartbeatStore
from octavia_anycast.model.heartbeat import Heartbeat

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DATAGRAM = b"x\n\0a heartbeat"


def test_it_says_when_and_how_long_it_lay_there():
    sent = relay.wrapped(DATAGRAM, NOW - 3 * SECOND, NOW)
    assert relay.unwrapped(sent) == (DATAGRAM, (NOW, 3 * SECOND))


def test_a_clock_that_was_set_back_makes_no_negative_age():
    sent = relay.wrapped(DATAGRAM, NOW + 3 * SECOND, NOW)
    assert relay.unwrapped(sent) == (DATAGRAM, (NOW, 0 * SECOND))


@pytest.mark.parametrize(
    "mark",
    [
        "",
        "1",
        "1 2 3",
        "x 1",
        "1 nan",
        "1 -1",
        "1 1e300",
        "1 inf",
        "nan 1",
        "inf 1",
        "1e300 1",
    ],
)
def test_what_is_no_mark_is_left_as_it_is(mark):
    """The signature is looked for in all of it, and is not there."""
    datagram = relay._MARK + f"{mark}\n".encode() + DATAGRAM
    assert relay.unwrapped(datagram) == (datagram, None)


def test_what_came_before_the_latest_one_is_late():
    store = HeartbeatStore(stale_after=30)
    assert not store.is_late("a", NOW, NOW)
    store.put(Heartbeat(amphora_id="a"), NOW)
    later = NOW + SECOND
    assert store.is_late("a", NOW - SECOND, later)
    assert not store.is_late("a", NOW, later)
    assert not store.is_late("a", later, later)
    assert not store.is_late("b", NOW - SECOND, later)


def test_after_the_clock_was_set_back_nothing_is_late():
    store = HeartbeatStore(stale_after=30)
    store.put(Heartbeat(amphora_id="a"), NOW)
    now = NOW - timedelta(hours=1)
    assert not store.is_late("a", now, now)


def test_marks_of_many_sources_flood_neither_memory_nor_log(caplog):
    clocks = relay.Clocks()
    hour = timedelta(hours=1)
    for number in range(10_000):
        at = NOW + number * SECOND
        assert clocks.differs(f"fd00::{number:x}", at - hour, at)
    assert len(clocks._told) <= SOURCES_MAX
    caplog.clear()
    clocks = relay.Clocks()
    for number in range(10_000):
        assert clocks.differs(f"fd00::{number:x}", NOW - hour, NOW)
    told = [r for r in caplog.records if "clocks" in r.getMessage()]
    assert 0 < len(told) <= 10


def test_each_source_is_told_of_once_an_hour(caplog):
    clocks = relay.Clocks()
    for second in range(3600):
        at = NOW + second * SECOND
        clocks.differs("192.0.2.1", at + 5 * SECOND, at)
    assert len(caplog.records) == 1
    clocks.differs("192.0.2.1", NOW, NOW + timedelta(hours=1))
    assert len(caplog.records) == 2
