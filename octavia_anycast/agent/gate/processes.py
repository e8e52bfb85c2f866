# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whether the daemons run that Octavia's agent starts (ADR 0011).

HAProxy serves the TCP listeners. For UDP and SCTP the kernel's ip_vs
forwards, and keepalived tells it where to: one process for each listener.
There is no socket to look at.

Layer: agent. Looks only.
"""

import os
import select
from collections.abc import Iterator
from dataclasses import dataclass

from octavia_anycast.agent.gate.gate import (
    GOOD,
    Sample,
    Verdict,
    bad,
    partial,
    unknown,
    worst,
)

# Stopped by a signal or by a tracer (proc_pid_stat(5)). A zombie is not
# among them: a worker that a reload has ended is one for a moment.
STOPPED = frozenset("Tt")
# Where the kernel lacks ip_vs, keepalived starts and ends at once; such a one
# must not count as lost, or it would withdraw what is served beside it.
_SETTLED_SECONDS = 1.0
_STAT_MAX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePaths:
    """Where Octavia's agent runs HAProxy and keepalived."""

    base: str = "/var/lib/octavia"
    namespace_path: str = "/run/netns/amphora-haproxy"
    lvs_table: str = "/proc/thread-self/net/ip_vs"

    def pid(self, load_balancer_id: str) -> str:
        """HAProxy's pid file: the master's, which outlives a reload."""
        return f"{self.base}/{load_balancer_id}/{load_balancer_id}.pid"

    def stats(self, load_balancer_id: str) -> str:
        """HAProxy's statistics socket."""
        return f"{self.base}/{load_balancer_id}.sock"

    def lvs_pid(self, listener_id: str) -> str:
        """The pid file of the keepalived of one UDP or SCTP listener."""
        return f"{self.base}/lvs/octavia-keepalivedlvs-{listener_id}.pid"

    def lvs_configuration(self, listener_id: str) -> str:
        """Its configuration: Octavia's agent writes it, then restarts it."""
        return f"{self.base}/lvs/octavia-keepalivedlvs-{listener_id}.conf"


def state_of(pid: int, program: str) -> str:
    """The kernel's letter for the state of a process of this program.

    Empty if there is no such process, or the number is another's by now.
    """
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(descriptor, _STAT_MAX).decode("utf-8", "replace")
        finally:
            os.close(descriptor)
    except OSError:
        return ""
    # The name is in parentheses and may have any character in it.
    head, _, rest = text.rpartition(")")
    name = head.partition("(")[2]
    return rest.split()[0] if name.startswith(program) else ""


class DaemonProcess:
    """The process that a pid file names, if it is of this program.

    It is held by a pidfd (pidfd_open(2)).
    """

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
        if state_of(pid, self._program):
            self.found_count += 1
            return pidfd
        os.close(pidfd)
        return None

    def close(self) -> None:
        """Close its pidfd."""
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None


class _Listener:
    """keepalived of one listener.

    A changed listener means a new keepalived: Octavia's agent writes the
    configuration and restarts the process. So a process that died after its
    configuration was written anew is no verdict yet, but UNKNOWN.
    """

    def __init__(self, listener_id: str, paths: ProbePaths) -> None:
        self._id = listener_id
        self._configuration_path = paths.lvs_configuration(listener_id)
        self._version: tuple[int, int] | None = None
        self._found_at = 0.0
        self.process = DaemonProcess(paths.lvs_pid(listener_id), "keepalived")
        # Whether a process was ever found that stayed.
        self.has_run = False

    def look(self, now: float) -> Sample:
        """Look at the process; BAD is fatal for one that has run."""
        before = self.process.found_count
        if self.process.is_running():
            if self.process.found_count != before:
                self._version = self._read_version()
                self._found_at = now
            if now - self._found_at >= _SETTLED_SECONDS:
                self.has_run = True
            return GOOD
        if before and self._read_version() != self._version:
            return unknown(
                f"keepalived of listener {self._id} is restarted",
                subject=self._id,
            )
        return bad(
            f"keepalived of listener {self._id} does not run",
            is_fatal=self.has_run,
        )

    def _read_version(self) -> tuple[int, int] | None:
        """One writing of the configuration: inode, when."""
        try:
            found = os.stat(self._configuration_path)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


class KeepalivedWatch:
    """Remembers for which of the expected listeners keepalived has run."""

    def __init__(self, paths: ProbePaths) -> None:
        self._paths = paths
        self._listeners: dict[str, _Listener] = {}

    def look(
        self, listener_ids: tuple[str, ...], now: float, *, has_others: bool
    ) -> Sample:
        """Look at all of these, and forget the rest.

        As with HAProxy's sockets, one that never ran is PARTIAL beside what
        is served. ``has_others``: there are listeners of HAProxy too;
        ``now`` in seconds, monotonic.
        """
        for gone in self._listeners.keys() - set(listener_ids):
            self._listeners.pop(gone).process.close()
        samples = []
        for identifier in listener_ids:
            if identifier not in self._listeners:
                self._listeners[identifier] = _Listener(
                    identifier, self._paths
                )
            samples.append(self._listeners[identifier].look(now))
        if (
            has_others
            or any(sample.verdict is Verdict.GOOD for sample in samples)
            or any(listener.has_run for listener in self._listeners.values())
        ):
            samples = [
                partial(s.reason)
                if s.verdict is Verdict.BAD and not s.is_fatal
                else s
                for s in samples
            ]
        return worst(samples)

    def found_counts(self) -> dict[str, int]:
        """listener_id -> how many processes were found for it in turn."""
        return {
            identifier: listener.process.found_count
            for identifier, listener in self._listeners.items()
        }

    def descriptors(self) -> Iterator[int]:
        """What becomes readable when a process dies."""
        for listener in self._listeners.values():
            if listener.process.pidfd is not None:
                yield listener.process.pidfd

    def close(self) -> None:
        """Release all processes."""
        for listener in self._listeners.values():
            listener.process.close()
        self._listeners = {}
