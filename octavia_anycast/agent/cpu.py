# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""CPU time of the amphora, from the kernel (proc_stat(5)).

Layer: agent.
"""

import os

from octavia_anycast.model.wire import CpuTime

STAT = "/proc/stat"
# user, nice, system, idle, iowait, irq, softirq, steal; guest times are in
# the first two already.
_FIELDS = 8
_IDLE = (3, 4)


def read_cpu_time(path: str = STAT) -> CpuTime | None:
    """Seconds of all CPUs together since boot; None if it cannot be read.

    What the hypervisor took counts as busy: the amphora cannot use it.
    """
    try:
        with open(path, encoding="ascii") as stream:
            name, *numbers = stream.readline().split()
        ticks = [int(number) for number in numbers[:_FIELDS]]
    except (OSError, ValueError):
        return None
    if name != "cpu" or len(ticks) < _FIELDS:
        return None
    per_second = os.sysconf("SC_CLK_TCK")
    total = sum(ticks)
    idle = sum(ticks[index] for index in _IDLE)
    return CpuTime(
        busy_seconds=(total - idle) / per_second,
        total_seconds=total / per_second,
    )
