# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Looks at servers of a compute service that may hang."""

import math
import threading
import time
from typing import Any

import pytest

from octavia_anycast.controller.amphora import server_looks
from octavia_anycast.controller.amphora.server_looks import ServerLooks
from octavia_anycast.model.cluster import ComputeState, Server

ACTIVE = Server(state=ComputeState.ACTIVE)
DEADLINE = 30.0


class SlowCompute:
    """Answers once ``may_answer`` is set; counts the questions."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.asked: list[str] = []
        self.error: Exception | None = None

    def look(self, server_id: str, tree: Any) -> Server:
        self.asked.append(server_id)
        assert self.may_answer.wait(DEADLINE)
        if self.error is not None:
            raise self.error
        return ACTIVE


@pytest.fixture
def compute(monkeypatch: pytest.MonkeyPatch) -> SlowCompute:
    monkeypatch.setattr(server_looks, "PATIENCE_SECONDS", 0.01)
    return SlowCompute()


@pytest.fixture
def looks(compute: SlowCompute) -> ServerLooks:
    return ServerLooks(compute)  # type: ignore[arg-type]


def wait_for_answer(looks: ServerLooks, server_id: str) -> None:
    """Until the late answer has its time: after the future has it."""
    asked = looks._asked[server_id]
    asked.future.result(DEADLINE)
    until = time.monotonic() + DEADLINE
    while math.isinf(asked.done_at) and time.monotonic() < until:
        time.sleep(0.001)


def test_who_hangs_is_unknown_and_asked_once(
    compute: SlowCompute, looks: ServerLooks
) -> None:
    for _ in range(3):
        found = looks.look("one", None)
        assert found.state is ComputeState.UNKNOWN
        assert "looking up server one: no answer for" in found.fault
    assert compute.asked == ["one"]
    compute.may_answer.set()


def test_the_next_look_gets_the_late_answer(
    compute: SlowCompute, looks: ServerLooks
) -> None:
    looks.look("one", None)
    compute.may_answer.set()
    wait_for_answer(looks, "one")
    assert looks.look("one", None) == ACTIVE
    assert compute.asked == ["one"]


def test_an_answer_is_given_once(
    compute: SlowCompute,
    looks: ServerLooks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_looks, "PATIENCE_SECONDS", DEADLINE)
    compute.may_answer.set()
    assert looks.look("one", None) == looks.look("one", None) == ACTIVE
    assert compute.asked == ["one", "one"]


def test_an_answer_that_nobody_came_for_is_asked_for_again(
    compute: SlowCompute,
    looks: ServerLooks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks.look("one", None)
    compute.may_answer.set()
    wait_for_answer(looks, "one")
    monkeypatch.setattr(server_looks, "USEFUL_SECONDS", 0.0)
    looks.look("one", None)
    assert compute.asked == ["one", "one"]


def test_the_others_are_answered(
    compute: SlowCompute, looks: ServerLooks
) -> None:
    looks.look("one", None)
    looks.look("two", None)
    compute.may_answer.set()
    wait_for_answer(looks, "two")
    assert looks.look("two", None) == ACTIVE


def test_an_error_is_the_callers(
    compute: SlowCompute,
    looks: ServerLooks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_looks, "PATIENCE_SECONDS", DEADLINE)
    compute.error = ValueError("its driver is broken")
    compute.may_answer.set()
    with pytest.raises(ValueError, match="broken"):
        looks.look("one", None)
    assert looks._asked == {}
