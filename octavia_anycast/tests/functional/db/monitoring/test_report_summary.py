# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A summary says what the report says."""

import json
from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

import pytest

from octavia_anycast.db.amphora.report_summary import (
    SummaryDocument,
    summary_of,
)
from octavia_anycast.model.codec import to_document
from octavia_anycast.model.wire import (
    FlowRescueReport,
    MemberCounts,
    PathCounts,
    PathState,
    RescueState,
)
from octavia_anycast.tests.functional import deployment_rows as rows

OTHER = ip_address("2001:db8:100::10")
WHOLE = rows.report(
    "a1",
    (rows.UP, rows.DOWN),
    (PathState.ADVERTISED, PathState.PENDING),
    gate=rows.CLOSED,
    connections={str(rows.VIP): 3, str(OTHER): 4},
    path_counts=(PathCounts(peer_id="p1", wanted=5, advertised=4),),
    flow_rescue=FlowRescueReport(
        state=RescueState.ON,
        own=MemberCounts(floods=2),
        members={"b": MemberCounts(carried=7)},
    ),
)


def summed(report):
    return summary_of(json.loads(json.dumps(to_document(report))))


def test_it_says_what_the_report_says():
    found = summed(WHOLE)
    assert found.gate is WHOLE.gate.state
    assert found.gate_since == WHOLE.gate.since
    assert found.probes == (("process", "good"), ("listeners", "bad"))
    assert found.sessions == (("p1", "Established"), ("p2", "Active"))
    assert found.paths == {"advertised": 5, "pending": 2}
    assert found.connections == 7
    assert found.rescue_state == "on"
    total = Counter()
    for counts in found.rescue.values():
        total.update(counts)
    assert total == Counter(to_document(WHOLE.flow_rescue.total))


@pytest.mark.parametrize(
    ("paths", "is_announcing"),
    [
        ((), False),
        ((PathState.ADVERTISED, PathState.PENDING), True),
        ((PathState.DRAINING,), True),
        ((PathState.PENDING, PathState.WITHDRAWN), False),
    ],
)
def test_one_peer_is_enough(paths, is_announcing):
    assert summed(rows.report("a1", (), paths)).is_announcing is is_announcing


def test_each_vip_counts():
    said = rows.report("a1", (), (PathState.ADVERTISED,))
    (path,) = said.paths
    more = replace(path, vip_ip=OTHER, nexthop_ip=ip_address("fd00::5"))
    both = replace(said, paths=(path, more))
    one = replace(said, paths=(path, replace(more, state=PathState.WITHDRAWN)))
    assert summed(both).is_announcing
    assert not summed(one).is_announcing


def test_an_agent_that_does_not_know_flow_rescue():
    found = summed(rows.report("a1"))
    assert (found.rescue_state, found.rescue) == ("", {})


@pytest.mark.parametrize(
    "document",
    [
        None,
        5,
        [],
        {},
        {"version": "0.1"},
        to_document(WHOLE) | {"version": "9.9"},
        to_document(WHOLE) | {"gate": None},
        to_document(WHOLE) | {"gate": {"state": "OPEN"}},
        to_document(WHOLE) | {"sessions": [5]},
        to_document(WHOLE) | {"connections": {"a": "b"}},
    ],
)
def test_what_is_not_understood_is_none(document):
    assert summary_of(document) is None


@pytest.mark.parametrize("text", [None, "", "{", "null", "[]"])
def test_a_damaged_row_is_none(text):
    assert SummaryDocument().process_result_value(text, None) is None
