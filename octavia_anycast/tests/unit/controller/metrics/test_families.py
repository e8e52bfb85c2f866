# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declarations keep the conventions of Prometheus."""

import re
from datetime import UTC, datetime

import pytest

from octavia_anycast.controller.meter import Boot, Ending
from octavia_anycast.controller.metrics import families
from octavia_anycast.controller.metrics.families import (
    FAMILIES,
    PREFIX,
    Family,
    Type,
)
from octavia_anycast.controller.metrics.process import ProcessMetrics
from octavia_anycast.controller.metrics.tallies import _TALLIES
from octavia_anycast.model.heartbeat import Refusal
from octavia_anycast.model.monitoring.event import Event, EventKind, Owner

EVENTS = "events_total"
NOT_BASE = r"_(ms|milliseconds|minutes|hours|days|kb|mb|percent)(_|$)"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda x: x.name)
def test_names(family):
    assert re.fullmatch(rf"{PREFIX}[a-z][a-z_]*[a-z]", family.name)
    assert not re.search(NOT_BASE, family.name)
    is_counter = family.type is Type.COUNTER
    assert family.name.endswith("_total") == is_counter
    assert not re.search(r"_(count|sum|bucket|created)$", family.name)
    if family.unit.startswith("seconds"):
        assert "seconds" in family.name
    for label in family.label_names:
        assert re.fullmatch(r"[a-z][a-z_]*[a-z]", label)
        assert label not in ("le", "instance", "job", "quantile")
    assert bool(family.buckets) == (family.type is Type.HISTOGRAM)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda x: x.name)
def test_texts_are_sentences(family):
    for text in (family.text, family.action):
        assert text.endswith((".", "?"))
        assert '"' not in text
        assert "\n" not in text


def test_each_declaration_is_listed_once():
    declared = [x for x in vars(families).values() if isinstance(x, Family)]
    assert len(declared) == len(FAMILIES)
    assert {x.name for x in declared} == {x.name for x in FAMILIES}
    assert len({x.name for x in FAMILIES}) == len(FAMILIES)


def test_each_number_of_the_deployment_has_its_function():
    counted = [family for family, _ in _TALLIES]
    wanted = [x for x in FAMILIES if x.source is families.Source.DEPLOYMENT]
    # It remembers what it counted: no function of one look can.
    wanted.remove(families.RESCUE)
    assert [x.name for x in counted] == [x.name for x in wanted]


@pytest.mark.parametrize(
    ("family", "label", "values"),
    [
        (families.BOOTS, "what", [x.value for x in Boot]),
        (families.RECONCILES, "ending", [x.value for x in Ending]),
        (families.EVENTS, "kind", [x.value for x in EventKind]),
        (
            families.HEARTBEATS_REFUSED,
            "reason",
            [x.name.lower() for x in Refusal],
        ),
    ],
)
def test_what_a_label_may_be_is_said(family, label, values):
    assert sorted(family.labels[label].split(", ")) == sorted(values)


def values(process):
    return {
        (sample.name.removeprefix(PREFIX), *sorted(sample.labels.values())): (
            sample.value
        )
        for metric in process.collect()
        for sample in metric.samples
        if sample.name.startswith(PREFIX)
    }


def test_counters_begin_with_zero():
    found = values(ProcessMetrics())
    assert set(found.values()) == {0}
    assert ("heartbeats_received_total",) in found
    assert ("heartbeats_refused_total", "wrong_key") in found
    assert ("amphora_boots_total", "held") in found
    assert ("events_total", "session.down") in found
    assert ("database_statement_duration_seconds_count",) in found
    assert not [name for name, *_ in found if name.endswith("_created")]


def test_what_a_process_is_told_is_counted():
    process = ProcessMetrics()
    process.heartbeats_received(3)
    process.heartbeats_received(2)
    process.heartbeats_lost(1)
    process.heartbeat_refused(Refusal.UNKNOWN)
    process.boot(Boot.FAILED)
    process.reconciled("chore", Ending.SETTLED, 0.2)
    process.reconciled("chore", Ending.SETTLED, 40.0)
    found = values(process)
    expected = {
        ("heartbeats_received_total",): 5,
        ("heartbeats_lost_total",): 1,
        ("heartbeats_refused_total", "unknown"): 1,
        ("heartbeats_refused_total", "wrong_key"): 0,
        ("amphora_boots_total", "failed"): 1,
        ("reconcile_duration_seconds_count", "chore", "settled"): 2,
        ("reconcile_duration_seconds_sum", "chore", "settled"): 40.2,
        ("reconcile_duration_seconds_bucket", "0.1", "chore", "settled"): 0,
        ("reconcile_duration_seconds_bucket", "0.25", "chore", "settled"): 1,
        ("reconcile_duration_seconds_bucket", "+Inf", "chore", "settled"): 2,
    }
    assert {key: found[key] for key in expected} == expected


