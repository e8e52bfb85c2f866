# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What this amphora has for UDP and SCTP listeners, and what arrives there.

The kernel's ip_vs forwards their packets, keepalived tells it where to, and
Octavia's heartbeats count with ipvsadm (ADR 0134). Whether the kernel has
ip_vs is not read from a list of modules: it is loaded, as
``amphora-netns.service`` does at boot, and looked at.

Layer: agent.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from octavia_anycast.agent import process
from octavia_anycast.agent.frontend import netns
from octavia_anycast.model.wire import LvsReport

LOG = logging.getLogger(__name__)

PROGRAMS = ("keepalived", "ipvsadm")
# What lacks may be installed in a running amphora.
_LOOK_AGAIN_SECONDS = 60.0
_ESTABLISHED, _COLUMNS = 4, 6  # -> ADDRESS FORWARD WEIGHT ACTIVE INACTIVE
_COUNTS_LINE, _COUNTS = 2, 5  # connections, packets in and out, bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LvsPaths:
    """Where programs and the kernel's files are.

    ``namespace_path`` None: the files are those of the namespace that the
    process is in.
    """

    namespace_path: str | None
    folders: tuple[str, ...] = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
    table: str = "/proc/thread-self/net/ip_vs"
    statistics: str = "/proc/thread-self/net/ip_vs_stats"


def packets_of(statistics: str) -> int | None:
    """Packets from and to clients since the namespace was made.

    :param statistics: the text of ``/proc/net/ip_vs_stats``
    """
    lines = statistics.splitlines()
    fields = lines[_COUNTS_LINE].split() if len(lines) > _COUNTS_LINE else []
    try:
        counts = [int(field, 16) for field in fields]
    except ValueError:
        return None
    return counts[1] + counts[2] if len(counts) == _COUNTS else None


def associations_of(table: str) -> int:
    """Count the established SCTP associations.

    :param table: the text of ``/proc/net/ip_vs``: a line for each service,
        and below it one for each of its members
    """
    count, protocol = 0, ""
    for line in table.splitlines():
        fields = line.split()
        if not fields:
            continue
        if fields[0] != "->":
            protocol = fields[0]
        elif protocol == "SCTP" and len(fields) == _COLUMNS:
            count += int(fields[_ESTABLISHED])
    return count


class LvsWatch:
    """Looks when asked; any thread may ask.

    :param load: loads a kernel module by its name
    :param clock: seconds, monotonic
    """

    def __init__(
        self,
        paths: LvsPaths,
        *,
        load: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = paths
        self._load = load or self._modprobe
        self._clock = clock
        self._lock = threading.Lock()
        self._lack: str | None = None
        self._looked_at = 0.0
        self._packets: int | None = None
        self._moved_at = 0.0

    def report(self, *, is_used: bool) -> LvsReport:
        """Report what lacks; where it is used, what arrives, too."""
        with self._lock:
            lack = self._known_lack()
            if lack or not is_used:
                self._packets = None
                return LvsReport(lack=lack)
            return self._traffic()

    def _known_lack(self) -> str:
        now = self._clock()
        is_due = now - self._looked_at >= _LOOK_AGAIN_SECONDS
        if self._lack is None or (self._lack and is_due):
            before, self._lack = self._lack, self._find_lack()
            self._looked_at = now
            if self._lack != before:
                said = self._lack or "nothing lacks"
                LOG.info("For UDP and SCTP listeners: %s", said)
        return self._lack

    def _find_lack(self) -> str:
        found = []
        missing = [name for name in PROGRAMS if not self._program(name)]
        if missing:
            found.append(f"the image has no {' and no '.join(missing)}")
        if not os.path.exists(self._paths.table):
            self._load("ip_vs")
        if not os.path.exists(self._paths.table):
            release = os.uname().release
            found.append(f"its kernel {release} has no ip_vs that loads")
        return ", and ".join(found)

    def _program(self, name: str) -> str:
        for folder in self._paths.folders:
            path = os.path.join(folder, name)
            if os.access(path, os.X_OK):
                return path
        return ""

    def _modprobe(self, module: str) -> None:
        program = self._program("modprobe")
        if program:
            process.run((program, "--quiet", module), level=logging.DEBUG)

    def _traffic(self) -> LvsReport:
        """Report what arrives.

        A packet counts as having come when it was seen: asked seldom, it
        says less, and never more.
        """
        now = self._clock()
        try:
            statistics, table = self._read()
            packets = packets_of(statistics)
        except OSError as e:
            LOG.warning("The counters of ip_vs cannot be read: %s", e)
            packets, table = None, ""
        if packets is None:
            self._packets = None
            return LvsReport()
        if packets != self._packets:
            self._packets, self._moved_at = packets, now
        return LvsReport(
            associations=associations_of(table),
            quiet_seconds=now - self._moved_at,
        )

    def _read(self) -> tuple[str, str]:
        if self._paths.namespace_path is None:
            return self._read_here()
        return netns.call_in(self._paths.namespace_path, self._read_here)

    def _read_here(self) -> tuple[str, str]:
        texts = []
        for path in (self._paths.statistics, self._paths.table):
            with open(path, encoding="ascii") as stream:
                texts.append(stream.read())
        return texts[0], texts[1]
