# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""HAProxy's sockets: those of its listeners, and that of its statistics.

What listens is compared with what should (ADR 0011); HAProxy is asked a short
question now and then.

Layer: agent. Never blocks.
"""

import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from octavia_anycast.agent.frontend.netlink import TcpSocket
from octavia_anycast.agent.gate.gate import GOOD, Sample, bad, partial, unknown
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import GateSettings, ListenerSocket

_PID = re.compile(rb"^Pid: (\d+)$", re.MULTILINE)
# One section of peers, and the flags of its stick tables' exchange.
_PEERS = re.compile(rb"^0x[0-9a-f]+: .* id=.* flags=0x([0-9a-f]+) ", re.M)
_REMOTE = b"(remote,"
# "Learn from local" and "from remote", finished or given up: in HAProxy's
# peers-t.h, PEERS_RESYNC_FINISHED. HAProxy gives up by itself in ten seconds.
_LEARNT = 0x3
_LEARNING_SECONDS = 15.0
_Key = tuple[IPAddress, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Connections that wait at a socket, from which none is taken.

    ``since``: seconds, monotonic, when the queue last got shorter or began.
    """

    name: str
    count: int
    since: float

    def milliseconds(self, now: float) -> float:
        """How long they have waited."""
        return (now - self.since) * 1000


class ListenerWatch:
    """Remembers which of the expected sockets have been seen open."""

    def __init__(self) -> None:
        self._served: set[_Key] = set()
        self._waiting: dict[_Key, Waiting] = {}
        # What was looked at last, and what that said.
        self._seen: tuple[object, object] = None, None
        self._said: tuple[Waiting | None, Sample] = None, GOOD

    def look_at_both(
        self,
        sockets: tuple[TcpSocket, ...],
        listeners: tuple[ListenerSocket, ...],
        now: float,
    ) -> tuple[Waiting | None, Sample]:
        """Queues and sockets: :meth:`waiting` and :meth:`look`.

        The same sockets again, as an object, say the same again.
        """
        seen = self._seen
        if seen[0] is not sockets or seen[1] is not listeners:
            self._said = (
                self.waiting(sockets, listeners, now),
                self.look(sockets, listeners),
            )
            self._seen = sockets, listeners
        return self._said

    def waiting(
        self,
        sockets: Iterable[TcpSocket],
        listeners: tuple[ListenerSocket, ...],
        now: float,
    ) -> Waiting | None:
        """The queue from which nothing has been accepted for longest.

        Connections leave an accept queue only when they are accepted, even
        those whose clients have gone: from a queue that does not get shorter
        nothing is accepted.
        """
        found = {(s.ip_address, s.port): s for s in sockets}
        before, self._waiting = self._waiting, {}
        for listener in listeners:
            queue = _socket_of(found, listener)
            if queue is None or not queue.backlog:
                continue
            key = (queue.ip_address, queue.port)
            last = before.get(key)
            is_older = last is not None and queue.backlog >= last.count
            self._waiting[key] = Waiting(
                name=_name(listener),
                count=queue.backlog,
                since=last.since if last and is_older else now,
            )
        return min(
            self._waiting.values(), key=lambda one: one.since, default=None
        )

    def look(
        self,
        sockets: Iterable[TcpSocket],
        listeners: tuple[ListenerSocket, ...],
    ) -> Sample:
        """Compare what listens with what should.

        PARTIAL if only what never was open is missing: HAProxy goes on with
        its old configuration if it cannot load a new one.
        """
        found = {(s.ip_address, s.port): s for s in sockets}
        problems = {
            (listener.ip_address, listener.port): _problem(found, listener)
            for listener in listeners
        }
        self._served &= problems.keys()
        self._served |= {key for key, text in problems.items() if not text}
        wrong = {key: text for key, text in problems.items() if text}
        if not wrong:
            return GOOD
        lost = [text for key, text in wrong.items() if key in self._served]
        if lost or not self._served:
            return bad(next(iter(lost or wrong.values())))
        return partial(next(iter(wrong.values())))


def _problem(
    sockets: Mapping[_Key, TcpSocket], listener: ListenerSocket
) -> str:
    found = _socket_of(sockets, listener)
    if found is None:
        return f"nothing listens on {_name(listener)}"
    if found.backlog >= found.backlog_max > 0:
        return f"nothing accepts connections on {_name(listener)}"
    return ""


def _name(listener: ListenerSocket) -> str:
    return f"{listener.ip_address} port {listener.port}"


def _socket_of(
    sockets: Mapping[_Key, TcpSocket], listener: ListenerSocket
) -> TcpSocket | None:
    found = sockets.get((listener.ip_address, listener.port))
    if found is not None:
        return found
    return next(
        (
            s
            for (ip, port), s in sockets.items()
            if port == listener.port and ip.is_unspecified
        ),
        None,
    )


class StatsSocket:
    """HAProxy's statistics socket, asked again and again.

    ``settings`` say how often, and how long HAProxy may take to answer: an
    amphora with a busy CPU is slow, not dead. If that is too short, a whole
    cluster withdraws.
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
        """Look, and make a sample of the answer."""
        self.look(now)
        if self.problem is None:
            return unknown("HAProxy did not answer yet")
        return bad(self.problem) if self.problem else GOOD

    def peers(self) -> Sample | None:
        """Whether a client would find its member here; None without peers.

        PARTIAL until then: no new VIP is announced, and none is withdrawn.
        """
        if self.has_learnt is None:
            return None
        if self.has_learnt:
            return GOOD
        return partial("the stick tables of the peers are not here yet")

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
