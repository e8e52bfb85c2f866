# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is read of an amphora that idles, and what is said of it."""

import subprocess
import sys

from octavia_anycast_lab.amphora import idle

CPU_STAT = "usage_usec 20772123\nuser_usec 9\nsystem_usec 9\n"
PROCESS = (
    "388 (a ) b) S 1 388 388 0 -1 4194560 46113 0 0 0 1234 66 7 8 20 0 6 0 "
    "4711 1 1\n"
)
KERNEL = (
    "cpu  100 0 200 5000 30 0 10 0 0 0\ncpu0 1 2 3\n"
    "intr 7000 1 2\nctxt 9000\nbtime 1\nprocesses 300\n"
)


def test_counters_are_read():
    assert idle.unit_ms(CPU_STAT) == 20772.123
    assert idle.unit_ms("") == 0.0
    # The name of a program may hold any character.
    assert idle.process_ms(PROCESS) == (4711, 13000.0)
    idle_ms, counts = idle.kernel_counts(KERNEL)
    assert idle_ms == 50300.0
    assert counts == {
        "interrupts": 7000,
        "context switches": 9000,
        "processes started": 300,
    }


def test_only_the_last_control_groups_count():
    """One above others counts what is in them, too."""
    paths = ["/g", "/g/system", "/g/system/a", "/g/system/b", "/g/user"]
    assert idle.leaves(paths) == ["/g/system/a", "/g/system/b", "/g/user"]


def snapshot(at_ms, idle_ms, units, processes, count):
    return idle.Snapshot(
        at_ms=at_ms,
        idle_ms=idle_ms,
        units=units,
        processes=processes,
        counts={"processes started": count},
    )


def test_what_came_between_is_told_by_the_minute():
    before = snapshot(0, 0, {"a": 100.0, "b": 50.0}, {(7, 1): 500.0}, 10)
    after = snapshot(
        30_000,
        24_000,
        {"a": 400.0, "b": 50.0, "new": 1500.0},
        # The number 7 is another process by now.
        {(7, 2): 90.0},
        25,
    )
    lines = idle.report(before, after)
    assert lines[0].split() == [
        "busy",
        "12000",
        "ms",
        "a",
        "minute,",
        "20.00",
        "%",
    ]
    assert lines[1] == "processes started: 0.5 a second"
    assert [line.split()[1::6] for line in lines[2:4]] == [
        ["3000", "new"],
        ["600", "a"],
    ]
    assert lines[4].split()[1] == "180"
    assert len(lines) == 5, "what took nothing is left out"


def test_it_runs_from_standard_input_alone():
    """As in an amphora, which has nothing of the lab."""
    with open(idle.__file__, encoding="utf-8") as script:
        done = subprocess.run(
            [sys.executable, "-I", "-", "0.2"],
            stdin=script,
            capture_output=True,
            text=True,
            check=True,
        )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("busy ")
    assert any(line.startswith("memory ") for line in lines)
