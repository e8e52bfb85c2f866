# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The first step of a drain (ADR 0169)."""

from dataclasses import replace
from ipaddress import ip_address

from octavia_anycast.agent.paths.yielding import YIELD_SECONDS, Yielding
from octavia_anycast.agent.speakers.base import Path

ONE, OTHER = (
    Path(
        vip_ip=ip_address(f"198.51.100.{i}"),
        nexthop_ip=ip_address("10.1.0.5"),
        peer_id="p",
    )
    for i in (1, 2)
)
DRAINED = replace(ONE, is_draining=True)
YIELDING = replace(ONE, is_yielding=True)


def announced(*paths):
    made = Yielding()
    assert made.step(frozenset(paths), 0.0) == frozenset(paths)
    return made


def test_a_plain_path_yields_before_it_drains():
    made = announced(ONE, OTHER)
    wanted = frozenset({DRAINED, OTHER})
    assert made.step(wanted, 10.0) == {YIELDING, OTHER}
    late = 10.0 + YIELD_SECONDS
    assert not made.is_due(late - 0.1)
    assert made.step(wanted, late - 0.1) == {YIELDING, OTHER}
    assert made.is_due(late)
    assert made.step(wanted, late) == wanted
    assert not made.is_due(late + 100.0)
    assert made.step(wanted, late + 100.0) == wanted


def test_one_that_drained_before_goes_on():
    """As when the agent was restarted, or the gate was down meanwhile."""
    assert announced(DRAINED).step(frozenset({DRAINED}), 1.0) == {DRAINED}
    made = announced(ONE)
    assert made.step(frozenset(), 1.0) == frozenset()
    assert made.step(frozenset({DRAINED}), 2.0) == {DRAINED}


def test_an_undo_makes_it_plain_at_once():
    made = announced(ONE)
    made.step(frozenset({DRAINED}), 1.0)
    assert made.step(frozenset({ONE}), 1.1) == {ONE}
    assert not made.is_due(1.0 + YIELD_SECONDS)
    assert made.step(frozenset({DRAINED}), 5.0) == {YIELDING}


def test_what_is_withdrawn_is_forgotten():
    made = announced(ONE)
    made.step(frozenset({DRAINED}), 1.0)
    assert made.step(frozenset(), 1.1) == frozenset()
    assert not made.is_due(1.0 + YIELD_SECONDS)


def test_nothing_is_said_before_the_gate_has_decided():
    assert Yielding().step(None, 0.0) is None