def test_each_ending_of_a_kind_begins_with_zero():
    """An alert asks how often it grew: the first crash must be growth."""
    process = ProcessMetrics()
    process.reconciled("chore", Ending.SETTLED, 0.2)
    counts = {
        ending: count
        for (name, *labels), count in values(process).items()
        if name == "reconcile_duration_seconds_count"
        for ending in labels
        if ending != "chore"
    }
    assert counts == {
        ending.value: int(ending is Ending.SETTLED) for ending in Ending
    }


def event(kind, peer_id=None, change_count=1):
    return Event(
        kind=kind,
        at=datetime(2026, 11, 22, tzinfo=UTC),
        owner=Owner(distributor_id="d"),
        peer_id=peer_id,
        change_count=change_count,
    )


def test_events_are_counted_by_kind_and_sessions_by_peer():
    process = ProcessMetrics()
    process.happened(())
    process.happened(
        (
            event(EventKind.SESSION_UP, "p1"),
            event(EventKind.SESSION_DOWN, "p2", change_count=5),
            event(EventKind.GATE_CLOSED),
        )
    )
    process.happened((event(EventKind.SESSION_UP, "p2"),))
    found = values(process)
    counted = {key[1]: n for key, n in found.items() if key[0] == EVENTS and n}
    assert counted == {"session.up": 2, "session.down": 1, "gate.closed": 1}
    # Two peers may have one name; one that is gone has none.
    names = {"p1": "leaf1", "p2": "leaf2", "p3": "leaf2", "p4": "leaf3"}
    changes = process.session_changes.by_name(names)
    assert changes == {"leaf1": 1, "leaf2": 6, "leaf3": 0}
    assert set(changes) == {"leaf1", "leaf2", "leaf3"}
    assert process.session_changes.by_name({"p1": "leaf1"}) == {"leaf1": 1}


def test_counts_of_sessions_never_go_backwards():
    """Else Prometheus takes it for a new start, and counts all again."""
    process = ProcessMetrics()

    def grow(**counts):
        process.happened(
            [
                event(EventKind.SESSION_UP, peer_id, change_count=count)
                for peer_id, count in counts.items()
            ]
        )

    by_name = process.session_changes.by_name
    grow(p1=3, p2=4, p3=5)
    assert by_name({"p1": "a", "p2": "a", "p3": "b"}) == {"a": 7, "b": 5}
    # p2 is gone, and what it did meanwhile is not told.
    grow(p1=1, p2=10)
    assert by_name({"p1": "a", "p3": "b"}) == {"a": 8, "b": 5}
    # p3 is renamed, to a name that there is.
    grow(p3=1)
    assert by_name({"p1": "a", "p3": "a"}) == {"a": 9}
    # p1 moves among the others, and back.
    grow(p1=2)
    assert by_name({"p1": "(others)", "p3": "a"}) == {"(others)": 2, "a": 9}
    grow(p1=1, p3=1)
    assert by_name({"p1": "b", "p3": "a"}) == {"b": 6, "a": 10}
    assert by_name({"p4": "(others)"}) == {"(others)": 2}


def test_statements_are_counted_by_how_long_they_took():
    process = ProcessMetrics()
    process.statement(0.0004)
    process.statement(0.2)
    found = values(process)
    name = "database_statement_duration_seconds"
    assert found[(f"{name}_count",)] == 2
    assert found[(f"{name}_sum",)] == pytest.approx(0.2004)
    assert found[(f"{name}_bucket", "0.001")] == 1
    assert found[(f"{name}_bucket", "0.5")] == 2


def test_two_processes_in_one_share_nothing():
    first, second = ProcessMetrics(), ProcessMetrics()
    first.heartbeats_received(1)
    assert values(second)[("heartbeats_received_total",)] == 0
