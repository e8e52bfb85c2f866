# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the gate keeps of its probes: figures stay as they were first seen."""

from datetime import UTC, datetime, timedelta

from octavia_anycast.agent.gate.gate import Sample, Verdict, noted, told
from octavia_anycast.model.wire import Probe, ProbeReport

START = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = Sample(verdict=Verdict.GOOD)


def at(seconds):
    return START + timedelta(seconds=seconds)


def bad(reason, measured=""):
    return Sample(
        verdict=Verdict.BAD,
        reason=reason,
        measured=measured,
        probe=Probe.LISTENERS,
    )


def test_since_is_the_change_of_the_verdict():
    evidence = noted((), {Probe.LISTENERS: GOOD}, at(0))
    assert evidence == noted(evidence, {Probe.LISTENERS: GOOD}, at(1))
    evidence = noted(evidence, {Probe.LISTENERS: bad("shut")}, at(2))
    assert evidence == (
        ProbeReport(
            probe=Probe.LISTENERS,
            verdict=Verdict.BAD,
            value="shut",
            since=at(2),
        ),
    )
    (other,) = noted(evidence, {Probe.LISTENERS: bad("gone")}, at(3))
    assert (other.value, other.since) == ("gone", at(2))


def test_a_figure_that_changes_is_no_news():
    evidence = noted((), {Probe.LISTENERS: bad("shut", "1 waits")}, at(0))
    later = noted(evidence, {Probe.LISTENERS: bad("shut", "9 wait")}, at(5))
    assert later == evidence
    assert later[0].value == "shut (1 waits)"
    other = noted(later, {Probe.LISTENERS: bad("sh", "9 wait")}, at(6))
    assert other[0].value == "sh (9 wait)"


def test_what_is_not_looked_at_is_no_evidence():
    both = noted((), {Probe.ANSWER: GOOD, Probe.PROCESS: GOOD}, at(0))
    assert [one.probe for one in both] == [Probe.PROCESS, Probe.ANSWER]
    assert len(noted(both, {Probe.ANSWER: GOOD}, at(1))) == 1


def test_the_reason_names_probe_value_and_time():
    sample = bad("shut", "1 waits")
    evidence = noted((), {Probe.LISTENERS: sample}, at(0))
    assert told(sample, evidence).reason == (
        "listeners: shut (1 waits), since 2026-01-01T00:00:00.000+00:00"
    )
    assert told(GOOD, evidence) == GOOD
