# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The health gate's table, and what holds for every history of samples."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavia_anycast.agent.gate.gate import (
    Sample,
    Verdict,
    initial,
    step,
    unknown,
)
from octavia_anycast.model.wire import GateSettings, GateState

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = GateSettings(rise_count=3, fall_count=2, unknown_hold_ms=1000)
SAMPLES = {
    "g": Sample(verdict=Verdict.GOOD),
    "b": Sample(verdict=Verdict.BAD, reason="bad"),
    "f": Sample(verdict=Verdict.BAD, reason="fatal", is_fatal=True),
    "u": Sample(verdict=Verdict.UNKNOWN, reason="unknown"),
    "v": unknown("v is restarted", subject="v"),
    "w": unknown("w is restarted", subject="w"),
    "x": unknown("x is restarted", subject="x"),
    "p": Sample(verdict=Verdict.PARTIAL, reason="partial"),
    "n": Sample(verdict=Verdict.NOTHING_TO_SERVE, reason="nothing"),
}


def feed(history, interval_ms=100, settings=SETTINGS):
    gate, now = initial(START), START
    for letter in history:
        now += timedelta(milliseconds=interval_ms)
        gate = step(gate, settings, SAMPLES[letter], now)
    return gate


@pytest.mark.parametrize(
    ("history", "state"),
    [
        ("", GateState.INIT),
        ("u", GateState.INIT),
        ("g", GateState.RISING),
        ("gg", GateState.RISING),
        ("ggg", GateState.UP),
        ("ggbggg", GateState.UP),
        ("ggb", GateState.DOWN),
        ("gguug", GateState.UP),  # an unknown sample takes nothing back
        ("b", GateState.DOWN),
        ("gggb", GateState.FALLING),
        ("gggbg", GateState.UP),
        ("gggbgb", GateState.FALLING),
        ("gggbb", GateState.DOWN),
        ("gggf", GateState.DOWN),
        ("gggbf", GateState.DOWN),
        ("gggu", GateState.UP),
        ("gggbub", GateState.DOWN),
        ("gggbbg", GateState.RISING),
        ("gggn", GateState.DISABLED),
        ("gggng", GateState.RISING),
        ("n", GateState.DISABLED),
        ("bu", GateState.DOWN),
        ("p", GateState.INIT),
        ("ggp", GateState.DOWN),
        ("gggp", GateState.UP),
        ("gggpppp", GateState.UP),
        ("gggbp", GateState.UP),
        ("gggbbp", GateState.RISING),
        ("np", GateState.DOWN),
    ],
)
def test_table(history, state):
    assert feed(history).state is state


def test_unknown_holds_the_verdict_for_a_bounded_time():
    assert feed("ggg" + "u" * 10).state is GateState.UP
    gate = feed("ggg" + "u" * 11)
    assert gate.state is GateState.DOWN
    assert gate.reason == "unknown for too long: unknown"


def test_a_good_sample_ends_the_unknown_time():
    assert feed("ggg" + "u" * 9 + "g" + "u" * 9).state is GateState.UP


def test_each_subject_has_an_unknown_time_of_its_own():
    """Octavia's agent restarts one listener after the other."""
    assert feed("ggg" + "v" * 9 + "w" * 9 + "x" * 9).state is GateState.UP
    assert feed("ggg" + "v" * 9 + "w" * 11).state is GateState.DOWN


def test_subjects_in_turn_do_not_hold_for_ever():
    """Two listeners that never start again; neither was seen well between."""
    assert feed("ggg" + "vw" * 5).state is GateState.UP
    assert feed("ggg" + "vw" * 6).state is GateState.DOWN
    assert feed("ggg" + "vw" * 5 + "g" + "vw" * 5).state is GateState.UP


def test_one_is_enough_where_one_is_asked_for():
    settings = GateSettings(rise_count=1, fall_count=1)
    assert feed("g", settings=settings).state is GateState.UP
    assert feed("gb", settings=settings).state is GateState.DOWN


def test_the_first_verdict_is_a_decision():
    assert not feed("gg").has_decided
    assert not feed("uu").has_decided
    assert all(feed(history).has_decided for history in ("ggg", "b", "n"))


def test_since_is_the_change_of_state():
    gate = feed("gggggg")
    assert gate.since == START + timedelta(milliseconds=300)


histories = st.text(alphabet="gbfunp", max_size=60)


@given(histories)
def test_two_bad_samples_never_pass(history):
    assert not feed(history + "bb").is_passing


@given(histories)
def test_a_fatal_sample_never_passes(history):
    assert not feed(history + "f").is_passing


@given(histories)
def test_good_samples_always_lead_up(history):
    assert feed(history + "ggg").state is GateState.UP


def test_partial_brings_back_what_a_paused_haproxy_took():
    assert feed("gggbb").state is GateState.DOWN
    assert feed("gggbbppp").state is GateState.UP
    assert feed("gggbbppp").reason == "partial"


def test_partial_lets_nothing_new_out():
    assert feed("ppp").state is GateState.INIT
    assert feed("bppp").state is GateState.DOWN
    assert feed("gggfppp").state is GateState.DOWN
    assert feed("gggnppp").state is GateState.DOWN


@given(histories)
def test_a_passing_gate_saw_enough_good_samples(history):
    # UNKNOWN does not count; anything else in between starts over. A PARTIAL
    # neither raises nor lowers a gate that passes.
    if feed(history).is_passing:
        told = history.replace("u", "")
        assert "ggg" in told
        assert "f" not in told[told.rindex("ggg") :]


@given(histories, st.integers(min_value=100, max_value=2000))
def test_a_blind_gate_fails_in_the_end(history, interval_ms):
    gate = feed(history + "u" * 40, interval_ms)
    assert gate.state is GateState.DOWN


@given(histories)
def test_time_does_not_run_backwards(history):
    gates = [feed(history[:n]) for n in range(len(history) + 1)]
    moments = [gate.since for gate in gates]
    assert moments == sorted(moments)
