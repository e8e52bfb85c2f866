# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The search for the objects that a configuration is refused for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavia_anycast.planning.cluster.culprits import (
    TRIALS_MAX,
    Alert,
    Findings,
    Suspect,
    find,
)


class Haproxy:
    """Refuses what contains a culprit; says which, or not."""

    def __init__(self, bad, *, names=True, is_broken=False, about=None):
        self.bad = set(bad)
        self.names = names
        self.is_broken = is_broken
        self.about = about or {}
        self.trials = 0

    def __call__(self, left_out):
        self.trials += 1
        if self.is_broken:
            return (Alert(sentence="exec format error"),)
        return tuple(
            Alert(
                sentence=f"{one} is bad",
                about=self.about.get(one, (one,)) if self.names else (),
            )
            for one in sorted(self.bad - left_out)
        )


def suspects(new, old=()):
    return [
        Suspect(kind="members", id=one, is_new=one in new)
        for one in (*old, *new)
    ]


@pytest.mark.parametrize("names", [True, False], ids=["named", "halved"])
@pytest.mark.parametrize(
    "bad",
    [{"a"}, {"d"}, {"a", "d"}, {"b", "c", "d"}, {"a", "b", "c", "d"}],
    ids=lambda bad: "".join(sorted(bad)),
)
def test_exactly_the_culprits_are_found(names, bad):
    haproxy = Haproxy(bad, names=names)
    found = find(suspects("abcd", "xyz"), haproxy)
    assert found.culprits.keys() == bad
    assert not found.refuses_anything
    assert haproxy.trials < 20


@pytest.mark.parametrize("names", [True, False], ids=["named", "halved"])
def test_what_was_there_before_is_tried_last(names):
    assert find(suspects("ab", "xyz"), Haproxy({"y"}, names=names)) == (
        Findings(culprits={"y": "y is bad"})
    )
    both = find(suspects("ab", "xyz"), Haproxy({"y", "a"}, names=names))
    assert both.culprits.keys() == {"y", "a"}


def test_a_broken_amphora_is_no_fault_of_any_object():
    haproxy = Haproxy({"a"}, is_broken=True)
    found = find(suspects("ab", "xy"), haproxy)
    assert found == Findings(refuses_anything=True)
    assert haproxy.trials <= 3


def test_the_smallest_object_that_can_be_to_blame_is():
    haproxy = Haproxy({"a"}, about={"a": ("gone", "a", "x")})
    assert find(suspects("a", "x"), haproxy).culprits.keys() == {"a"}


def test_what_passes_by_itself_has_no_culprit():
    assert find(suspects("ab"), Haproxy(())) == Findings()


def test_a_parent_is_tried_with_its_children_left_out():
    """Parents come first, so the last one that was put in is to blame."""

    def trial(left_out):
        # The policy is there only with its listener.
        if {"listener", "policy"} & left_out:
            return ()
        return (Alert(sentence="bad"),)

    made = suspects(["listener", "pool", "policy", "member"])
    assert find(made, trial).culprits.keys() == {"policy"}


@given(
    st.sets(st.integers(0, 60), min_size=1, max_size=5),
    st.booleans(),
    st.integers(61, 200),
)
def test_any_set_of_culprits_is_found_in_bounded_trials(bad, names, size):
    ids = [f"{n:03}" for n in range(size)]
    wanted = {f"{n:03}" for n in bad}
    haproxy = Haproxy(wanted, names=names)
    assert find(suspects(ids), haproxy).culprits.keys() == wanted
    assert haproxy.trials <= TRIALS_MAX


def test_a_search_ends_however_many_there_are():
    ids = [f"{n:03}" for n in range(500)]
    haproxy = Haproxy(ids, names=False)
    found = find(suspects(ids), haproxy)
    assert 5 <= len(found.culprits) < 500
    assert haproxy.trials <= TRIALS_MAX + 20
