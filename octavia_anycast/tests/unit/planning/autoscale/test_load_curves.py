# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling under load curves; each file says where it comes from."""

import json
import math
from pathlib import Path

import pytest

from octavia_anycast.model.autoscale import Autoscale, Metric
from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.tests.unit.planning.autoscale.load_simulation import (
    simulate,
)

CURVES = Path(__file__).parent / "load_curves"
SIZE = ClusterSize(desired=2, minimum=2, maximum=10)


def run_under(name, *, scale_in_delay=300, cooldown=60, size=SIZE):
    document = json.loads((CURVES / f"{name}.json").read_text())
    values, step = document["values"], document["step_seconds"]
    autoscale = Autoscale(
        metric=Metric(document["metric"]),
        target=document["target"],
        tolerance=0.1,
        scale_in_delay=scale_in_delay,
    )
    return simulate(
        autoscale,
        size,
        lambda t: values[int(t // step) % len(values)],
        seconds=len(values) * step,
        cooldown_seconds=cooldown,
    )


def overloaded_share(run):
    """The share of time in which an amphora has more than it should."""
    over = [
        load > size * run.scaling.settings.target * 1.1 and size < SIZE.maximum
        for _, size, load in run.loads
    ]
    return sum(over) / len(over)


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in CURVES.glob("*.json"))
)
def test_a_curve_is_followed_within_bounds(name):
    run = run_under(name)
    assert run.changes
    assert all(
        SIZE.minimum <= size <= SIZE.maximum for _, size, _ in run.loads
    )
    assert overloaded_share(run) < 0.05


def test_a_day_is_followed_up_and_down_with_few_changes():
    run = run_under("daily")
    peak = max(load for _, _, load in run.loads)
    assert max(size for _, size, _ in run.loads) >= math.floor(peak / 110)
    assert run.size <= 4  # it is night again
    turns = sum(
        (a.after > a.before) != (b.after > b.before)
        for a, b in zip(run.changes, run.changes[1:], strict=False)
    )
    assert turns <= 6
    assert len(run.changes) <= 30


def test_a_flash_crowd_is_met_in_one_go_and_left_one_by_one():
    run = run_under("flash_crowd")
    first = run.changes[0]
    assert first.at <= 600 + 30
    assert first.after == SIZE.maximum
    afterwards = run.changes[1:]
    assert afterwards
    assert all(c.after == c.before - 1 for c in afterwards)


def test_a_sawtooth_is_not_followed_where_the_delay_is_longer():
    patient = run_under("sawtooth")
    eager = run_under("sawtooth", scale_in_delay=30, cooldown=15)
    assert all(c.after > c.before for c in patient.changes)
    assert any(c.after < c.before for c in eager.changes)
    assert len(patient.changes) < len(eager.changes)


def test_what_the_lab_recorded_is_decided_as_the_lab_did():
    run = run_under(
        "held",
        scale_in_delay=20,
        cooldown=5,
        size=ClusterSize(desired=2, minimum=2, maximum=4),
    )
    assert [(c.before, c.after) for c in run.changes] == [
        (2, 4),
        (4, 3),
        (3, 2),
    ]
