# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A cluster's load, from what was measured of its amphorae."""

from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.model.autoscale import Sample
from octavia_anycast.planning.cluster.autoscale.load import (
    Carrier,
    Timing,
    load_of,
    take_reading,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TIMING = Timing(fresh=10.0, span=6.0, warm_up=6.0, gap=30.0)
LONG_AGO = NOW - timedelta(hours=1)


def ago(seconds, count, *, is_counter=False):
    return Sample(
        at=NOW - timedelta(seconds=seconds),
        count=count,
        over=1000 - seconds if is_counter else None,
    )


def counter(*pairs):
    return [ago(seconds, count, is_counter=True) for seconds, count in pairs]


@pytest.mark.parametrize(
    ("samples", "load"),
    [
        ([], None),
        ([ago(3, 7)], 7),
        ([ago(6, 9), ago(3, 7)], 7),
        ([ago(11, 7)], None),
        (counter((0, 50)), None),
        (counter((3, 20), (0, 50)), None),
        (counter((6, 20), (3, 44), (0, 50)), 5),
        (counter((9, 0), (6, 20), (3, 44), (0, 50)), 5),
        (counter((6, 60), (0, 50)), None),
        (counter((34, 0), (3, 44), (0, 50)), None),
        (counter((18, 20), (12, 50)), None),
    ],
    ids=[
        "nothing measured",
        "a number as it is",
        "the latest one",
        "stale",
        "counted once",
        "counted too close together",
        "counted over the span",
        "the shortest span that will do",
        "it began anew",
        "heartbeats were lost in between",
        "counted long ago",
    ],
)
def test_what_one_amphora_carries(samples, load):
    assert load_of(samples, NOW, TIMING) == load


def serving(*samples, seconds=3600):
    return Carrier(
        serving_since=NOW - timedelta(seconds=seconds), samples=samples
    )


def test_a_cluster_carries_what_its_amphorae_do():
    reading = take_reading(
        [serving(ago(1, 30)), serving(ago(2, 12))], NOW, TIMING
    )
    assert (reading.load, reading.serving) == (42, 2)
    assert reading.is_complete
    assert reading.at == NOW


@pytest.mark.parametrize(
    ("other", "count"),
    [
        (serving(), 2),
        (serving(ago(20, 5)), 2),
        (serving(ago(1, 5), seconds=2), 2),
        (Carrier(serving_since=None), 1),
    ],
    ids=["missing", "stale", "just joined", "leaving without a sample"],
)
def test_what_is_not_known_is_a_lower_bound(other, count):
    reading = take_reading([serving(ago(1, 30)), other], NOW, TIMING)
    assert (reading.load, reading.serving) == (30, count)
    assert not reading.is_complete


def test_one_that_leaves_still_counts_what_it_carries():
    leaving = Carrier(serving_since=None, samples=[ago(1, 12)])
    reading = take_reading([serving(ago(1, 30)), leaving], NOW, TIMING)
    assert (reading.load, reading.serving) == (42, 1)
    assert reading.is_complete
