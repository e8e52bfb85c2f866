# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Back-end servers: small HTTP servers which say who they are.

Runs as ``python -m octavia_anycast_lab.traffic.members NAME PORT`` in the
member's namespace, on IPv4 and IPv6. Speaks as much HTTP/1.1 as a load
balancer needs: keep-alive, pipelining, request bodies with a length, HEAD.
Each answer to ``GET /login`` gives a cookie ``session`` of its own.
"""

import asyncio
import re
import secrets
import socket
import sys

from octavia_anycast_lab import settings
from octavia_anycast_lab.traffic import held
from octavia_anycast_lab.traffic.member_server import MemberServer

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_LOGIN = b"GET /login "
_HEAD_LIMIT = 64 * 1024
SERVER = MemberServer(
    module=__name__,
    port=settings.MEMBER_PORT,
    arguments=(str(settings.MEMBER_PORT),),
)


class MemberProtocol(asyncio.Protocol):
    """One connection: answers each complete request with the name."""

    def __init__(self, name: str) -> None:
        body = f"{name}\n".encode()
        self._head = (
            f"HTTP/1.1 200 OK\r\nX-Member: {name}\r\n"
            f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        ).encode()
        self._body = body
        self._name = name
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer all requests which are complete now."""
        self._buffer += data
        while self._transport and not self._transport.is_closing():
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > _HEAD_LIMIT:
                    self._transport.close()
                return
            head = self._buffer[:end]
            length = _LENGTH.search(head)
            total = end + 4 + (int(length.group(1)) if length else 0)
            if len(self._buffer) < total:
                return
            self._buffer = self._buffer[total:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        assert self._transport is not None
        is_last = bool(_CLOSE.search(head)) or head.endswith(b"HTTP/1.0")
        connection = b"close" if is_last else b"keep-alive"
        body = b"" if head.startswith(b"HEAD ") else self._body
        cookie = self._cookie() if head.startswith(_LOGIN) else b""
        self._transport.write(
            self._head
            + cookie
            + b"Connection: "
            + connection
            + b"\r\n\r\n"
            + body
        )
        if is_last:
            self._transport.close()

    def _cookie(self) -> bytes:
        value = f"{self._name}-{secrets.token_hex(8)}"
        return f"Set-Cookie: session={value}\r\n".encode()


async def serve(name: str, port: int) -> None:
    """Serve on every address of this namespace until killed."""
    listener = socket.create_server(
        ("::", port),
        family=socket.AF_INET6,
        backlog=4096,
        dualstack_ipv6=True,
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: MemberProtocol(name), sock=listener, backlog=4096
    )
    await server.serve_forever()


def main(arguments: list[str]) -> None:
    """Entry point of the server process."""
    held.allow_many_files()
    asyncio.run(serve(arguments[0], int(arguments[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
