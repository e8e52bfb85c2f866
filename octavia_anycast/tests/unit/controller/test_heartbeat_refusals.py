# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Refused heartbeats are counted, and flood neither memory nor log."""

from datetime import UTC, datetime, timedelta

from octavia_anycast.controller.memory import (
    SOURCES_MAX,
    HeartbeatRefusals,
)
from octavia_anycast.model.heartbeat import Refusal

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def lines(caplog):
    return [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]


def test_one_line_a_source_and_hour_and_one_for_another_cause(caplog):
    refusals = HeartbeatRefusals()
    for second in range(3000):
        moment = NOW + timedelta(seconds=second)
        refusals.note("172.31.1.5", Refusal.WRONG_KEY, moment)
    assert len(lines(caplog)) == 1
    assert "172.31.1.5" in lines(caplog)[0]
    assert "heartbeat_key" in lines(caplog)[0]
    refusals.note("172.31.1.5", Refusal.UNKNOWN, NOW)
    assert len(lines(caplog)) == 2
    refusals.note("172.31.1.5", Refusal.UNKNOWN, NOW + HOUR)
    assert len(lines(caplog)) == 3
    assert refusals.counts() == {"172.31.1.5": 3002}


def test_a_flood_from_many_addresses_is_bounded(caplog):
    refusals = HeartbeatRefusals()
    for number in range(10_000):
        refusals.note(f"fd00::{number:x}", Refusal.WRONG_KEY, NOW)
    assert refusals.total == 10_000
    assert len(refusals.counts()) == SOURCES_MAX
    assert len(lines(caplog)) <= 10


def test_why_is_forgotten_with_time():
    refusals = HeartbeatRefusals()
    refusals.note("a", Refusal.WRONG_KEY, NOW)
    assert refusals.why("a", NOW) is Refusal.WRONG_KEY
    assert refusals.why("a", NOW + HOUR) is None
    assert refusals.why("b", NOW) is None
