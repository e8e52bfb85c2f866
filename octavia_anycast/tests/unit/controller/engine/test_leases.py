# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Until when a lock is surely held."""

import pytest

from octavia_anycast.controller.engine.heart import Leases

SECONDS = 30.0


class Clock:
    """Time that a test lets pass."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def leases(clock):
    made = Leases(SECONDS, clock)
    made.begin("lb", clock())
    return made


def test_it_is_held_until_its_time_is_over(leases, clock):
    clock.now += SECONDS - 1
    assert leases.is_running("lb")
    clock.now += 1
    assert not leases.is_running("lb")


def test_each_beat_gives_it_as_much_time_again(leases, clock):
    for _ in range(10):
        clock.now += SECONDS / 3
        leases.extend(clock())
    clock.now += SECONDS - 1
    assert leases.is_running("lb")


def test_the_time_is_counted_from_when_the_beat_began(leases, clock):
    clock.now += 10
    began = clock()
    clock.now += 5
    leases.extend(began)
    clock.now = began + SECONDS
    assert not leases.is_running("lb")


def test_who_was_paused_does_not_get_it_back(leases, clock):
    """The heart may be the first thread that runs after the pause."""
    clock.now += 60
    leases.extend(clock())
    assert not leases.is_running("lb")


def test_a_pause_in_the_middle_of_a_beat_counts(leases, clock):
    clock.now += 10
    began = clock()
    clock.now += 60
    leases.extend(began)
    assert not leases.is_running("lb")


def test_a_beat_is_not_for_a_lock_that_came_after_it_began(leases, clock):
    """It was asked for before, so it may have missed the beat."""
    asked = clock()
    clock.now += 1
    began = clock()
    clock.now += 1
    leases.begin("second", asked)
    leases.extend(began)
    clock.now = asked + SECONDS
    assert leases.is_running("lb")
    assert not leases.is_running("second")


def test_what_is_released_or_was_never_taken_is_not_held(leases):
    leases.end("lb")
    assert not leases.is_running("lb")
    assert not leases.is_running("other")


def test_a_lock_without_a_time_is_held_until_it_is_released(clock):
    leases = Leases(None, clock)
    leases.begin("lb", clock())
    clock.now += 1e6
    leases.extend(clock())
    assert leases.is_running("lb")
    leases.end("lb")
    assert not leases.is_running("lb")
