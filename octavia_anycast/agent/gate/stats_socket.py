# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""HAProxy's statistics socket, asked now and then.

Layer: agent. Never blocks.
"""

import re
import socket

from octavia_anycast.agent.gate.gate import Sample, Verdict
from octavia_anycast.model.wire import GateSettings

_PID = re.compile(rb"^Pid: (\d+)$", re.MULTILINE)
# One section of peers, and the flags of its stick tables' exchange.
_PEERS = re.compile(rb"^0x[0-9a-f]+: .* id=.* flags=0x([0-9a-f]+) ", re.M)
_REMOTE = b"(remote,"
# "Learn from local" and "from remote", finished or given up: in HAProxy's
# peers-t.h, PEERS_RESYNC_FINISHED. HAProxy gives up by itself in ten seconds.
_LEARNT = 0x3
_LEARNING_SECONDS = 15.0


class StatsSocket:
    """Asks HAProxy a short question now and then; never blocks.

    How often, and how long it may think: an amphora with a busy CPU is slow,
    not dead. Too short, and a whole cluster withdraws.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.socket: socket.socket | None = None
        self.settings = GateSettings()
        self._asked_at = 0.0
        self._next_at = 0.0
        # None before the first answer, empty after a good one.
        self.problem: str | None = None
        # The process that serves: the master's child of the last reload.
        self.pid: int | None = None
        # Whether its stick tables are those of its peers; None without any.
        self.has_learnt: bool | None = None
        self._learns_since: float | None = None
        self._answer = b""

    def look(self, now: float) -> None:
        """Ask, or read the answer; ``now`` in seconds, monotonic."""
        if self.socket is None:
            if now >= self._next_at:
                self._ask(now)
            return
        try:
            more = self.socket.recv(65_536)
        except BlockingIOError:
            waited_ms = (now - self._asked_at) * 1000
            if waited_ms > self.settings.answer_timeout_ms:
                self._end(now, "HAProxy does not answer on its socket")
            return
        except OSError:
            more = b""
        if more:
            self._answer += more
            self.problem = ""
        elif self._answer:
            self._understand(self._answer, now)
            self._end(now, "")
        else:
            self._end(now, "HAProxy closed its socket unanswered")

    def _understand(self, answer: bytes, now: float) -> None:
        found = _PID.search(answer)
        if found:
            self.pid = int(found[1])
        peers = _PEERS.search(answer)
        if peers is None or _REMOTE not in answer:
            self.has_learnt = self._learns_since = None
        elif int(peers[1], 16) & _LEARNT == _LEARNT:
            self.has_learnt, self._learns_since = True, None
        else:
            self._learns_since = self._learns_since or now
            waited = now - self._learns_since
            self.has_learnt = waited > _LEARNING_SECONDS

    def waits_ms(self, now: float) -> float:
        """For how long an answer is awaited; 0 if none is."""
        if self.socket is None or self._answer:
            return 0.0
        return (now - self._asked_at) * 1000

    def hurry(self) -> None:
        """Have the next question asked at the next look."""
        self._next_at = 0.0

    def sample(self, now: float) -> Sample:
        """Look, and say what it means."""
        self.look(now)
        if self.problem:
            return Sample(verdict=Verdict.BAD, reason=self.problem)
        if self.problem is None:
            return Sample(
                verdict=Verdict.UNKNOWN, reason="HAProxy did not answer yet"
            )
        return Sample(verdict=Verdict.GOOD)

    def peers(self) -> Sample | None:
        """Whether a client would find its member here; None without peers.

        PARTIAL until then: it lets nothing new out and takes nothing away.
        """
        if self.has_learnt is None:
            return None
        if self.has_learnt:
            return Sample(verdict=Verdict.GOOD)
        return Sample(
            verdict=Verdict.PARTIAL,
            reason="the stick tables of the peers are not here yet",
        )

    def _ask(self, now: float) -> None:
        self._asked_at = now
        self._answer = b""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        try:
            self.socket.connect(self._path)
            self.socket.send(b"show info;show peers\n")
        except OSError as e:
            self._end(now, f"HAProxy's socket cannot be used: {e.strerror}")

    def _end(self, now: float, problem: str) -> None:
        self.close()
        self.problem = problem
        pause = self.settings.answer_interval_ms / 1000
        self._next_at = now + (0.0 if problem else pause)

    def close(self) -> None:
        """Drop the connection."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def forget(self) -> None:
        """Drop the connection, and all that was learnt."""
        self.close()
        self.problem = self.pid = None
        self.has_learnt = self._learns_since = None
