# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is written is what heartbeats with its digest confirm."""

import contextlib
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from octavia_anycast.controller.amphora.agent_reports import AgentReports
from octavia_anycast.db import heartbeat
from octavia_anycast.db.amphora import reports
from octavia_anycast.model.codec import report_digest
from octavia_anycast.model.wire import (
    FlowRescueReport,
    MachineReport,
    RescueState,
)
from octavia_anycast.testing.simulated.simulation import EPOCH, World
from octavia_anycast.tests.unit.planning.clusters import desired_cluster

INTERVAL = 9.0


@pytest.fixture
def written(monkeypatch):
    """amphora_id -> the report that is stored."""
    stored = {}
    monkeypatch.setattr(heartbeat, "touch_all", lambda *_, **__: set())
    monkeypatch.setattr(
        reports, "save_all", lambda _, news, __: stored.update(news)
    )
    return stored


@pytest.fixture
def recorder():
    return AgentReports(
        SimpleNamespace(
            settings=SimpleNamespace(
                report_interval=INTERVAL, heartbeat_interval=3.0
            ),
            database=SimpleNamespace(
                transaction=lambda: contextlib.nullcontext()
            ),
        )
    )


@pytest.fixture(scope="module")
def observed():
    world = World(desired=desired_cluster(size=1))
    world.run(120)
    return world.observe()


def said(observed, **changes):
    """The same, where the agent says something else."""
    (amphora,) = observed.amphorae
    report = replace(amphora.report, **changes)
    report = replace(report, report_digest=report_digest(report))
    return replace(observed, amphorae=(replace(amphora, report=report),))


@pytest.mark.parametrize(
    "changes",
    [
        {"flow_rescue": FlowRescueReport(state=RescueState.FAILED)},
        {"machine": MachineReport(clock=EPOCH, image="another")},
        {"frontend_is_up": False},
        {"peer_digests": {"peer": "another"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_two_changes_within_the_interval_are_both_written(
    written, recorder, observed, changes
):
    first, second = said(observed), said(observed, **changes)
    assert first != second
    for number, one in enumerate((first, second, first)):
        now = EPOCH + timedelta(seconds=number)
        recorder.record_answers("lb", one, now)
        (amphora,) = one.amphorae
        assert written == {amphora.record.id: amphora.report}


def test_what_only_counts_is_written_in_its_time(written, recorder, observed):
    first = said(observed)
    recorder.record_answers("lb", first, EPOCH)
    stored = dict(written)
    counted = said(observed, connections={"l": 5})
    recorder.record_answers("lb", counted, EPOCH + timedelta(seconds=1))
    assert written == stored
    later = EPOCH + timedelta(seconds=INTERVAL)
    recorder.record_answers("lb", counted, later)
    assert written != stored
