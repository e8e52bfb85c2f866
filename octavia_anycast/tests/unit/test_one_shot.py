# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""octavia-anycast-manage doctor asks the agents."""

from datetime import timedelta

import pytest

from octavia_anycast.cmd import controller, one_shot
from octavia_anycast.model.errors import Retryable
from octavia_anycast.tests.unit.planning.doctor import healthy


class SlowAgents:
    """One answers a minute after the tables were read, one never."""

    def __init__(self, clock):
        self._clock = clock

    def get_report(self, amphora_id, address):
        self._clock.append(healthy.NOW + timedelta(minutes=1))
        if amphora_id == "amp2":
            raise Retryable("timed out")
        return healthy.report(machine=healthy.machine(clock=self._clock[-1]))


@pytest.fixture
def clock(monkeypatch):
    times = [healthy.NOW]
    monkeypatch.setattr(controller, "utc_now", lambda: times[-1])
    return times


def test_dead_agents_do_not_make_heartbeats_of_others_late(clock):
    """Heartbeats were read before, and not again after a long wait."""
    seen = healthy.seen(healthy.amphora(1), healthy.amphora(2))
    asked = one_shot._asked(seen, SlowAgents(clock))
    one, two = asked.amphorae
    assert one.reported_at == healthy.NOW + timedelta(minutes=1)
    assert (two.report, two.error) == (None, "timed out")
    summary, _ = healthy.only(asked, "agents")
    assert "amphora amp2 in zone rack1 does not answer (timed out)" in summary
