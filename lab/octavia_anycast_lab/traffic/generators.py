# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load generators; run in a client namespace by ``clients``.

Run as ``python -m octavia_anycast_lab.traffic.generators`` with:

    shares ADDRESS PORT --count 10000
    stream ADDRESS PORT --rate 400
    keepalive ADDRESS PORT --flows 400

Each writes one JSON line per request to ``--record`` (traffic_record.Record).
All are bounded in number, in time and in what is in flight. SIGTERM ends
``stream`` and ``keepalive`` early and cleanly.
"""

import argparse
import asyncio
import collections.abc
import contextlib
import itertools
import pathlib
import signal
import sys
import time
import typing

from octavia_anycast_lab.traffic import http_probe, traffic_record

MAX_SECONDS = 600.0
MAX_IN_FLIGHT = 2000
_FLOW_OPENING_GAP_SECONDS = 0.002

Sink = collections.abc.Callable[[traffic_record.Record], None]


async def shares(
    target: http_probe.Target, count: int, concurrency: int, sink: Sink
) -> None:
    """Make ``count`` new connections with a request each."""
    turns = iter(range(count))

    async def work() -> None:
        for _ in turns:
            sink(await http_probe.probe(target))

    await asyncio.gather(*(work() for _ in range(concurrency)))


async def stream(
    target: http_probe.Target, rate: float, seconds: float, sink: Sink
) -> None:
    """Start ``rate`` new connections a second, whatever becomes of them.

    Nothing is started while ``MAX_IN_FLIGHT`` are open.
    """
    stop = _stop_on_sigterm()
    running: set[asyncio.Task[None]] = set()

    async def one() -> None:
        sink(await http_probe.probe(target))

    began = time.monotonic()
    for turn in itertools.count():
        due = began + turn / rate
        if due - began > seconds or await _stopped(stop, due):
            break
        while len(running) >= MAX_IN_FLIGHT:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(one())
        running.add(task)
        task.add_done_callback(running.discard)
    if running:
        await asyncio.wait(running)


async def keepalive(
    target: http_probe.Target,
    flows: int,
    interval_seconds: float,
    seconds: float,
    sink: Sink,
) -> None:
    """Hold connections open, each with a request every interval.

    A flow ends with its first failure: it is then broken. If the server ends
    a connection tidily, which HTTP/1.1 lets it do between two answers (RFC
    9112, section 9.6), the flow goes on with a new one, as with any client.
    """
    stop = _stop_on_sigterm()
    until = time.monotonic() + seconds

    async def hold(flow: int) -> None:
        due = time.monotonic() + flow * _FLOW_OPENING_GAP_SECONDS
        connection: http_probe.Connection | None = None
        with contextlib.closing(_Closer()) as closer:
            while due <= until and not await _stopped(stop, due):
                record, connection = await _turn(target, flow, connection)
                closer.connection = connection
                sink(record)
                if record.outcome is not traffic_record.Outcome.OK:
                    return
                due += interval_seconds

    await asyncio.gather(*(hold(flow) for flow in range(flows)))


class _Closer:
    """Closes the connection which a flow holds at its end."""

    def __init__(self) -> None:
        self.connection: http_probe.Connection | None = None

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


async def _turn(
    target: http_probe.Target,
    flow: int,
    connection: http_probe.Connection | None,
) -> tuple[traffic_record.Record, http_probe.Connection | None]:
    started, clock = time.time(), time.perf_counter()
    response: http_probe.Response | None = None
    try:
        async with asyncio.timeout(target.timeout_seconds):
            if connection is None or connection.is_ended:
                connection = None
                connection = await http_probe.connect(target)
            request = target.request_bytes(keep_alive=True)
            response = await connection.ask(request)
        outcome = http_probe.judge(target, response)
    except (OSError, EOFError) as error:
        outcome = http_probe.classify(error)
    record = traffic_record.Record(
        start=started,
        duration_ms=(time.perf_counter() - clock) * 1000,
        outcome=outcome,
        status=response.status if response else None,
        member=response.member if response else None,
        flow=flow,
        port=connection.port if connection else None,
    )
    return record, connection


def _stop_on_sigterm() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    return stop


async def _stopped(stop: asyncio.Event, due: float) -> bool:
    """Wait until ``due`` (monotonic); True if told to stop before."""
    delay = due - time.monotonic()
    if delay > 0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), delay)
    return stop.is_set()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Load generators.")
    modes = parser.add_subparsers(dest="mode", required=True)
    for mode in ("shares", "stream", "keepalive"):
        sub = modes.add_parser(mode)
        sub.add_argument("address")
        sub.add_argument("port", type=int)
        sub.add_argument("--record", type=pathlib.Path, required=True)
        sub.add_argument("--path", default="/")
        sub.add_argument("--host", default="lab.example")
        sub.add_argument("--expected-status", type=int, default=200)
        sub.add_argument("--timeout", type=float, default=5.0)
        sub.add_argument("--tls", action="store_true")
        if mode == "shares":
            sub.add_argument("--count", type=int, default=1000)
            sub.add_argument("--concurrency", type=int, default=50)
        else:
            sub.add_argument("--seconds", type=float, default=60.0)
        if mode == "stream":
            sub.add_argument("--rate", type=float, default=100.0)
        if mode == "keepalive":
            sub.add_argument("--flows", type=int, default=100)
            sub.add_argument("--interval", type=float, default=0.2)
    return parser


async def _run(options: argparse.Namespace, output: typing.TextIO) -> None:
    target = http_probe.Target(
        address=options.address,
        port=options.port,
        path=options.path,
        host=options.host,
        expected_status=options.expected_status,
        timeout_seconds=options.timeout,
        is_tls=options.tls,
    )

    def sink(record: traffic_record.Record) -> None:
        output.write(record.to_json() + "\n")

    if options.mode == "shares":
        concurrency = min(options.concurrency, MAX_IN_FLIGHT)
        await shares(target, options.count, concurrency, sink)
        return
    seconds = min(options.seconds, MAX_SECONDS)
    if options.mode == "stream":
        await stream(target, options.rate, seconds, sink)
    else:
        flows = min(options.flows, MAX_IN_FLIGHT)
        await keepalive(target, flows, options.interval, seconds, sink)


def main(arguments: list[str]) -> None:
    """Entry point of the generator process."""
    options = _parser().parse_args(arguments)
    with options.record.open("w", encoding="utf-8", buffering=1) as output:
        asyncio.run(_run(options, output))


if __name__ == "__main__":
    main(sys.argv[1:])
