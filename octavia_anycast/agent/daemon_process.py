# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A daemon that somebody else starts, held by a pidfd (pidfd_open(2)).

Layer: agent. Looks only.
"""

import os
import select
from contextlib import suppress

# Stopped by a signal or by a tracer (proc_pid_stat(5)). A zombie is not
# among them: a worker that a reload has ended is one for a moment.
STOPPED = frozenset("Tt")


def state_of(pid: int, program: str) -> str:
    """The kernel's letter for the state of a process of this program.

    Empty if there is no such process, or the number is another's by now.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
            text = stream.read()
    except OSError:
        return ""
    # The name is in parentheses and may have any character in it.
    head, _, rest = text.rpartition(")")
    name = head.partition("(")[2]
    return rest.split()[0] if name.startswith(program) else ""


class DaemonProcess:
    """The process that a pid file names, if it is of this program."""

    def __init__(self, pid_path: str, program: str) -> None:
        self._pid_path = pid_path
        self._program = program
        self.pidfd: int | None = None
        # How many processes were found in turn.
        self.found_count = 0

    def is_running(self) -> bool:
        """Whether it runs; finds the next one after the last has died."""
        if self.pidfd is not None:
            poller = select.poll()
            poller.register(self.pidfd, select.POLLIN)
            if not poller.poll(0):
                return True
            self.close()
        self.pidfd = self._open()
        return self.pidfd is not None

    def _open(self) -> int | None:
        try:
            with open(self._pid_path, encoding="ascii") as stream:
                pid = int(stream.readline())
            pidfd = os.pidfd_open(pid)
        except (OSError, ValueError):
            return None
        # The number may be another's by now; the pidfd pins it for the look.
        with suppress(OSError):
            with open(f"/proc/{pid}/comm", encoding="utf-8") as stream:
                name = stream.read().strip()
            if name.startswith(self._program):
                self.found_count += 1
                return pidfd
        os.close(pidfd)
        return None

    def close(self) -> None:
        """Let go of it."""
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
