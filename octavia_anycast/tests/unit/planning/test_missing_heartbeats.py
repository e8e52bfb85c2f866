# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is said of heartbeats that do not arrive."""

from datetime import UTC, datetime, timedelta

import pytest

from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.heartbeat import Refusal
from octavia_anycast.planning.heartbeat import Reception, trouble

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
PATIENCE = timedelta(seconds=15)


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def record(since):
    return AmphoraRecord(
        id="a",
        load_balancer_id="lb",
        status=AmphoraStatus.ALLOCATED,
        status_since=since,
    )


@pytest.mark.parametrize(
    ("up", "last", "fields", "words"),
    [
        (300, 1, {}, ()),
        (300, 14, {}, ()),
        (10, None, {}, ()),  # it has just booted
        (10, 40, {}, ()),
        (300, None, {}, ("ever", "nothing comes from its address", "5556")),
        (300, 60, {}, ("since 11:59:00 UTC", "nothing comes")),
        (
            300,
            None,
            {"is_any_received": False},
            ("nor of any other", "heartbeat_bind_ip", "UDP 5556"),
        ),
        (
            300,
            60,
            {"refusal": Refusal.WRONG_KEY},
            ("refused", "heartbeat_key"),
        ),
        (300, 60, {"refusal": Refusal.NOT_A_HEARTBEAT}, ("no heartbeat",)),
        (300, None, {"refusal": Refusal.UNKNOWN}, ("not one of ours",)),
        (300, 60, {"listening_since": ago(5)}, ()),  # it has just started
        (300, None, {"listening_since": ago(14)}, ()),
        (300, 60, {"listening_since": ago(16)}, ("since 11:59:00 UTC",)),
        (
            300,
            60,
            {"receiver_error": "Address already in use"},
            ("receives none (Address already in use)",),
        ),
    ],
)
def test_the_cause(up, last, fields, words):
    reception = Reception(
        last_at=None if last is None else ago(last), port=5556, **fields
    )
    found = trouble(record(ago(up)), reception, NOW, PATIENCE)
    assert bool(found) is bool(words)
    for word in words:
        assert word in found


def test_the_sentence_does_not_change_with_time():
    reception = Reception(last_at=ago(60), port=5556)
    first = trouble(record(ago(300)), reception, NOW, PATIENCE)
    later = trouble(record(ago(300)), reception, NOW + PATIENCE, PATIENCE)
    assert first == later
