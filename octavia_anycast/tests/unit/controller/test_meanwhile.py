# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is done again and again while a block of work takes long."""

import threading

import pytest

from octavia_anycast.controller.engine import meanwhile as module
from octavia_anycast.controller.engine.meanwhile import meanwhile

DEADLINE = 30.0


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.001)


def test_a_quick_block_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_SECONDS", 3600.0)
    looks: list[None] = []
    with meanwhile(lambda: looks.append(None)):
        pass
    assert looks == []


@pytest.mark.usefixtures("soon")
def test_a_long_block_is_looked_at_again_and_again() -> None:
    thrice, looks = threading.Event(), []

    def look() -> None:
        looks.append(threading.current_thread())
        if len(looks) == 3:
            thrice.set()

    with meanwhile(look):
        assert thrice.wait(DEADLINE)
    assert threading.current_thread() not in looks


@pytest.mark.usefixtures("soon")
def test_a_look_that_fails_is_not_the_last() -> None:
    again, failed = threading.Event(), threading.Event()

    def look() -> None:
        if failed.is_set():
            again.set()
        failed.set()
        raise ValueError("no database")

    with meanwhile(look):
        assert again.wait(DEADLINE)


@pytest.mark.usefixtures("soon")
def test_its_end_waits_for_a_look_that_has_begun() -> None:
    began, ended = threading.Event(), threading.Event()
    finish = threading.Event()

    def look() -> None:
        began.set()
        assert finish.wait(DEADLINE)
        ended.set()

    with meanwhile(look):
        assert began.wait(DEADLINE)
        finish.set()
    assert ended.is_set()


def test_an_error_of_the_block_is_the_callers() -> None:
    with (
        pytest.raises(ZeroDivisionError),
        meanwhile(lambda: None),
    ):
        raise ZeroDivisionError
