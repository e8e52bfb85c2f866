# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How often something is made, and how long somebody waits for it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from octavia_anycast.controller.metrics.kept import Bounded, Kept

DEADLINE_SECONDS = 30


def test_it_is_made_once_in_a_while():
    made = []
    now = 100.0
    kept = Kept(lambda: made.append(1) or len(made), 5.0, lambda: now)
    assert [kept.get() for _ in range(3)] == [1, 1, 1]
    now = 104.9
    assert kept.get() == 1
    now = 105.0
    assert kept.get() == 2


def test_a_thousand_who_ask_at_once_have_it_made_once():
    made = []
    kept = Kept(lambda: made.append(1) or len(made), 5.0, lambda: 0.0)
    with ThreadPoolExecutor(32) as pool:
        found = set(pool.map(lambda _: kept.get(), range(1000)))
    assert found == {1}
    assert len(made) == 1


def test_what_cannot_be_made_is_tried_again():
    faults = [ValueError("once")]

    def make():
        if faults:
            raise faults.pop()
        return "made"

    kept = Kept(make, 5.0, lambda: 0.0)
    with pytest.raises(ValueError):
        kept.get()
    assert kept.get() == "made"


def test_what_is_read_is_returned():
    numbers = iter(range(5))
    bounded = Bounded("Counting", lambda: next(numbers), DEADLINE_SECONDS)
    assert [bounded.get(), bounded.get()] == [0, 1]


def test_what_fails_is_none(caplog):
    def read():
        raise ValueError("broken")

    bounded = Bounded("Reading what is broken", read, DEADLINE_SECONDS)
    assert bounded.get() is None
    assert "Reading what is broken" in caplog.text


def test_who_hangs_is_not_waited_for_and_not_joined_by_others():
    may_end, has_ended = threading.Event(), threading.Event()
    calls = []

    def read():
        calls.append(1)
        if len(calls) > 1:
            return "well"
        assert may_end.wait(DEADLINE_SECONDS)
        has_ended.set()
        return "late"

    bounded = Bounded("Hanging", read, 0.0)
    assert bounded.get() is None
    # A patience that nobody has: only who does not wait gets through these.
    bounded._patience = 24 * 3600.0
    assert [bounded.get() for _ in range(100)] == [None] * 100
    assert len(calls) == 1
    reading = bounded._reading
    may_end.set()
    assert has_ended.wait(DEADLINE_SECONDS)
    reading.wait(DEADLINE_SECONDS)
    # What came late says nothing of now: it is read anew.
    assert bounded.get() == "well"
