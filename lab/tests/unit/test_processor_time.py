# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How much of a processor a process took, as the kernel counts it."""

import os
import subprocess

import pytest
from octavia_anycast_lab.host import process


def test_it_is_what_the_kernel_says_of_this_process():
    tick = 1 / os.sysconf("SC_CLK_TCK")
    before = os.times()
    found = process.cpu_seconds(os.getpid())
    after = os.times()

    assert found >= before.user + before.system - 2 * tick
    assert found <= after.user + after.system + 2 * tick


def test_a_process_that_is_gone_is_named():
    gone = subprocess.Popen(["true"])
    gone.wait()

    with pytest.raises(ProcessLookupError, match=f"process {gone.pid} is"):
        process.cpu_seconds(gone.pid)
