# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whether the sockets that HAProxy should hold open are open (ADR 0011).

Layer: agent. Pure: what listens is handed in.
"""

from collections.abc import Iterable, Mapping

from octavia_anycast.agent.gate import Sample, Verdict
from octavia_anycast.agent.netlink import TcpSocket
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import ListenerSocket

_Key = tuple[IPAddress, int]


class ListenerWatch:
    """Remembers which of the expected sockets have been seen open."""

    def __init__(self) -> None:
        self._served: set[_Key] = set()

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
    found = sockets.get((listener.ip_address, listener.port))
    if found is None:
        found = next(
            (
                s
                for (ip, port), s in sockets.items()
                if port == listener.port and ip.is_unspecified
            ),
            None,
        )
    name = f"{listener.ip_address} port {listener.port}"
    if found is None:
        return f"nothing listens on {name}"
    if found.backlog >= found.backlog_max > 0:
        return f"nothing accepts connections on {name}"
    return ""
