# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Deadlines, and how suites that share a machine stretch them."""

import itertools

import pytest
from octavia_anycast_lab.host import process


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is a second later; nobody sleeps."""
    clock = map(float, itertools.count())
    monkeypatch.setattr(process.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(process.time, "sleep", lambda _: None)


@pytest.mark.parametrize(("patience", "looks"), [("1", 5), ("3", 13)])
@pytest.mark.usefixtures("seconds")
def test_a_deadline_is_as_long_as_the_patience(
    monkeypatch: pytest.MonkeyPatch, patience: str, looks: int
) -> None:
    monkeypatch.setenv(process.PATIENCE, patience)
    asked = []
    with pytest.raises(
        TimeoutError, match=f"a thing: not within {looks - 1} s"
    ):
        process.wait_until(lambda: bool(asked.append(1)), 4.0, "a thing")
    assert len(asked) == looks


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "nan", "inf", "101"])
def test_a_patience_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(process.PATIENCE, text)
    with pytest.raises(ValueError, match=r"OA_LAB_PATIENCE: .* from 1 to 100"):
        process.wait_until(lambda: True, 4.0, "a thing")
