# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The conversation with ExaBGP's API process: commands, answers, events.

Answers come in the order of the commands. An answer is any number of lines
and then ``done`` or ``error``; a line of JSON in between is an event.

Layer: agent.
"""

import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Finish = Callable[[bool, list[str]], None]


@dataclass(slots=True)
class _Request:
    command: str
    finish: Finish
    lines: list[str]


class LinkLost(Exception):
    """ExaBGP or its API process is gone."""


class ExabgpLink:
    """One connection; for one thread.

    :raises LinkLost: from every method, also from the constructor.
    """

    def __init__(self, path: str, take_event: Callable[[str], None]) -> None:
        self._take_event = take_event
        self._received = b""
        self._to_send = bytearray()
        self._requests: deque[_Request] = deque()
        self.progressed_at = time.monotonic()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as e:
            self._socket.close()
            raise LinkLost(str(e)) from e
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    @property
    def has_to_send(self) -> bool:
        """Whether the socket did not take all yet."""
        return bool(self._to_send)

    @property
    def is_idle(self) -> bool:
        """Whether every command is answered."""
        return not self._requests

    def ask(self, command: str, finish: Finish) -> None:
        """Send a command; ``finish(is_done, lines)`` when it is answered."""
        if self.is_idle:
            self.progressed_at = time.monotonic()
        self._requests.append(_Request(command, finish, []))
        self._to_send += command.encode() + b"\n"

    def flush(self) -> None:
        """Send what the socket takes."""
        if not self._to_send:
            return
        try:
            sent = self._socket.send(self._to_send)
        except BlockingIOError:
            return
        except OSError as e:
            raise LinkLost(str(e)) from e
        del self._to_send[:sent]

    def read(self) -> None:
        """Take what has arrived."""
        try:
            data = self._socket.recv(262_144)
        except BlockingIOError:
            return
        except OSError as e:
            raise LinkLost(str(e)) from e
        if not data:
            raise LinkLost("it was closed")
        lines = (self._received + data).split(b"\n")
        self._received = lines.pop()
        for line in lines:
            self._take(line.decode("ascii", "replace"))

    def _take(self, line: str) -> None:
        if line.startswith("{"):
            self._take_event(line)
            return
        self.progressed_at = time.monotonic()
        if not self._requests:
            return
        answer = line.strip()
        if answer not in ("done", "error"):
            self._requests[0].lines.append(line)
            return
        request = self._requests.popleft()
        request.finish(answer == "done", request.lines)

    def close(self) -> None:
        """Close it; unanswered commands stay so."""
        self._socket.close()
