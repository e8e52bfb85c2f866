# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Up to 10,000 connections in one process, each asking every 1 to 5 s.

Run inside the client's namespace::

    python -m octavia_anycast_lab.traffic.held --flows 10000 \\
        --http ADDRESS PORT --tcp ADDRESS PORT --record FILE

Flow ``n`` goes to the ``n``-th of the targets, round and round. All speak
HTTP/1.1; a flow to a ``--tcp`` target breaks whenever the connection ends,
one to an ``--http`` target may be ended between two answers and goes on with
a new connection. A flow ends when it breaks.

Only the first answer of a connection and what broke it are recorded
(traffic_record.Record): a record of each request would cost as much as the
request. SIGTERM ends it.
"""

import argparse
import asyncio
import collections.abc
import dataclasses
import pathlib
import random
import re
import resource
import signal
import sys
import time

from octavia_anycast_lab.traffic import http_probe, traffic_record

FLOWS_MAX = 10_000
SECONDS_MAX = 900.0
PAUSE_SECONDS = (1.0, 5.0)
TIMEOUT_SECONDS = 5.0
_OPENING_GAP_SECONDS = 0.0015
_SWEEP_SECONDS = 0.5
_STATUS_OK = b"HTTP/1.1 200"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)

Sink = collections.abc.Callable[[traffic_record.Record], None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a flow goes; ``is_tcp``: it has to last."""

    address: str
    port: int
    is_tcp: bool


class Flow(asyncio.Protocol):
    """One flow: a connection after the other, a request after the other."""

    __slots__ = (
        *("number", "place", "is_broken", "_sink", "_random", "_transport"),
        *("_buffer", "_asked", "_is_first", "_port", "_opening", "_request"),
    )

    def __init__(
        self, number: int, place: Place, sink: Sink, pauses: random.Random
    ) -> None:
        self.number = number
        self.place = place
        self.is_broken = False
        self._sink = sink
        self._random = pauses
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._asked: float | None = None
        self._is_first = True
        self._port: int | None = None
        self._opening: asyncio.Task[None] | None = None
        target = http_probe.Target(address=place.address, port=place.port)
        self._request = target.request_bytes(keep_alive=True)

    def ask(self) -> None:
        """Send a request; open a connection first if there is none."""
        self._asked = time.time()
        if self._transport is None:
            self._opening = asyncio.ensure_future(self._open())
        else:
            self._transport.write(self._request)

    def give_up_late(self, now: float) -> None:
        """Break if the answer is late."""
        if self._asked is not None and now - self._asked > TIMEOUT_SECONDS:
            self._break(traffic_record.Outcome.TIMEOUT)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request for which it was opened."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._is_first = transport, True
        self._port = transport.get_extra_info("sockname")[1]
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Complete the answer if all of it is here."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        length = _LENGTH.search(self._buffer, 0, max(end, 0))
        if not length or len(self._buffer) < end + 4 + int(length.group(1)):
            return
        is_ok = self._buffer.startswith(_STATUS_OK)
        self._buffer = b""
        if not is_ok:
            self._break(traffic_record.Outcome.BAD_STATUS)
            return
        if self._is_first:
            self._tell(traffic_record.Outcome.OK)
        self._is_first, self._asked = False, None
        self._pause()

    def connection_lost(self, exc: Exception | None) -> None:
        """Between two answers of HTTP that is an end like any other."""
        self._transport, self._buffer = None, b""
        is_idle = self._asked is None
        if exc is None and is_idle and not self.place.is_tcp:
            return
        self._break(http_probe.classify(exc or EOFError("closed")))

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(
                lambda: self, self.place.address, self.place.port
            )
        except OSError as error:
            self._break(http_probe.classify(error))

    def _pause(self) -> None:
        pause = self._random.uniform(*PAUSE_SECONDS)
        asyncio.get_running_loop().call_later(pause, self._ask_again)

    def _ask_again(self) -> None:
        if not self.is_broken:
            self.ask()

    def _break(self, outcome: traffic_record.Outcome) -> None:
        if not self.is_broken:
            self.is_broken = True
            self._tell(outcome)
        self._asked = None
        if self._transport is not None:
            self._transport.abort()

    def _tell(self, outcome: traffic_record.Outcome) -> None:
        now = time.time()
        start = now if self._asked is None else self._asked
        self._sink(
            traffic_record.Record(
                start=start,
                duration_ms=(now - start) * 1000,
                outcome=outcome,
                flow=self.number,
                port=self._port,
            )
        )


async def hold(
    places: collections.abc.Sequence[Place],
    flows: int,
    seconds: float,
    sink: Sink,
) -> None:
    """Open so many flows, one after the other, and hold them."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    pauses = random.Random(11)
    held = [
        Flow(number, places[number % len(places)], sink, pauses)
        for number in range(flows)
    ]
    for flow in held:
        loop.call_later(flow.number * _OPENING_GAP_SECONDS, flow.ask)
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stop.is_set():
        now = time.time()
        for flow in held:
            flow.give_up_late(now)
        await _wait(stop, _SWEEP_SECONDS)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(arguments: list[str]) -> None:
    """Entry point of the generator process."""
    parser = argparse.ArgumentParser(description="Held connections.")
    pair = ("ADDRESS", "PORT")
    for kind in ("--http", "--tcp"):
        parser.add_argument(
            kind, nargs=2, metavar=pair, action="append", default=[]
        )
    parser.add_argument("--record", type=pathlib.Path, required=True)
    parser.add_argument("--flows", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=120.0)
    asked = parser.parse_args(arguments)
    allow_many_files()
    places = [
        Place(address=address, port=int(port), is_tcp=is_tcp)
        for is_tcp, pairs in ((False, asked.http), (True, asked.tcp))
        for address, port in pairs
    ]
    flows = min(asked.flows, FLOWS_MAX)
    seconds = min(asked.seconds, SECONDS_MAX)
    with asked.record.open("w", encoding="utf-8", buffering=1) as output:
        asyncio.run(
            hold(
                places,
                flows,
                seconds,
                lambda record: print(record.to_json(), file=output),
            )
        )


if __name__ == "__main__":
    main(sys.argv[1:])
