# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whether the sockets that HAProxy should hold open are open (ADR 0011).

Layer: agent. Pure: what listens is handed in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from octavia_anycast.agent.frontend.netlink import TcpSocket
from octavia_anycast.agent.gate.gate import Sample, Verdict
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import ListenerSocket

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
        """For how long."""
        return (now - self.since) * 1000


class ListenerWatch:
    """Remembers which of the expected sockets have been seen open."""

    def __init__(self) -> None:
        self._served: set[_Key] = set()
        self._waiting: dict[_Key, Waiting] = {}

    def waiting(
        self,
        sockets: Iterable[TcpSocket],
        listeners: tuple[ListenerSocket, ...],
        now: float,
    ) -> Waiting | None:
        """The queue from which nothing has been accepted for longest.

        Connections leave an accept queue only when they are accepted, even
        those whose clients have gone: one that does not get shorter is one
        that nobody works on.
        """
        found = {(s.ip_address, s.port): s for s in sockets}
        before, self._waiting = self._waiting, {}
        for listener in listeners:
            socket = _socket_of(found, listener)
            if socket is None or not socket.backlog:
                continue
            key = (socket.ip_address, socket.port)
            last = before.get(key)
            is_shorter = last is None or socket.backlog < last.count
            since = now if last is None or is_shorter else last.since
            self._waiting[key] = Waiting(
                name=_name(listener), count=socket.backlog, since=since
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
            return Sample(verdict=Verdict.GOOD)
        lost = [text for key, text in wrong.items() if key in self._served]
        if lost or not self._served:
            reason = next(iter(lost or wrong.values()))
            return Sample(verdict=Verdict.BAD, reason=reason)
        return Sample(
            verdict=Verdict.PARTIAL, reason=next(iter(wrong.values()))
        )


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
    """The socket at the listener's address, or at every address."""
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
