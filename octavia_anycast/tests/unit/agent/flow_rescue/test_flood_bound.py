# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The bound of ADR 0121, over changes at random and clusters of any size."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from octavia_anycast.testing.simulated.flood import Change, simulate

CHANGES = st.builds(
    lambda members, flows, share, rate, burst, spread: Change(
        members=members,
        flows=flows,
        lost=int(flows * share),
        probe_rate=rate,
        probe_burst=burst,
        spread_seconds=spread,
    ),
    st.integers(2, 64),
    st.integers(1, 300),
    st.floats(0, 1),
    st.integers(100, 50_000),
    st.integers(64, 10_000),
    st.floats(0, 5),
)


@settings(max_examples=60)
@given(CHANGES)
def test_no_change_costs_more_than_the_formula(change):
    outcome = simulate(change)
    rescued = change.flows - change.lost
    others = change.members - 1
    # Per flow: one flood finds the owner, two find that there is none.
    assert outcome.probes == (rescued + 2 * change.lost) * others
    assert max(outcome.floods.values()) <= 2
    assert outcome.given_up == change.lost
    assert len(outcome.waits) == rescued


@settings(max_examples=60)
@given(CHANGES)
def test_no_member_sends_or_receives_more_than_the_budget(change):
    outcome = simulate(change)
    for counted in (outcome.sent, outcome.received):
        seconds = Counter()
        for (member, second), count in counted.items():
            assert count <= change.probe_burst + change.probe_rate
            seconds[member] = max(seconds[member], second + 1)
        for member, last in seconds.items():
            total = sum(n for (m, _), n in counted.items() if m == member)
            assert total <= change.probe_burst + change.probe_rate * last


def test_a_quiet_budget_refuses_nobody():
    outcome = simulate(Change(members=4, flows=1_000))
    assert outcome.refused == 0
    assert outcome.waits == [0.0] * 1_000


def test_whom_the_budget_refuses_waits_and_is_rescued():
    outcome = simulate(
        Change(members=64, flows=2_000, probe_rate=2_000, probe_burst=64)
    )
    assert outcome.refused > 0
    assert outcome.given_up == 0
    assert max(outcome.waits) > 0
