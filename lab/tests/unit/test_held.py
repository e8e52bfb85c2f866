# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Held connections: what breaks a flow, and what is an end like any other."""

import asyncio
import contextlib
import socket
import struct

import pytest
from octavia_anycast_lab.traffic import held, traffic_record
from octavia_anycast_lab.traffic.members import MemberProtocol
from octavia_anycast_lab.traffic.traffic_record import Outcome

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Answering(asyncio.Protocol):
    """Answers once, then ends the connection by ``end``.

    A close comes with the answer: the client knows of it before it asks again,
    however busy the machine is. A reset would take the answer along.
    """

    def __init__(self, end):
        self._end = end

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        if self._end is None:
            return
        self._transport.write(ANSWER)
        delay = 0.0 if self._end is _close else 0.02
        asyncio.get_running_loop().call_later(
            delay, self._end, self._transport
        )


def _reset(transport):
    link = transport.get_extra_info("socket")
    linger = struct.pack("ii", 1, 0)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


def _close(transport):
    transport.close()


def _hold(monkeypatch, protocol, *, is_tcp, timeout=30.0):
    flows, seconds = 4, 1.0
    monkeypatch.setattr(held, "PAUSE_SECONDS", (0.1, 0.1))
    monkeypatch.setattr(held, "TIMEOUT_SECONDS", timeout)
    monkeypatch.setattr(held, "_SWEEP_SECONDS", 0.05)
    records = []

    async def run():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(protocol, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        place = held.Place(address="127.0.0.1", port=port, is_tcp=is_tcp)
        with contextlib.closing(server):
            await held.hold([place], flows, seconds, records.append)

    asyncio.run(run())
    return records


@pytest.mark.parametrize("is_tcp", [False, True])
def test_a_flow_asks_again_on_the_same_connection(monkeypatch, is_tcp):
    records = _hold(
        monkeypatch, lambda: MemberProtocol("member1"), is_tcp=is_tcp
    )
    assert sorted(record.flow for record in records) == [0, 1, 2, 3]
    assert {record.outcome for record in records} == {Outcome.OK}
    assert len({record.port for record in records}) == 4


def test_http_goes_on_with_a_new_connection(monkeypatch):
    records = _hold(monkeypatch, lambda: Answering(_close), is_tcp=False)
    assert {record.outcome for record in records} == {Outcome.OK}
    assert len(records) > 4
    assert len({record.port for record in records}) == len(records)


@pytest.mark.parametrize(
    ("end", "is_tcp", "outcome"),
    [
        (_close, True, Outcome.INCOMPLETE),
        (_reset, True, Outcome.RESET),
        (_reset, False, Outcome.RESET),
    ],
)
def test_what_breaks_a_flow(monkeypatch, end, is_tcp, outcome):
    records = _hold(monkeypatch, lambda: Answering(end), is_tcp=is_tcp)
    summary = traffic_record.summarize(records)
    assert summary.outcomes == {Outcome.OK: 4, outcome: 4}


def test_an_answer_that_does_not_come_breaks_it(monkeypatch):
    records = _hold(
        monkeypatch, lambda: Answering(None), is_tcp=True, timeout=0.2
    )
    assert [record.outcome for record in records] == [Outcome.TIMEOUT] * 4


def test_a_flow_that_cannot_be_opened_is_broken(monkeypatch):
    records = []
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    place = held.Place(address="127.0.0.1", port=port, is_tcp=False)
    asyncio.run(held.hold([place], 1, 0.2, records.append))
    assert [record.outcome for record in records] == [Outcome.REFUSED]
