# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whose connections may break, and how the rows of flow rescue are made."""

import dataclasses
import pathlib
import types
import typing

import pytest
from octavia_anycast_lab.amphora import sockets
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.events import event_run
from octavia_anycast_lab.bench.rescue import (
    elsewhere,
    events,
    garbage,
    held_run,
    rows,
)
from octavia_anycast_lab.traffic import held, traffic_record
from octavia_anycast_lab.traffic.traffic_record import Outcome

BEGAN = 1000.0
PLACES = (held.Place(address="198.51.100.10", port=80, is_tcp=False),)
OWNERS = {
    sockets.Connection("198.51.100.10", 80, 4000): frozenset({"lost"}),
    sockets.Connection("198.51.100.10", 80, 4001): frozenset({"kept"}),
}


def _new() -> event_run.Cost:
    return event_run.judge((), (), BEGAN, 0.0)


def _record(
    flow: int,
    start: float,
    outcome: Outcome = Outcome.OK,
    port: int | None = None,
    duration_ms: float = 1.0,
) -> traffic_record.Record:
    return traffic_record.Record(
        start=start,
        duration_ms=duration_ms,
        outcome=outcome,
        flow=flow,
        port=port,
    )


def _cost(**ends: float) -> held_run.Cost:
    reset = Outcome.RESET
    records = [
        *(_record(flow, BEGAN - 9) for flow in range(5)),
        _record(0, BEGAN - 5, reset, 4005),
        _record(1, BEGAN + 2, reset, 4000),
        _record(2, BEGAN + 2, reset, 4001),
        _record(3, BEGAN + 2, reset),
    ]
    return held_run.judge(_new(), records, PLACES, OWNERS, ends, BEGAN)


def test_a_planned_change_may_break_nobody() -> None:
    cost = _cost()
    assert (cost.held, cost.broken, cost.excused, cost.before) == (4, 3, 0, 1)
    assert cost.broken_outcomes == {"reset": 3}
    assert cost.owned == {"lost": 1, "kept": 1}


def test_a_loss_may_break_those_of_the_lost_one() -> None:
    cost = _cost(lost=BEGAN)
    assert (cost.broken, cost.excused) == (2, 1)


def test_a_connection_of_two_may_break_with_either() -> None:
    connection = sockets.Connection("198.51.100.10", 80, 4000)
    owners = {connection: frozenset({"kept", "lost"})}
    broken = [_record(1, BEGAN + 2, Outcome.TIMEOUT, 4000)]
    for ends, excused in (({"lost": BEGAN}, 1), ({"other": BEGAN}, 0)):
        cost = held_run.judge(_new(), broken, PLACES, owners, ends, BEGAN)
        assert (cost.broken, cost.excused) == (1 - excused, excused)
        assert (cost.shared, cost.owned) == (1, {"kept": 1, "lost": 1})


def test_a_drain_may_break_none_before_its_end() -> None:
    cost = _cost(lost=BEGAN + 3, kept=BEGAN + 1)
    assert (cost.broken, cost.excused) == (2, 1)


def test_a_row_has_its_control_and_its_limit() -> None:
    pair = (_cost(lost=BEGAN), _cost())
    broken, failed = events.answers("silent-loss", [pair], 400, 0.0)
    assert broken.name == "rescue_silent-loss_broken_of_400"
    assert (broken.ours, broken.peer, broken.met) == (2.0, 3.0, True)
    assert failed.target is None
    broken, failed = events.answers("drain", [pair], 400, 0.0)
    assert (broken.met, failed.met) == (False, True)


def test_garbage_is_judged_by_the_worst_member() -> None:
    cost = garbage.Cost(
        seconds=50.0,
        machine=(0.5, 1.0),
        cpu={"one": (0.1, 0.15), "two": (0.1, 0.25)},
        sessions_lost=0,
        answered_share=0.99,
    )
    cpu, lost, answered = garbage.answers([(cost, cost)], 0.0)
    assert (cpu.ours, cpu.met) == (2.5, False)
    assert (lost.met, answered.met) == (True, True)


def test_latency_is_that_beyond_the_direct_way() -> None:
    records = [
        *(_record(flow, BEGAN - 5) for flow in range(3)),  # its opening
        *(_record(flow, BEGAN + 1, duration_ms=2.0) for flow in range(3)),
        *(_record(flow, BEGAN + 5, duration_ms=9.0) for flow in range(3)),
        *(_record(flow, BEGAN + 6, duration_ms=2.5) for flow in range(3)),
    ]
    moved = elsewhere.Moved(records=records, began=BEGAN, moved=BEGAN + 4)
    first, learned = moved.added()
    assert (first.ours, learned.ours, moved.broken) == (7.0, 0.5, 0)
    reset = _record(1, BEGAN + 7, Outcome.RESET)
    moved = dataclasses.replace(moved, records=[*records, reset])
    assert moved.broken == 1


def test_quantiles_are_values() -> None:
    values = [float(number) for number in range(1, 101)]
    assert result.quantile(values, 0.99) == 99.0
    assert result.quantile([3.0], 0.95) == 3.0


def test_a_row_that_fails_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    def fail(_: object) -> tuple[result.Result, ...]:
        raise TimeoutError("not whole")

    question = result.Question(name="good", unit="s", expected="1 s")
    good = question.answer([result.Run(ours=1.0)], 0.0)
    alone = {"bad": fail, "good": lambda _: (good,)}
    monkeypatch.setattr(rows, "ALONE", alone)
    monkeypatch.setattr(result, "RESULTS", tmp_path / "latest.json")
    said: list[str] = []
    lab = types.SimpleNamespace(rows=("bad", "good"), say=said.append)
    with pytest.raises(RuntimeError, match="rows failed: bad"):
        rows.measure(typing.cast(world.World, lab))
    assert said == ["bad failed: not whole"]
    assert '"good"' in result.RESULTS.read_text("utf-8")


def test_a_row_has_one_name() -> None:
    assert len(set(rows.ROWS)) == len(rows.ROWS)
    assert set(events.EVENTS) < set(rows.ROWS)
