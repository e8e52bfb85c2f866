# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What follows from records of load generators."""

import pytest
from octavia_anycast_lab.traffic.traffic_record import (
    Outcome,
    Record,
    parse,
    summarize,
    summarize_flows,
    window,
)


def record(start, outcome=Outcome.OK, duration_ms=5.0, **fields):
    return Record(
        start=start, duration_ms=duration_ms, outcome=outcome, **fields
    )


def test_a_record_survives_its_line():
    one = record(1.5, Outcome.BAD_STATUS, status=503, member="m", flow=3)
    assert Record.from_json(one.to_json()) == one


def test_parse_sorts_and_leaves_a_torn_end_out():
    lines = [record(2.0).to_json(), record(1.0).to_json()]
    text = "\n".join(lines) + "\n" + record(3.0).to_json()[:20]
    assert [r.start for r in parse(text)] == [1.0, 2.0]


def test_parse_of_nothing():
    assert parse("") == ()


def test_window_of_good_requests_is_empty():
    found = window([record(1.0), record(2.0, duration_ms=900.0)])
    assert (found.total, found.bad, found.seconds) == (2, 0, 0.0)
    assert found.first_start is None


def test_window_spans_failed_requests_and_lost_packets():
    found = window(
        [
            record(0.0),
            record(1.0, Outcome.TIMEOUT),
            record(1.5),
            record(3.25, lost_packets=1),
            record(4.0),
        ]
    )
    assert (found.total, found.bad, found.seconds) == (5, 2, 2.25)


def test_one_bad_request_has_no_length_but_counts():
    found = window([record(1.0, Outcome.RESET)])
    assert (found.bad, found.seconds) == (1, 0.0)


def test_summary_counts_by_member_and_outcome():
    found = summarize(
        [
            record(1, member="a"),
            record(2, member="a"),
            record(3, member="b"),
            record(4, Outcome.REFUSED),
        ]
    )
    assert found.members == {"a": 2, "b": 1}
    assert found.outcomes == {"ok": 3, "refused": 1}
    assert (found.total, found.ok) == (4, 3)


@pytest.mark.parametrize(
    ("outcome", "broken"), [(Outcome.OK, set()), (Outcome.RESET, {2})]
)
def test_a_flow_breaks_with_one_failure(outcome, broken):
    found = summarize_flows(
        [record(1, flow=1), record(1, flow=2), record(2, outcome, flow=2)]
    )
    assert (found.flows, found.broken, found.requests) == (2, broken, 3)
