# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""CPU time of the amphora."""

import os

import pytest

from octavia_anycast.agent import cpu

TICKS = os.sysconf("SC_CLK_TCK")


def read(tmp_path, text):
    path = tmp_path / "stat"
    path.write_text(text)
    return cpu.read_cpu_time(str(path))


def test_what_is_not_idle_is_busy(tmp_path):
    # user, nice, system, idle, iowait, irq, softirq, steal, guest
    text = "cpu  100 10 40 800 50 1 19 30 77 0\ncpu0 1 1 1 1 1 1 1 1 1 0\n"
    found = read(tmp_path, text)
    assert found.busy_seconds == 200 / TICKS
    assert found.total_seconds == 1050 / TICKS


@pytest.mark.parametrize(
    "text", ["", "cpu\n", "cpu 1 2 3\n", "cpu a b c d e f g h\n", "btime 7\n"]
)
def test_what_cannot_be_read_is_not_told(tmp_path, text):
    assert read(tmp_path, text) is None


def test_without_the_file_nobody_tells(tmp_path):
    assert cpu.read_cpu_time(str(tmp_path / "nothing")) is None


def test_it_grows_here():
    before, after = cpu.read_cpu_time(), cpu.read_cpu_time()
    assert before.total_seconds <= after.total_seconds
    assert 0 < before.busy_seconds < before.total_seconds
