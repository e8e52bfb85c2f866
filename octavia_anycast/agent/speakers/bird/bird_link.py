# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One connection to BIRD's control socket, as birdc has it.

A command is a line. The answer's lines begin with a code of four digits and
``-`` (more follow) or a space (the last one); a line that begins with a space
goes on with the code before it.

Layer: agent. Blocks, but never for longer than it was told.
"""

import socket
import time

from octavia_anycast.agent.speakers.bird.bird_syntax import Reply

_CODE_LENGTH = 4
_CHUNK = 262_144


class LinkLost(Exception):
    """The connection ended or could not be made."""


class NoAnswer(LinkLost):
    """BIRD is there but does not answer."""


class BirdLink:
    """A connection; made in the constructor.

    :raises LinkLost: nobody listens, or it went; :class:`NoAnswer` if BIRD
        did not answer within ``timeout_seconds``.
    """

    def __init__(self, path: str, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._received = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_seconds)
        try:
            self._socket.connect(path)
            self._read_reply()  # its greeting
        except OSError as e:
            self.close()
            raise LinkLost(str(e)) from e
        except LinkLost:
            self.close()
            raise

    def ask(self, command: str) -> Reply:
        """Give a command and wait for the answer.

        :raises LinkLost: see the class.
        """
        try:
            self._socket.settimeout(self._timeout_seconds)
            self._socket.sendall(f"{command}\n".encode("ascii"))
        except TimeoutError as e:
            raise NoAnswer(str(e)) from e
        except OSError as e:
            raise LinkLost(str(e)) from e
        return self._read_reply()

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def _read_reply(self) -> Reply:
        deadline = time.monotonic() + self._timeout_seconds
        entries: list[tuple[int, list[str]]] = []
        while True:
            line = self._read_line(deadline)
            if line.startswith("+"):  # a message to all, not an answer
                continue
            if line.startswith(" "):
                if entries:
                    entries[-1][1].append(line[1:])
                continue
            try:
                code = int(line[:_CODE_LENGTH])
            except ValueError as e:
                raise LinkLost(f"it is no answer: {line[:80]!r}") from e
            entries.append((code, [line[_CODE_LENGTH + 1 :]]))
            if line[_CODE_LENGTH : _CODE_LENGTH + 1] != "-":
                return Reply(
                    lines=tuple((code, "\n".join(t)) for code, t in entries)
                )

    def _read_line(self, deadline: float) -> str:
        while b"\n" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0:
                raise NoAnswer("it does not answer")
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(_CHUNK)
            except TimeoutError as e:
                raise NoAnswer("it does not answer") from e
            except OSError as e:
                raise LinkLost(str(e)) from e
            if not data:
                raise LinkLost("it was closed")
            self._received += data
        line, self._received = self._received.split(b"\n", 1)
        return line.decode("ascii", "replace")
