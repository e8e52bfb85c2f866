# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Sums over amphorae that come, go and begin anew never go backwards."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from octavia_anycast.controller.metrics.rescue_counts import (
    EVENTS,
    RescueCounts,
)
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.wire import GateState
from octavia_anycast.planning.amphora.recorded import (
    CountedAmphora,
    ReportSummary,
)

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)


def amphora(amphora_id, rescue):
    """One that says this of its members; None: nothing that can be read."""
    said = None
    if rescue is not None:
        said = ReportSummary(gate=GateState.UP, gate_since=NOW, rescue=rescue)
    return CountedAmphora(
        amphora_id=amphora_id,
        load_balancer_id="lb",
        status=AmphoraStatus.ALLOCATED,
        status_since=NOW,
        said=said,
    )


def carried(counts, *amphorae):
    return counts.look(amphorae)["carried"]


def test_what_was_counted_before_is_not_new():
    counts = RescueCounts()
    assert carried(counts, amphora("a", {"": {"carried": 100}})) == 0
    assert carried(counts, amphora("a", {"": {"carried": 104}})) == 4


def test_what_is_new_counts_whole():
    counts = RescueCounts()
    counts.look([])
    new = amphora("a", {"": {"carried": 3}, "b": {"carried": 4}})
    assert carried(counts, new) == 7
    assert carried(counts, new) == 7


def test_what_begins_anew_counts_whole():
    counts = RescueCounts()
    counts.look([amphora("a", {"": {"carried": 100}})])
    assert carried(counts, amphora("a", {"": {"carried": 5}})) == 5


def test_what_cannot_be_read_for_a_while_counts_once():
    counts = RescueCounts()
    known = amphora("a", {"": {"carried": 100}})
    counts.look([known])
    assert carried(counts, amphora("a", None)) == 0
    assert carried(counts, known) == 0
    assert carried(counts, amphora("a", {"": {"carried": 101}})) == 1


def test_what_goes_takes_nothing_away():
    counts = RescueCounts()
    counts.look([])
    assert carried(counts, amphora("a", {"": {"carried": 9}})) == 9
    assert carried(counts) == 9


def test_every_event_is_there_from_the_beginning():
    assert RescueCounts().look([]) == dict.fromkeys(EVENTS, 0)


LOOKS = st.lists(
    st.dictionaries(
        st.sampled_from("abc"),
        st.none()
        | st.dictionaries(
            st.sampled_from(["", "x"]),
            st.fixed_dictionaries({"carried": st.integers(0, 20)}),
        ),
    ),
    max_size=8,
)


@given(LOOKS)
def test_no_history_goes_backwards(looks):
    counts = RescueCounts()
    before = 0
    for look in looks:
        now = carried(counts, *(amphora(i, said) for i, said in look.items()))
        assert now >= before
        before = now
