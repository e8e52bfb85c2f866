# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What rows tell of an amphora is what the planner says with answers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterPolicy,
    ComputeState,
    DrainState,
    ObservedAmphora,
)
from octavia_anycast.model.wire import (
    Frontend,
    FrontendAddress,
    GateReport,
    GateState,
    Report,
)
from octavia_anycast.planning.amphora.assessment import Phase, assess
from octavia_anycast.planning.amphora.recorded import (
    CountedAmphora,
    ReportSummary,
    recorded_drain,
    recorded_phase,
)
from octavia_anycast.tests.unit.planning.clusters import desired_cluster

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
POLICY = ClusterPolicy()
FRONTEND = Frontend(
    mac_address="fa:16:3e:00:00:01",
    mtu=1500,
    addresses=(
        FrontendAddress(ip_address=ip_address("10.1.0.5"), prefix_length=24),
    ),
)
ALLOCATED, BOOTING = AmphoraStatus.ALLOCATED, AmphoraStatus.BOOTING


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


# What differs from an amphora that serves -> its phase.
NEVER_ASKED = {"has_frontend": False, "gate": None, "applied_at": None}
CASES = {
    "serves": ({}, Phase.SERVING),
    "boots": ({"status": BOOTING, "age": 10}, Phase.BOOTING),
    "boots for too long": ({"status": BOOTING, "age": 601}, Phase.FAILED),
    "in error": ({"status": AmphoraStatus.ERROR}, Phase.FAILED),
    "going": ({"status": AmphoraStatus.PENDING_DELETE}, Phase.FAILED),
    "just up": (
        {"age": 20, "heard": None, "has_frontend": False, "gate": None},
        Phase.SERVING,
    ),
    "never came up": (
        {"age": 601, "heard": None, **NEVER_ASKED},
        Phase.FAILED,
    ),
    "sends heartbeats and was never asked": (
        {"age": 620, **NEVER_ASKED, "mute_since": ago(16)},
        Phase.FAILED,
    ),
    "waits for its front end and is mute for a moment": (
        {"age": 620, **NEVER_ASKED, "mute_since": ago(14)},
        Phase.SERVING,
    ),
    "waits for its front end and was not asked just now": (
        {"age": 620, **NEVER_ASKED},
        Phase.SERVING,
    ),
    "sends heartbeats and may still be asked": (
        {"age": 599, **NEVER_ASKED},
        Phase.SERVING,
    ),
    "was asked, and has no front end": (
        {"age": 601, **NEVER_ASKED, "applied_at": ago(500)},
        Phase.SERVING,
    ),
    "answers for the first time": (
        {"age": 601, **NEVER_ASKED, "gate": (GateState.UP, 1)},
        Phase.SERVING,
    ),
    "silent": ({"heard": 16, "gate": None}, Phase.SILENT),
    "not silent yet": ({"heard": 14, "gate": None}, Phase.SERVING),
    "plugged and never heard of": (
        {"age": 16, "heard": None, "gate": None},
        Phase.SILENT,
    ),
    "leaves": ({"leaving_since": ago(5)}, Phase.LEAVING),
    "silent as it leaves": (
        {"leaving_since": ago(50), "heard": 16, "gate": None},
        Phase.SILENT,
    ),
    "mute": ({"mute_since": ago(61)}, Phase.MUTE),
    "mute for a moment": ({"mute_since": ago(59)}, Phase.SERVING),
    "stale": ({"stale_since": ago(61), "revision": "r0"}, Phase.STALE),
    "stale for a moment": (
        {"stale_since": ago(59), "revision": "r0"},
        Phase.SERVING,
    ),
    "drained": ({"drain_wanted_since": ago(5)}, Phase.DRAINED),
    "sick": ({"gate": (GateState.DOWN, 61)}, Phase.SICK),
    "sick for a moment": ({"gate": (GateState.DOWN, 59)}, Phase.SERVING),
    "nothing to serve": ({"gate": (GateState.DISABLED, 500)}, Phase.SERVING),
    "drained and sick": (
        {"drain_wanted_since": ago(5), "gate": (GateState.DOWN, 61)},
        Phase.DRAINED,
    ),
}
USUAL = {
    "status": ALLOCATED,
    "age": 1000,
    "heard": 1,
    "has_frontend": True,
    "gate": (GateState.UP, 500),
    "leaving_since": None,
    "mute_since": None,
    "stale_since": None,
    "drain_wanted_since": None,
    "revision": "r1",
    "applied_at": ago(900),
}


