# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whether amphorae live: connections that are closed as soon as they are made.

An amphora's kernel answers, however busy its programs are, so this costs
neither side a TLS handshake. A refused connection is an answer, too.

Layer: agent_client.
"""

import errno
import selectors
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

_Address = IPv4Address | IPv6Address
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK)
_ANSWERS = (0, errno.ECONNREFUSED)
# Closed at once: a connection that waits for its end would cost a port.
_LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class _Knock:
    """A connection under way."""

    amphora_id: str
    connection: socket.socket
    deadline: float


class Knocking:
    """Knocks at amphorae's ports; for one thread.

    :param port: TCP, of each amphora
    :param patience: seconds after which an answer is none any more
    """

    def __init__(self, *, port: int, patience: float) -> None:
        self._port = port
        self._patience = patience
        self._selector = selectors.DefaultSelector()
        self._under_way: list[_Knock] = []

    def knock(
        self, addresses: Mapping[str, _Address], seconds: float
    ) -> set[str]:
        """Knock at each once, and take answers for so long.

        :param addresses: amphora_id -> where it is
        :returns: the ids of those that answered, to this knock or to one
            before
        """
        answered: set[str] = set()
        for amphora_id, address in addresses.items():
            if self._begin(amphora_id, str(address)):
                answered.add(amphora_id)
        until = time.monotonic() + seconds
        is_over = False
        while not is_over:
            left = until - time.monotonic()
            # Once when time is over, too: this process may have been paused.
            is_over = left <= 0
            answered |= self._take_answers(max(0.0, left))
        self._forget()
        return answered

    def _take_answers(self, seconds: float) -> set[str]:
        """Wait for some answer; return the ids of those that answered."""
        answered = set()
        for key, _ in self._selector.select(seconds):
            knock: _Knock = key.data
            error = knock.connection.getsockopt(
                socket.SOL_SOCKET, socket.SO_ERROR
            )
            if error in _ANSWERS:
                answered.add(knock.amphora_id)
            self._end(knock)
        return answered

    def close(self) -> None:
        """Give all of them up."""
        for knock in list(self._under_way):
            self._end(knock)
        self._selector.close()

    def _begin(self, amphora_id: str, address: str) -> bool:
        """Begin a connection; returns whether it was answered at once."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        error = connection.connect_ex((address, self._port))
        if error not in _UNDER_WAY:
            connection.close()
            return error in _ANSWERS
        knock = _Knock(
            amphora_id, connection, time.monotonic() + self._patience
        )
        self._selector.register(connection, selectors.EVENT_WRITE, knock)
        self._under_way.append(knock)
        return False

    def _end(self, knock: _Knock) -> None:
        with suppress(KeyError):
            self._selector.unregister(knock.connection)
        knock.connection.close()
        self._under_way.remove(knock)

    def _forget(self) -> None:
        now = time.monotonic()
        for knock in [k for k in self._under_way if k.deadline < now]:
            self._end(knock)
