# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A small HTTP/1.1 client connection for load generators (asyncio).

It tells apart how a request failed, which ordinary clients hide behind
retries and pools.
"""

import asyncio
import contextlib
import dataclasses
import functools
import re
import socket
import ssl
import struct
import time

from octavia_anycast_lab.traffic import traffic_record

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_MEMBER = re.compile(rb"\r\nx-member:[ \t]*([^\r\n]+)", re.IGNORECASE)
# struct tcp_info (linux/tcp.h): eight octets, then 32-bit numbers.
_TOTAL_RETRANS = struct.Struct("=100xI")
_SYN_TIMEOUT_SECONDS = 1.0  # the kernel's TCP_TIMEOUT_INIT


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where requests go, and what counts as an answer."""

    address: str
    port: int
    path: str = "/"
    host: str = "lab.example"
    expected_status: int = 200
    timeout_seconds: float = 5.0
    is_tls: bool = False

    def request_bytes(self, *, keep_alive: bool) -> bytes:
        """The request as sent."""
        connection = "keep-alive" if keep_alive else "close"
        return (
            f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\n"
            f"Connection: {connection}\r\n\r\n"
        ).encode()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a load generator wants to know of an answer."""

    status: int
    member: str | None


class _TidyEnd(ConnectionResetError):
    """The peer closed the connection while it owed no answer."""


class Connection(asyncio.Protocol):
    """One TCP connection with one request at a time.

    ``lost_syns``: how often the kernel waited for an answer to its SYN in
    vain, until it was answered or given up; ``lost_packets``: that and what it
    sent again later, once the connection is closed. ``port``: ours.
    """

    def __init__(self) -> None:
        self.lost_syns = self.lost_packets = 0
        self.port: int | None = None
        self._challenged_syns = 0
        self._link: socket.socket | None = None
        self._buffer = b""
        self._answer: asyncio.Future[Response] | None = None
        self._transport: asyncio.Transport | None = None
        self._lost: Exception | None = None

    async def open(self, target: Target) -> None:
        """Open it.

        :raises OSError: it cannot be opened.
        """
        loop = asyncio.get_running_loop()
        is_v6 = ":" in target.address
        link = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET)
        with contextlib.ExitStack() as opening:
            opening.callback(link.close)
            link.setblocking(False)
            began = time.monotonic()
            try:
                await loop.sock_connect(link, (target.address, target.port))
            finally:
                self._count_syns(link, time.monotonic() - began)
            self.port = link.getsockname()[1]
            await loop.create_connection(
                lambda: self,
                sock=link,
                ssl=_tls_context() if target.is_tls else None,
                server_hostname=target.host if target.is_tls else None,
            )
            self._link = link
            opening.pop_all()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Complete the answer if all of it is here."""
        self._buffer += data
        self._try_complete(at_end=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """An answer without a length ends here; any other one is lost."""
        self._count()
        self._try_complete(at_end=exc is None)
        is_waiting = self._answer is not None and not self._answer.done()
        self._lost = exc or (
            ConnectionResetError("closed")
            if is_waiting
            else _TidyEnd("closed")
        )
        if self._answer is not None and is_waiting:
            self._answer.set_exception(exc or EOFError("closed"))

    async def ask(self, request: bytes) -> Response:
        """Send a request and wait for its answer.

        :raises OSError: the connection broke.
        :raises EOFError: it was closed before the answer's end.
        """
        if self._lost is not None or self._transport is None:
            raise self._lost or ConnectionResetError("not connected")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    @property
    def is_ended(self) -> bool:
        """Whether the peer ended it tidily, between two answers."""
        return isinstance(self._lost, _TidyEnd)

    def close(self) -> None:
        """End the connection."""
        self._count()
        if self._transport is not None:
            self._transport.close()

    def _count_syns(self, link: socket.socket, seconds: float) -> None:
        """Tell lost SYNs from those that were challenged.

        A peer that has an old connection of the same addresses and ports
        answers with a challenge (RFC 5961, section 4); then the kernel resets
        that one and sends its SYN again after milliseconds. It waits for a
        second at least if it hears nothing (RFC 6298, section 2).
        """
        again = _retransmissions(link)
        if seconds < _SYN_TIMEOUT_SECONDS:
            self._challenged_syns = again
        else:
            self.lost_syns = self.lost_packets = again

    def _count(self) -> None:
        if self._link is not None and self._link.fileno() >= 0:
            again = _retransmissions(self._link)
            self.lost_packets = again - self._challenged_syns

    def _try_complete(self, *, at_end: bool) -> None:
        if self._answer is None or self._answer.done():
            return
        end = self._buffer.find(b"\r\n\r\n")
        status = _STATUS.match(self._buffer)
        if end < 0 or status is None:
            return
        head = self._buffer[:end]
        length = _LENGTH.search(head)
        size = end + 4 + (int(length.group(1)) if length else 0)
        if not at_end and (length is None or len(self._buffer) < size):
            return
        if len(self._buffer) < size:
            return
        self._buffer = self._buffer[size:] if length else b""
        member = _MEMBER.search(head)
        self._answer.set_result(
            Response(
                status=int(status.group(1)),
                member=member.group(1).decode() if member else None,
            )
        )


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """Verifies nothing: the lab's certificates are made for the run, and who
    answers is measured, not trusted."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _retransmissions(link: socket.socket) -> int:
    """How many packets of a connection were sent again until now."""
    found = link.getsockopt(
        socket.IPPROTO_TCP, socket.TCP_INFO, _TOTAL_RETRANS.size
    )
    (total,) = _TOTAL_RETRANS.unpack(found)
    return int(total)


async def connect(target: Target) -> Connection:
    """Open a connection.

    :raises OSError: it cannot be opened.
    """
    connection = Connection()
    await connection.open(target)
    return connection


async def probe(target: Target) -> traffic_record.Record:
    """One request on a new connection; never raises for the network."""
    started, clock = time.time(), time.perf_counter()
    connection = Connection()
    response: Response | None = None
    outcome = traffic_record.Outcome.OK
    try:
        async with asyncio.timeout(target.timeout_seconds):
            await connection.open(target)
            request = target.request_bytes(keep_alive=False)
            response = await connection.ask(request)
        outcome = judge(target, response)
    except (OSError, EOFError) as error:
        outcome = classify(error)
    finally:
        with contextlib.suppress(OSError):
            connection.close()
    return traffic_record.Record(
        start=started,
        duration_ms=(time.perf_counter() - clock) * 1000,
        outcome=outcome,
        status=response.status if response else None,
        member=response.member if response else None,
        lost_syns=connection.lost_syns,
        lost_packets=connection.lost_packets,
    )


def judge(target: Target, response: Response) -> traffic_record.Outcome:
    """OK only for the expected status."""
    if response.status == target.expected_status:
        return traffic_record.Outcome.OK
    return traffic_record.Outcome.BAD_STATUS


def classify(error: Exception) -> traffic_record.Outcome:
    """How a request failed (TimeoutError is an OSError)."""
    if isinstance(error, TimeoutError):
        return traffic_record.Outcome.TIMEOUT
    if isinstance(error, ConnectionRefusedError):
        return traffic_record.Outcome.REFUSED
    if isinstance(error, ConnectionError | ssl.SSLError):
        return traffic_record.Outcome.RESET
    if isinstance(error, EOFError):
        return traffic_record.Outcome.INCOMPLETE
    return traffic_record.Outcome.UNREACHABLE
