# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The HTTP client of the load generators, fed byte by byte."""

import asyncio
import os
import socket
import ssl
import time

import pytest
from octavia_anycast_lab.traffic import http_probe
from octavia_anycast_lab.traffic.http_probe import (
    Connection,
    Response,
    Target,
    classify,
    connect,
    judge,
    probe,
)
from octavia_anycast_lab.traffic.members import MemberProtocol
from octavia_anycast_lab.traffic.traffic_record import Outcome

TCP_REPAIR = 19  # linux/tcp.h
ANSWER = (
    b"HTTP/1.1 200 OK\r\nX-Member: member1\r\nContent-Length: 3\r\n\r\nabc"
)


class FakeTransport(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data):
        self.written += data

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed


async def _ask(feed):
    connection = Connection()
    connection.connection_made(FakeTransport())
    asking = asyncio.ensure_future(connection.ask(b"x"))
    await asyncio.sleep(0)
    feed(connection)
    return await asking


def test_answer_in_pieces():
    def feed(connection):
        for octet in ANSWER:
            connection.data_received(bytes([octet]))

    found = asyncio.run(_ask(feed))
    assert found == Response(status=200, member="member1")


def test_answer_without_length_ends_with_the_connection():
    def feed(connection):
        connection.data_received(b"HTTP/1.0 302 Found\r\n\r\nbye")
        connection.connection_lost(None)

    assert asyncio.run(_ask(feed)).status == 302


@pytest.mark.parametrize("cut", [0, 10, len(ANSWER) - 1])
def test_half_an_answer_is_none(cut):
    def feed(connection):
        connection.data_received(ANSWER[:cut])
        connection.connection_lost(None)

    with pytest.raises(EOFError):
        asyncio.run(_ask(feed))


def test_reset_is_raised():
    def feed(connection):
        connection.connection_lost(ConnectionResetError())

    with pytest.raises(ConnectionResetError):
        asyncio.run(_ask(feed))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TimeoutError(), Outcome.TIMEOUT),
        (ConnectionRefusedError(), Outcome.REFUSED),
        (ConnectionResetError(), Outcome.RESET),
        (BrokenPipeError(), Outcome.RESET),
        (ssl.SSLError(), Outcome.RESET),
        (EOFError(), Outcome.INCOMPLETE),
        (OSError(113, "No route to host"), Outcome.UNREACHABLE),
    ],
)
def test_failures_are_told_apart(error, outcome):
    assert classify(error) is outcome


def test_only_the_expected_status_is_good():
    target = Target(address="198.51.100.1", port=80, expected_status=302)
    assert judge(target, Response(status=302, member=None)) is Outcome.OK
    bad = judge(target, Response(status=200, member="m"))
    assert bad is Outcome.BAD_STATUS


def _member(*pieces):
    protocol, transport = MemberProtocol("member1"), FakeTransport()
    protocol.connection_made(transport)
    for piece in pieces:
        protocol.data_received(piece)
    return transport


def test_member_answers_pipelined_requests():
    transport = _member(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r", b"\n\r\n")
    assert transport.written.count(b"X-Member: member1") == 2
    assert not transport.closed


def test_member_waits_for_the_body():
    head = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n"
    assert _member(head, b"ab").written == b""
    assert _member(head, b"ab", b"cd").written.endswith(b"member1\n")


def test_member_closes_when_asked():
    transport = _member(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert transport.closed
    assert _member(b"GET / HTTP/1.0\r\n\r\n").closed


def test_member_sends_no_body_for_head():
    assert not _member(b"HEAD / HTTP/1.1\r\n\r\n").written.endswith(
        b"member1\n"
    )


def test_member_gives_endless_heads_up():
    assert _member(b"x" * 70_000).closed


def test_a_syn_that_is_sent_again_is_told():
    """A listener whose queue is full drops SYNs until it accepts."""

    async def connect_twice(listener):
        address, port = listener.getsockname()
        target = Target(address=address, port=port)
        first = await connect(target)
        second = asyncio.ensure_future(connect(target))
        done, _ = await asyncio.wait({second}, timeout=0.2)
        assert not done
        listener.accept()[0].close()
        counts = first.lost_syns, (await second).lost_syns
        first.close()
        second.result().close()
        return counts

    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        first, second = asyncio.run(connect_twice(listener))
    assert first == 0
    assert second >= 1


def test_a_syn_that_is_given_up_is_told():
    async def give_up(listener):
        address, port = listener.getsockname()
        target = Target(address=address, port=port, timeout_seconds=1.5)
        first = await connect(target)
        found = await probe(target)
        first.close()
        return found

    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        found = asyncio.run(give_up(listener))
    assert found.outcome is Outcome.TIMEOUT
    assert found.lost_syns >= 1
    assert found.lost_packets == found.lost_syns


@pytest.mark.skipif(os.geteuid() != 0, reason="TCP_REPAIR needs root")
def test_a_syn_that_an_old_connection_challenges_is_not_lost():
    """A client left without a word; another one has its port now."""
    found = Connection()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as old:
            source = old.getsockname()
            old.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        with socket.socket() as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            link.bind(source)
            began = time.monotonic()
            link.connect(listener.getsockname())
            found._count_syns(link, time.monotonic() - began)
            assert http_probe._retransmissions(link) == 1
    assert found.lost_syns == 0


def test_a_port_that_is_closed_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address, port = listener.getsockname()
    found = asyncio.run(probe(Target(address=address, port=port)))
    assert found.outcome is Outcome.REFUSED
    assert found.lost_syns == 0
