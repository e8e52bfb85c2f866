# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""ExaBGP's API process: its pipes on one side, a unix socket on the other.

ExaBGP stops when its API process dies too often, and blocks when nobody
reads what it writes. So this process does next to nothing, always reads, and
outlives the clients that come and go (one at a time; the newest wins).

Each command is answered by one line ``done`` or ``error``, in order. Answers
that a client left unread are dropped before the next one gets a byte.

Layer: agent. Standard library only; it must start fast.
"""

import os
import selectors
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial

_CHUNK = 65_536
# A client that does not read is cut off: it asks for everything again.
_CLIENT_BUFFER_MAX = 8 * 1024 * 1024
_COMMAND_BUFFER_MAX = 1024 * 1024
_ANSWERS = (b"done", b"error")


class Relay:
    """Copies lines between two pipes and the client of a unix socket."""

    def __init__(
        self, listener: socket.socket, stdin: int, stdout: int
    ) -> None:
        self._listener = listener
        self._stdin = stdin
        self._stdout = stdout
        self._selector = selectors.DefaultSelector()
        self._client: socket.socket | None = None
        self._from_speaker = b""
        self._from_client = b""
        self._to_client = bytearray()
        self._to_speaker = bytearray()
        # Commands of this client, and of former ones, not answered yet.
        self._unanswered = 0
        self._stale = 0
        self._is_done = False

    def run(self) -> None:
        """Copy until ExaBGP closes its end."""
        os.set_blocking(self._stdin, False)
        os.set_blocking(self._stdout, False)
        self._listener.setblocking(False)
        self._selector.register(self._stdin, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        while not self._is_done:
            for key, events in self._selector.select():
                self._dispatch(key.fileobj, events)

    def _dispatch(self, source: object, events: int) -> None:
        if source is self._listener:
            self._accept()
        elif source == self._stdin:
            self._read_speaker()
        elif source == self._stdout:
            self._write_speaker()
        elif source is self._client:
            if events & selectors.EVENT_WRITE:
                self._write_client()
            if events & selectors.EVENT_READ and self._client:
                self._read_client()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        self._drop_client()
        client.setblocking(False)
        self._client = client
        self._selector.register(client, selectors.EVENT_READ)

    def _drop_client(self) -> None:
        if self._client is None:
            return
        self._selector.unregister(self._client)
        self._client.close()
        self._client = None
        self._stale += self._unanswered
        self._unanswered = 0
        self._from_client = b""
        self._to_client.clear()

    def _read_speaker(self) -> None:
        try:
            data = os.read(self._stdin, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._is_done = True
            return
        lines = (self._from_speaker + data).split(b"\n")
        self._from_speaker = lines.pop()
        for line in lines:
            self._pass_on(line)
        self._write_client()

    def _pass_on(self, line: bytes) -> None:
        is_answer = line.strip() in _ANSWERS
        if self._stale:
            self._stale -= is_answer
            return
        self._unanswered -= is_answer
        if self._client is None:
            return
        self._to_client += line + b"\n"
        if len(self._to_client) > _CLIENT_BUFFER_MAX:
            self._drop_client()

    def _write_client(self) -> None:
        if self._client is None:
            return
        try:
            _flush(self._to_client, self._client.send)
        except OSError:
            self._drop_client()
            return
        events = selectors.EVENT_READ
        if self._to_client:
            events |= selectors.EVENT_WRITE
        self._selector.modify(self._client, events)

    def _read_client(self) -> None:
        assert self._client is not None
        try:
            data = self._client.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or len(self._from_client) > _COMMAND_BUFFER_MAX:
            self._drop_client()
            return
        # Whole lines only: a client that dies in the middle of a command
        # must not leave half of one in the pipe.
        lines = (self._from_client + data).split(b"\n")
        self._from_client = lines.pop()
        for line in lines:
            self._unanswered += 1
            self._to_speaker += line + b"\n"
        self._write_speaker()

    def _write_speaker(self) -> None:
        _flush(self._to_speaker, partial(os.write, self._stdout))
        is_registered = self._stdout in self._selector.get_map()
        if self._to_speaker and not is_registered:
            self._selector.register(self._stdout, selectors.EVENT_WRITE)
        elif not self._to_speaker and is_registered:
            self._selector.unregister(self._stdout)


def _flush(buffer: bytearray, send: Callable[[bytearray], int]) -> None:
    with suppress(BlockingIOError):
        if buffer:
            del buffer[: send(buffer)]


def listen(path: str) -> socket.socket:
    """Make the socket; only the owner (and root) may connect."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    temporary = f"{path}.{os.getpid()}"
    listener.bind(temporary)
    os.chmod(temporary, 0o600)
    listener.listen(4)
    os.rename(temporary, path)  # in place of one that a crash left
    return listener


def main() -> None:
    """Entry point: ``octavia-anycast-exabgp-relay SOCKET``."""
    if len(sys.argv) != 2:
        sys.exit("usage: octavia-anycast-exabgp-relay SOCKET")
    Relay(listen(sys.argv[1]), stdin=0, stdout=1).run()


if __name__ == "__main__":
    main()
