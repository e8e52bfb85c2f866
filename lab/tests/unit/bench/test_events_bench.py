# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What an event cost, out of records; how a row of the table is made."""

import dataclasses
import json

import pytest
from octavia_anycast_lab.bench.events import comparison, event_run
from octavia_anycast_lab.bench.simulated import (
    idle,
    thousand,
)
from octavia_anycast_lab.traffic import traffic_record
from octavia_anycast_lab.traffic.traffic_record import Outcome

BEGAN = 1000.0


def _record(
    start: float,
    duration_ms: float = 5.0,
    outcome: Outcome = Outcome.OK,
    flow: int | None = None,
    lost: int = 0,
) -> traffic_record.Record:
    return traffic_record.Record(
        start=start,
        duration_ms=duration_ms,
        outcome=outcome,
        flow=flow,
        lost_packets=lost,
    )


def test_what_ended_before_the_event_is_not_its_fault() -> None:
    new = [
        _record(BEGAN - 1.0, 300.0, lost=1),
        _record(BEGAN - 0.5, 900.0, lost=1),  # it was under way
        _record(BEGAN + 0.1, 0.1, Outcome.REFUSED),
        _record(BEGAN + 0.3, 250.0, lost=1),
        _record(BEGAN + 2.0),
    ]
    cost = event_run.judge(new, [], BEGAN, 0.0)
    assert cost.window_seconds == pytest.approx(0.8)
    assert (cost.total, cost.bad, cost.failed, cost.before) == (4, 3, 1, 1)
    assert cost.outcomes == {"ok": 2, "refused": 1}


def test_a_flow_breaks_once() -> None:
    held = [
        _record(BEGAN, flow=1),
        _record(BEGAN + 1, outcome=Outcome.RESET, flow=1),
        _record(BEGAN, flow=2),
    ]
    cost = event_run.judge([], held, BEGAN, 0.0)
    assert (cost.flows, cost.broken_flows) == (2, 1)


def test_nothing_bad_has_no_window() -> None:
    cost = event_run.judge([_record(BEGAN + 1)], [], BEGAN, 0.0)
    assert (cost.window_seconds, cost.bad, cost.failed) == (0.0, 0, 0)


def _cost(window: float, failed: int = 0) -> event_run.Cost:
    cost = event_run.judge([], [], BEGAN, 0.0)
    return dataclasses.replace(cost, window_seconds=window, failed=failed)


def test_a_window_is_held_against_its_limit_and_the_peer() -> None:
    pairs = [(_cost(0.3), _cost(3.0)), (_cost(0.5), _cost(3.2))]
    window, share, broken = comparison.answers("silent-loss", pairs, 0.0)
    assert (window.ours, window.peer, window.met) == (0.4, 3.1, True)
    assert share.ratio == pytest.approx((0.1 + 0.5 / 3.2) / 2)
    assert share.met is False
    assert broken.name == "silent-loss_broken_of_400_flows"


def test_failures_are_counted_where_none_may_be() -> None:
    pairs = [(_cost(1.0, failed=1), None)]
    failed, _ = comparison.answers("drain", pairs, 0.0)
    assert (failed.unit, failed.ours, failed.met) == ("requests", 1.0, False)
    assert failed.peer is None


def test_a_load_reaches_the_controller_that_measures() -> None:
    text = json.dumps(dataclasses.asdict(thousand.LOAD))
    assert idle.Load(**json.loads(text)) == thousand.LOAD
