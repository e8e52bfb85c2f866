# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The relay into a namespace: octets, both ways, and who is not there."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from octavia_anycast_lab.host import relay

LOCAL = relay.LOCAL
TEXT = b"x" * 300_000


@contextlib.asynccontextmanager
async def relayed(port: int) -> AsyncIterator[int]:
    """A relay to this port; its own."""
    listener = socket.create_server((LOCAL, 0))
    task = asyncio.create_task(relay.relay(listener, LOCAL, port))
    try:
        yield listener.getsockname()[1]
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _upper(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write((await reader.readexactly(len(TEXT))).upper())
    await writer.drain()
    writer.close()


async def _ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(LOCAL, port)
    writer.write(TEXT)
    answer = await reader.read()
    writer.close()
    return answer


def test_octets_pass_both_ways() -> None:
    async def run() -> list[bytes]:
        server = await asyncio.start_server(_upper, LOCAL, 0)
        async with server, relayed(server.sockets[0].getsockname()[1]) as port:
            both = await asyncio.gather(_ask(port), _ask(port))
            return list(both)

    assert asyncio.run(run()) == [TEXT.upper()] * 2


def test_nobody_there_ends_the_connection() -> None:
    async def run() -> bytes:
        with socket.create_server((LOCAL, 0)) as other:
            nobody = other.getsockname()[1]
        async with relayed(nobody) as port:
            reader, writer = await asyncio.open_connection(LOCAL, port)
            found = await reader.read()
            writer.close()
            return found

    assert asyncio.run(run()) == b""


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.create_server((LOCAL, 0)) as other:
        taken = other.getsockname()[1]
        assert relay._free_port(taken) > taken
