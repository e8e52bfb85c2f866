# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which probe decides, and when HAProxy is said to hang."""

import pytest

from octavia_anycast.agent.gate.gate import Sample, Verdict
from octavia_anycast.agent.gate.haproxy import StatsSocket, Waiting
from octavia_anycast.agent.gate.probes import _decided, _hangs
from octavia_anycast.model.wire import GateSettings, Probe

KINDS = {
    "good": Sample(verdict=Verdict.GOOD),
    "bad": Sample(verdict=Verdict.BAD, reason="bad"),
    "fatal": Sample(verdict=Verdict.BAD, reason="fatal", is_fatal=True),
    "partial": Sample(verdict=Verdict.PARTIAL, reason="partial"),
    "unknown": Sample(verdict=Verdict.UNKNOWN, reason="unknown"),
    "nothing": Sample(verdict=Verdict.NOTHING_TO_SERVE, reason="nothing"),
}


def decided(*, is_enabled=True, **kinds):
    """Probe names -> kinds; those not named are good."""
    looks = {probe: KINDS["good"] for probe in Probe}
    looks |= {Probe(name): KINDS[kind] for name, kind in kinds.items()}
    return _decided(looks, is_enabled=is_enabled)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({}, "good"),
        *(({probe.value: "bad"}, "bad") for probe in Probe),
        ({"peers": "partial"}, "partial"),
        ({"peers": "partial", "gateway": "bad"}, "bad"),
        ({"process": "fatal", "gateway": "bad"}, "fatal"),
        ({"process": "fatal", "frontend": "unknown"}, "fatal"),
        ({"frontend": "unknown", "listeners": "partial"}, "unknown"),
        ({"process": "nothing", "gateway": "bad"}, "nothing"),
        ({"process": "nothing", "frontend": "unknown"}, "unknown"),
        ({"revision": "bad", "process": "fatal"}, "bad"),
    ],
)
def test_the_worst_decides(kinds, expected):
    assert decided(**kinds) == KINDS[expected]


def test_switched_off_it_looks_at_the_front_end_only():
    others = dict.fromkeys(
        ("process", "listeners", "answer", "peers", "request"), "bad"
    )
    assert decided(is_enabled=False, **others) == KINDS["good"]
    assert decided(is_enabled=False, gateway="bad") == KINDS["bad"]


class Silent(StatsSocket):
    """A socket on which an answer is awaited for so many milliseconds."""

    def __init__(self, waits_ms):
        super().__init__("/nowhere")
        self.waited = waits_ms

    def waits_ms(self, now):
        return self.waited


@pytest.mark.parametrize(
    ("queue_ms", "answer_ms", "hangs"),
    [
        (1000, 1000, True),
        (1000, 0, False),  # a connection limit is reached; HAProxy lives
        (0, 1000, False),  # busy, and accepting
        (900, 900, False),
    ],
)
def test_it_takes_two_witnesses(queue_ms, answer_ms, hangs):
    waiting = Waiting(name="x", count=3, since=10.0)
    settings = GateSettings(accept_timeout_ms=1000)
    now = 10.0 + queue_ms / 1000
    assert _hangs(waiting, Silent(answer_ms), settings, now) is hangs
