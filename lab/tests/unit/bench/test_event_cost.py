# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the benchmark of events changes, and what it makes of times."""

from octavia_anycast_lab.bench.scale import (
    event_cost,
    event_looks,
)

from octavia_anycast.model.monitoring.event import Mark

TOLD = {
    "gate": Mark("open", 5.0, 6, 3),
    "paths": Mark("announced"),
    "phase": Mark("serving"),
    "session:p": Mark("up"),
    "drain": Mark("NONE"),
}


def test_one_subject_is_forged_or_all() -> None:
    one = event_looks.forged(TOLD, is_all=False)
    # Without a window, so that no change is only counted.
    assert one == {**TOLD, "gate": Mark("closed")}
    assert event_looks.forged(TOLD, is_all=True) == {
        "gate": Mark("closed"),
        "paths": Mark("withdrawn"),
        "phase": Mark("booting"),
        "session:p": Mark("down"),
        "drain": Mark("NONE"),
    }
    assert event_looks.forged({}, is_all=True) == {}


def test_shares_are_of_medians() -> None:
    times = {"none": [0.09, 0.08, 5.0], "one": [0.1], "all": [0.18]}
    one, all_of_them = event_cost.answers(times, 0.0)
    assert round(one.ours, 3) == 0.1
    assert one.met is False
    assert round(all_of_them.ours, 3) == 0.5
    assert all_of_them.target is None
    assert one.runs[0].detail == {
        "none_seconds": 0.09,
        "one_seconds": 0.1,
        "all_seconds": 0.18,
    }
