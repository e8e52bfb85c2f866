# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling as a flavor asks for it."""

import pytest

from octavia_anycast.model.autoscale import Autoscale, Metric
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.provider.metadata import (
    FLAVOR,
    autoscale_of,
    check_schema,
)


def of(**keys):
    metadata = {f"cluster_autoscale_{key}": v for key, v in keys.items()}
    check_schema(metadata, FLAVOR)
    return autoscale_of(metadata)


def test_it_is_off():
    assert autoscale_of({"cluster_size": 4}) is None


def test_what_is_not_said_has_defaults():
    assert of(metric="cpu", target=60.0) == Autoscale(
        metric=Metric.CPU, target=60
    )


def test_all_of_it():
    assert of(
        metric="bytes", target=10**9, tolerance=0, scale_in_delay=60
    ) == Autoscale(
        metric=Metric.BYTES, target=10**9, tolerance=0, scale_in_delay=60
    )


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"target": 5}, "metric"),
        ({"metric": "cpu"}, "target"),
        ({"metric": "moods", "target": 5}, "metric"),
        ({"metric": "cpu", "target": 101}, "target"),
        ({"metric": "cpu", "target": 0}, "target"),
        ({"metric": "cpu", "target": "many"}, "target"),
        ({"metric": "cpu", "target": 5, "tolerance": 1}, "tolerance"),
        (
            {"metric": "cpu", "target": 5, "scale_in_delay": -1},
            "scale_in_delay",
        ),
    ],
)
def test_what_is_wrong_is_named(keys, named):
    with pytest.raises(InvalidRequest) as refused:
        of(**keys)
    assert refused.value.field == f"cluster_autoscale_{named}"
