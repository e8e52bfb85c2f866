# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling as it is asked for: what is read, what is refused."""

import json

import pytest

from octavia_anycast.model.autoscale import (
    CPU_TARGET_MAX,
    TARGET_MAX,
    Autoscale,
    Metric,
)
from octavia_anycast.model.codec import read, to_document
from octavia_anycast.model.errors import InvalidRequest


def test_what_is_not_said_has_defaults():
    assert read(Autoscale, {"metric": "cpu", "target": 60}) == Autoscale(
        metric=Metric.CPU, target=60, tolerance=0.1, scale_in_delay=300
    )


@pytest.mark.parametrize("tolerance", [0, 0.25, 0.9])
def test_it_survives_json(tolerance):
    wanted = Autoscale(
        metric=Metric.BYTES,
        target=TARGET_MAX,
        tolerance=tolerance,
        scale_in_delay=0,
    )
    assert read(Autoscale, json.loads(json.dumps(to_document(wanted)))) == (
        wanted
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"metric": "weather"}, "metric"),
        ({"metric": None}, "metric"),
        ({"target": 0}, "target"),
        ({"target": TARGET_MAX + 1}, "target"),
        ({"target": 1.5}, "target"),
        ({"target": True}, "target"),
        ({"target": "9"}, "target"),
        ({"metric": "cpu", "target": CPU_TARGET_MAX + 1}, "target"),
        ({"tolerance": -0.1}, "tolerance"),
        ({"tolerance": 1}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"tolerance": False}, "tolerance"),
        ({"tolerance": "0.1"}, "tolerance"),
        ({"scale_in_delay": -1}, "scale_in_delay"),
        ({"scale_in_delay": 86_401}, "scale_in_delay"),
        ({"scale_in_delay": 1.0}, "scale_in_delay"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_value_is_named(changes, field):
    document = {"metric": "connections", "target": 100} | changes
    with pytest.raises(InvalidRequest) as refusal:
        read(Autoscale, document)
    assert refusal.value.field == field


@pytest.mark.parametrize("missing", ["metric", "target"])
def test_what_is_missing_is_named(missing):
    document = {"metric": "connections", "target": 100}
    del document[missing]
    with pytest.raises(InvalidRequest) as refusal:
        read(Autoscale, document)
    assert refusal.value.field == f"{missing}"


@pytest.mark.parametrize("document", [[], "cpu", 7, True])
def test_what_is_no_object_is_refused(document):
    with pytest.raises(InvalidRequest) as refusal:
        read(Autoscale, document)
    assert refusal.value.field == "document"
