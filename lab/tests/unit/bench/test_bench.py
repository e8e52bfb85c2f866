# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How results of benchmarks are summed up and kept; never the timings."""

import argparse
import ipaddress
import json
import pathlib
import re

import pytest
from octavia_anycast_lab.bench import result
from octavia_anycast_lab.bench.__main__ import (
    DEMO,
    IN_LAB,
    held_number,
    run_number,
)
from octavia_anycast_lab.bench.rescue import rows
from octavia_anycast_lab.bench.scale import (
    many,
)

QUESTION = result.Question(
    name="create",
    unit="s",
    expected="faster",
    target=result.Target(quantity="ratio", limit=1.3),
)


def test_the_ratio_is_taken_within_each_run() -> None:
    runs = [
        result.Run(ours=1.0, peer=1.0),
        result.Run(ours=40.0, peer=20.0),
        result.Run(ours=6.0, peer=5.0),
    ]
    answer = QUESTION.answer(runs, 0.0)
    assert (answer.ours, answer.peer, answer.ratio) == (6.0, 5.0, 1.2)
    assert answer.met is True


@pytest.mark.parametrize(
    ("target", "ours", "ratio", "met"),
    [
        (result.Target(quantity="ours", limit=2.0), 2.0, None, True),
        (result.Target(quantity="ours", limit=2.0), 2.1, None, False),
        (
            result.Target(quantity="ratio", limit=0.9, is_upper=False),
            5.0,
            0.8,
            False,
        ),
        (result.Target(quantity="ratio", limit=0.9), 5.0, None, None),
    ],
)
def test_targets(
    target: result.Target,
    ours: float,
    ratio: float | None,
    met: bool | None,
) -> None:
    assert target.is_met(ours, ratio) is met


def test_without_a_run_there_is_no_result() -> None:
    with pytest.raises(ValueError, match="create"):
        QUESTION.answer([], 0.0)


def test_one_benchmark_leaves_the_others_in_the_file(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "results" / "latest.json"
    other = result.Question(name="other", unit="MB", expected="little")
    result.store(path, [other.answer([result.Run(ours=1.0)], 0.0)])
    result.store(path, [QUESTION.answer([result.Run(ours=1.0)], 0.0)])
    result.store(path, [QUESTION.answer([result.Run(ours=2.0)], 0.0)])
    found = {item["name"]: item for item in json.loads(path.read_text())}
    assert found["other"]["ours"] == 1.0
    assert found["other"]["target"] is None
    assert found["create"]["ours"] == 2.0
    assert set(found["create"]) == {
        *("name", "unit", "ours", "peer", "ratio", "target", "met"),
        *("expected", "runs", "load"),
    }
    assert found["create"]["runs"] == [{"ours": 2.0}]


def test_the_guide_names_every_benchmark():
    guide = pathlib.Path(__file__).parents[4] / "bench/README.rst"
    named = set(re.findall(r"^``([a-z-]+)``  ", guide.read_text(), re.M))
    assert named == {*IN_LAB, DEMO, *rows.ROWS}


def test_rows_of_many_objects_come_from_their_own_step() -> None:
    steps = ("create", "change one", "change many", "put", "delete")

    def times(factor: int) -> many.Times:
        return {
            step: many.Seconds(call=factor * n, done=factor * n * 10)
            for n, step in enumerate(steps, start=1)
        }

    found = many._answers([(times(1), times(2))], 0.0)

    by_name = {row.name: (row.ours, row.peer, row.ratio) for row in found}
    assert by_name["create_30_listeners_call"] == (1, 2, 0.5)
    assert by_name["change_with_30_listeners"] == (30, 60, 0.5)
    assert by_name["put_1000_members_call"] == (4, 8, 0.5)
    assert by_name["cascade_delete_gone"] == (50, 100, 0.5)
    assert len(by_name) == len(found) == 9


def test_a_thousand_members_have_a_thousand_addresses() -> None:
    members = many._members(many.MEMBERS)
    assert len({member["address"] for member in members}) == many.MEMBERS
    assert all(
        ipaddress.ip_address(member["address"])
        in ipaddress.ip_network("198.18.0.0/15")
        for member in members
    )


@pytest.mark.parametrize("text", ["0", "-1", "10001", "x", "1.5", ""])
def test_a_number_out_of_its_limits_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"in 1\.\.10000"):
        held_number(text)


def test_numbers_of_runs_and_of_held_connections() -> None:
    assert held_number("10000") == 10_000
    assert run_number("1") == 1
    with pytest.raises(argparse.ArgumentTypeError):
        run_number("101")
