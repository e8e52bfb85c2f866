# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A TCP port of this machine's 127.0.0.1 that leads into a namespace.

    browser -> 127.0.0.1:PORT (the machine) -> relay -> ADDRESS:PORT (inside)

A socket stays in the network namespace in which it was made: the relay makes
the one that listens, goes inside, and connects from there. Nothing of the
machine's network is changed.
"""

import argparse
import asyncio
import os
import pathlib
import socket
import sys

from octavia_anycast_lab import settings
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.registry import Registry

LOCAL = "127.0.0.1"
CONNECTIONS_MAX = 50
# Ports that are tried beginning with the wanted one.
PORTS = 20
_START_SECONDS = 30.0
_PIECE_BYTES = 64 * 1024


def start(
    lab: settings.Lab, label: str, role: str, address: str, port: int
) -> int:
    """Start one, and wait until it listens; returns its port here.

    It runs until the lab goes down.

    :param role: the namespace into which it leads
    :raises OSError: none of the ports is free.
    """
    registry = Registry(lab.run_dir)
    process.stop(registry, label, 5.0)
    here = _free_port(port)
    process.spawn(
        registry,
        label,
        [
            *(sys.executable, "-m", __name__),
            *(str(here), str(netns.path(lab.namespace(role)))),
            *(address, str(port)),
        ],
        log=lab.log_dir / f"{label}.log",
    )
    process.wait_until(
        lambda: _is_listening(here), _START_SECONDS, f"the relay {label}"
    )
    return here


def _free_port(wanted: int) -> int:
    """The first port that is free here.

    :raises OSError: there is none.
    """
    for port in range(wanted, wanted + PORTS):
        try:
            socket.create_server((LOCAL, port)).close()
        except OSError:
            continue
        return port
    raise OSError(f"no port of {wanted} to {wanted + PORTS - 1} is free")


def _is_listening(port: int) -> bool:
    try:
        socket.create_connection((LOCAL, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def main() -> None:
    """Listen here, then go inside; a file descriptor is kept on the way."""
    options = _parser().parse_args()
    if options.listener is None:
        made = socket.create_server((LOCAL, options.here))
        made.set_inheritable(True)
        _go_inside(options, made.fileno())
    taken = socket.socket(fileno=options.listener)
    asyncio.run(relay(taken, options.address, options.port))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="relay")
    parser.add_argument("here", type=int)
    parser.add_argument("namespace", type=pathlib.Path)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--listener", type=int)
    return parser


def _go_inside(options: argparse.Namespace, listener: int) -> None:
    """Become the same program in the namespace; no return."""
    os.execvp(
        "nsenter",
        [
            *("nsenter", f"--net={options.namespace}", "--"),
            *(sys.executable, "-m", "octavia_anycast_lab.host.relay"),
            *("--listener", str(listener), *sys.argv[1:]),
        ],
    )


async def relay(listener: socket.socket, address: str, port: int) -> None:
    """Accept connections for ever, and join each to one of its own."""
    places = asyncio.Semaphore(CONNECTIONS_MAX)

    async def joined(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async with places:
            try:
                there = await asyncio.open_connection(address, port)
            except OSError:
                writer.close()
                return
            await asyncio.gather(
                _copy(reader, there[1]), _copy(there[0], writer)
            )

    server = await asyncio.start_server(joined, sock=listener)
    async with server:
        await server.serve_forever()


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Copy until one side ends; then the other one is told."""
    try:
        while piece := await reader.read(_PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


if __name__ == "__main__":
    main()
