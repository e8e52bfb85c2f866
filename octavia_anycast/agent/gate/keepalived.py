# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whether keepalived runs for each UDP and SCTP listener (ADR 0011).

The kernel's ip_vs forwards, keepalived tells it where to: one process for
each listener, which Octavia's agent starts. There is no socket to look at.

Layer: agent. Looks only.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from octavia_anycast.agent.daemon_process import DaemonProcess
from octavia_anycast.agent.gate.gate import Sample, Verdict

_PROGRAM = "keepalived"
# Where the kernel lacks ip_vs, keepalived starts and ends at once; such a one
# must not count as lost, or it would withdraw what is served beside it.
_SETTLED_SECONDS = 1.0


class KeepalivedPaths(Protocol):
    """Where Octavia's agent keeps the files of one listener."""

    def lvs_pid(self, listener_id: str) -> str:
        """The pid file."""

    def lvs_configuration(self, listener_id: str) -> str:
        """The configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """One writing of a file."""

    inode: int
    modified_ns: int


class _Listener:
    """keepalived of one listener.

    A changed listener means a new keepalived: Octavia's agent writes the
    configuration and restarts the process. So a process that died after its
    configuration was written anew is no verdict yet, but UNKNOWN.
    """

    def __init__(self, listener_id: str, paths: KeepalivedPaths) -> None:
        self._id = listener_id
        self._configuration_path = paths.lvs_configuration(listener_id)
        self._version: _Version | None = None
        self._found_at = 0.0
        self.process = DaemonProcess(paths.lvs_pid(listener_id), _PROGRAM)
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
            return Sample(verdict=Verdict.GOOD)
        if before and self._read_version() != self._version:
            return Sample(
                verdict=Verdict.UNKNOWN,
                reason=f"keepalived of listener {self._id} is restarted",
            )
        return Sample(
            verdict=Verdict.BAD,
            reason=f"keepalived of listener {self._id} does not run",
            is_fatal=self.has_run,
        )

    def _read_version(self) -> _Version | None:
        try:
            found = os.stat(self._configuration_path)
        except OSError:
            return None
        return _Version(inode=found.st_ino, modified_ns=found.st_mtime_ns)


class KeepalivedWatch:
    """Remembers for which of the expected listeners keepalived has run."""

    def __init__(self, paths: KeepalivedPaths) -> None:
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
            samples = [_excused(sample) for sample in samples]
        return worst(samples)

    def descriptors(self) -> Iterator[int]:
        """What becomes readable when a process dies."""
        for listener in self._listeners.values():
            if listener.process.pidfd is not None:
                yield listener.process.pidfd

    def close(self) -> None:
        """Let go of everything."""
        for listener in self._listeners.values():
            listener.process.close()
        self._listeners = {}


def _excused(sample: Sample) -> Sample:
    if sample.verdict is not Verdict.BAD or sample.is_fatal:
        return sample
    return Sample(verdict=Verdict.PARTIAL, reason=sample.reason)


_ORDER = (Verdict.GOOD, Verdict.PARTIAL, Verdict.UNKNOWN, Verdict.BAD)


def worst(samples: list[Sample]) -> Sample:
    """The one that decides; GOOD if there is none."""
    return max(
        samples,
        key=lambda sample: (_ORDER.index(sample.verdict), sample.is_fatal),
        default=Sample(verdict=Verdict.GOOD),
    )
