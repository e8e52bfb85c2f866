# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The middle of several clocks, and how they are asked for."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.controller import shared_clock
from octavia_anycast.controller.shared_clock import (
    ClockExchange,
    SharedClock,
    answer,
)

TRUE = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
DEADLINE = 30.0


class Machine:
    """One whose wall clock is ahead of the true time by some seconds."""

    def __init__(self, ahead: float, booted: float = 0.0) -> None:
        self.ahead = ahead
        self.seconds = booted
        self.true = TRUE
        self.clock = SharedClock(self.wall, lambda: self.seconds)

    def wall(self) -> datetime:
        return self.true + timedelta(seconds=self.ahead)

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        self.true += timedelta(seconds=seconds)

    def hear(self, other: "Machine") -> None:
        self.clock.hear(str(id(other)), other.wall(), self.seconds)


def meet(*machines: Machine) -> list[float]:
    """All hear all others: by how much each one's time is ahead then."""
    for one in machines:
        for other in machines:
            if other is not one:
                one.hear(other)
    return [(one.clock.now() - one.true).total_seconds() for one in machines]


@pytest.mark.parametrize(
    ("ahead", "then"),
    [
        ([300], [300]),
        ([300, 0, -300], [0, 0, 0]),
        ([300, 0, 0], [0, 0, 0]),
        ([300, 310, 0], [300, 300, 300]),
        ([300, 0], [150, 150]),
        ([1, 0, -1], [1, 0, -1]),  # within what time servers allow
    ],
)
def test_all_count_with_the_middle_one(
    ahead: list[float], then: list[float]
) -> None:
    machines = [Machine(a, 1000.0 * i) for i, a in enumerate(ahead)]
    assert meet(*machines) == then


def test_it_goes_on_without_the_others() -> None:
    """Who had the wrong time does not get it back when others are away."""
    wrong, other, third = Machine(300), Machine(0, 77), Machine(0, 5)
    meet(wrong, other, third)
    wrong.pass_time(3600)
    assert wrong.clock.now() == wrong.true


def test_a_clock_that_is_set_right_is_used_at_once() -> None:
    wrong, other, third = Machine(300), Machine(0, 77), Machine(0, 5)
    meet(wrong, other, third)
    wrong.ahead = 0.5
    assert wrong.clock.correction() == 0.0
    assert wrong.clock.now() == wrong.wall()


@contextmanager
def telling(key: bytes, ahead: float) -> Iterator[str]:
    """A controller that tells the time, at ADDRESS:PORT."""
    with ExitStack() as stack:
        link = stack.enter_context(
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        )
        link.bind(("127.0.0.1", 0))
        link.settimeout(0.05)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    datagram, address = link.recvfrom(1024)
                except TimeoutError:
                    continue
                now = datetime.now(UTC) + timedelta(seconds=ahead)
                told = answer(datagram, key, now)
                if told is not None:
                    link.sendto(told, address)

        thread = threading.Thread(target=serve)
        thread.start()
        stack.callback(thread.join, DEADLINE)
        stack.callback(stop.set)
        yield f"127.0.0.1:{link.getsockname()[1]}"


def test_others_are_asked_over_the_network(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = SharedClock()
    with telling(KEY, 300) as one, telling(KEY, 300) as two:
        exchange = ClockExchange(
            clock, KEY, ["192.0.2.1:1", one, two], "192.0.2.1:1"
        )
        assert exchange.ask() == 2
        assert exchange.ask() == 2
        assert clock.correction() == pytest.approx(300, abs=2)
        clock.hear("192.0.2.3:1", datetime.now(UTC), clock.seconds())
        assert exchange.ask() == 2
    assert clock.correction() == pytest.approx(150, abs=2)
    told = [r.getMessage() for r in caplog.records]
    assert ["300 s behind" in told[0], "150 s behind" in told[1]] == [True] * 2
    assert len(told) == 2, "not each second"


def test_the_thread_asks_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_clock, "INTERVAL_SECONDS", 0.01)
    clock = SharedClock()
    with telling(KEY, 300) as one, telling(KEY, 300) as two:
        exchange = ClockExchange(clock, KEY, [one, two, "own:1"], "own:1")
        exchange.start()
        assert clock.correction() == pytest.approx(300, abs=2)
        exchange.stop()
    ClockExchange(clock, KEY, ["own:1"], "own:1").start()


def test_who_has_another_key_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_clock, "PATIENCE_SECONDS", 0.1)
    clock = SharedClock()
    with telling(OTHER_KEY, 300) as one, telling(OTHER_KEY, 300) as two:
        assert ClockExchange(clock, KEY, [one, two], "").ask() == 0
    assert clock.correction() == 0.0


def test_an_answer_to_another_question_is_none() -> None:
    """What was recorded before is not believed."""
    clock = SharedClock()
    exchange = ClockExchange(clock, KEY, ["192.0.2.1:1"], "")
    number = b"n" * 16
    question = shared_clock._with_code(shared_clock._ASKS, number, KEY)
    told = answer(question, KEY, TRUE)
    assert told is not None
    assert not exchange._take(told, {b"m" * 16: ("a", 0.0)}, 0.1)
    assert exchange._take(told, {number: ("a", 0.0)}, 0.1)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x78\x9c a heartbeat",
        shared_clock._ASKS,
        shared_clock._with_code(shared_clock._ASKS, b"n" * 16, OTHER_KEY),
        shared_clock._with_code(shared_clock._ASKS, b"short", KEY),
        shared_clock._with_code(shared_clock._TELLS, b"n" * 16, KEY),
    ],
)
def test_nobody_else_is_answered(datagram: bytes) -> None:
    assert answer(datagram, KEY, TRUE) is None


def test_an_answer_of_another_release_is_none() -> None:
    clock = SharedClock()
    exchange = ClockExchange(clock, KEY, ["192.0.2.1:1"], "")
    number = b"n" * 16
    told = shared_clock._with_code(shared_clock._TELLS, number + b"noon", KEY)
    assert not exchange._take(told, {number: ("a", 0.0)}, 0.1)