def counted(case):
    return CountedAmphora(
        amphora_id="a",
        load_balancer_id="lb",
        status=case["status"],
        status_since=ago(case["age"]),
        has_frontend=case["has_frontend"],
        applied_at=case["applied_at"],
        leaving_since=case["leaving_since"],
        mute_since=case["mute_since"],
        stale_since=case["stale_since"],
        drain_wanted_since=case["drain_wanted_since"],
        heard_at=None if case["heard"] is None else ago(case["heard"]),
    )


def summary(case):
    if case["gate"] is None:
        return None
    state, seconds = case["gate"]
    return ReportSummary(gate=state, gate_since=ago(seconds))


def observed(case):
    """The same, as the planner sees it."""
    report = None
    if case["gate"] is not None:
        state, seconds = case["gate"]
        report = Report(
            amphora_id="a",
            digest="d",
            revision="r1",
            gate=GateReport(state=state, reason="", since=ago(seconds)),
            speaker_is_running=True,
            frontend_is_up=True,
        )
    record = AmphoraRecord(
        id="a",
        load_balancer_id="lb",
        status=case["status"],
        status_since=ago(case["age"]),
        frontend=FRONTEND if case["has_frontend"] else None,
        applied_revision=case["revision"],
        applied_at=case["applied_at"],
        leaving_since=case["leaving_since"],
        mute_since=case["mute_since"],
        stale_since=case["stale_since"],
        drain_wanted_since=case["drain_wanted_since"],
    )
    return ObservedAmphora(
        record=record,
        compute_state=ComputeState.ACTIVE,
        report=report,
        is_agent_mute=case["mute_since"] is not None,
        silent_seconds=case["heard"],
    )


@pytest.mark.parametrize("name", CASES)
def test_phases(name):
    changes, phase = CASES[name]
    case = USUAL | changes
    found = recorded_phase(counted(case), POLICY, NOW, summary(case))
    assert found is phase


@pytest.mark.parametrize("name", CASES)
def test_the_planner_says_the_same(name):
    changes, phase = CASES[name]
    desired = replace(desired_cluster(), policy=POLICY)
    found = assess(desired, observed(USUAL | changes), NOW)
    assert found.phase is phase


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, DrainState.NONE),
        ({"drained_at": NOW}, DrainState.NONE),
        ({"drain_wanted_since": NOW}, DrainState.PENDING),
        ({"leaving_since": NOW}, DrainState.PENDING),
        (
            {"leaving_since": NOW, "draining_since": NOW},
            DrainState.DRAINING,
        ),
        (
            {
                "drain_wanted_since": NOW,
                "draining_since": NOW,
                "drained_at": NOW,
            },
            DrainState.DRAINED,
        ),
    ],
)
def test_drains(changes, state):
    assert recorded_drain(replace(counted(USUAL), **changes)) is state


def test_a_report_that_is_too_old_says_nothing():
    said = ReportSummary(gate=GateState.UP, gate_since=NOW)
    row = replace(counted(USUAL), reported_at=ago(10), said=said)
    assert row.said_since(ago(10)) is said
    assert row.said_since(ago(9)) is None
    assert replace(row, reported_at=None).said_since(ago(10)) is None


@pytest.mark.parametrize("heard", [1, None])
def test_one_that_sends_heartbeats_says_why_it_cannot_be_asked(heard):
    case = USUAL | NEVER_ASKED | {"age": 601, "heard": heard}
    case["mute_since"] = ago(16) if heard else None
    seen = replace(observed(case), report_error="it refuses the certificate")
    found = assess(replace(desired_cluster(), policy=POLICY), seen, NOW)
    words = "its agent did not answer within 601 s"
    if heard:
        words += ", though its heartbeats arrive: it refuses the certificate"
    assert found.reason == words
