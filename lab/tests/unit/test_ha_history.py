# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whether a history of acts under locks is sound."""

from octavia_anycast_lab.ha import history


def acts(*tenures, lock="lb"):
    """Acts of these tenures, a second apart."""
    return [
        history.Act(at=float(number), lock=lock, tenure=tenure)
        for number, tenure in enumerate(tenures)
    ]


def test_tenures_one_after_the_other_are_sound():
    assert history.violations(acts("a", "a", "b", "b", "a2", "b2")) == ()


def test_who_acts_after_another_one_is_found():
    (found,) = history.violations(acts("a", "b", "a"))
    assert "a did act under lb 1.000 s after b had begun" in found


def test_each_act_too_late_is_found():
    assert len(history.violations(acts("a", "b", "a", "a", "b"))) == 3


def test_locks_do_not_concern_one_another():
    both = acts("a", "a") + acts("b", "b", lock="other")
    assert history.violations(sorted(both, key=lambda act: act.at)) == ()


def test_what_processes_record_is_read_in_order(tmp_path):
    path = tmp_path / "history"
    assert history.read(path) == ()
    for tenure in ("a", "b"):
        history.Recorder(path).record("lb", tenure)
    read = history.read(path)
    assert [act.tenure for act in read] == ["a", "b"]
    assert read[0].at < read[1].at
