# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Both programs, with frames at random: mutations of real ones.

The front end's gets a million by BPF_PROG_TEST_RUN. That gives no metadata of
a tunnel, so the other one gets its frames as datagrams from a member's
address; they are mutations of what members sent to each other in this test,
with the right secret. OA_FUZZ_FRAMES: how many, of each program.
"""

import contextlib
import os
import random
import socket
import time

import pytest

from octavia_anycast.agent.flow_rescue.layout import Message, Program
from octavia_anycast.agent.frontend import netns
from octavia_anycast.model.wire import RESCUE_PORT
from octavia_anycast.tests.contract.flow_rescue import packets
from octavia_anycast.tests.contract.flow_rescue.prog_run import (
    DROPPED,
    PASSED,
    Runner,
)
from octavia_anycast.tests.contract.flow_rescue.rescue_bench import (
    CLIENT,
    VIPS,
    echoes,
    eventually,
)
from octavia_anycast.tests.contract.flow_rescue.test_flow_rescue import (
    close_at_server,
)
from octavia_anycast.tests.contract.flow_rescue.test_program import (
    left_alone,
    segment,
)

FRAMES = int(os.environ.get("OA_FUZZ_FRAMES", "0"))
FRONTEND_FRAMES, TUNNEL_FRAMES = FRAMES or 1_000_000, FRAMES or 150_000
BATCH = 10_000
SEED = 20_261_129
_HEADERS = 14 + 40
# Of what is in a datagram: before the kind, and before the inner frame's type.
_KIND, _INNER = 6, 8 + 12
_PORTS = range(40_000, 40_006)
_OTHER_PORT = 13_621  # no byte of it is one of theirs


def mutated(frame, choice, start=12):
    """The frame with some bytes changed, cut, or repeated."""
    data = bytearray(frame)
    for _ in range(choice.randrange(1, 6)):
        position = choice.randrange(start, len(data))
        data[position] = choice.randrange(256)
    kind = choice.randrange(8)
    if kind == 0:
        # BPF_PROG_TEST_RUN takes no frame without a whole IP header.
        del data[max(_HEADERS, choice.randrange(len(data))) :]
    elif kind == 1:
        data += data[choice.randrange(14, len(data)) :]
    return bytes(data)


@pytest.fixture
def frontend(bench):
    """The program at member 1's front end."""
    bench.switch_on(probe_rate=1_000, probe_burst=64)
    return Runner(bench.members[0], Program.FRONTEND)


def test_a_million_frames_at_random(bench, frontend):
    """Nothing is delivered, learnt or sent to an owner; all goes on."""
    choice = random.Random(SEED)
    bench.route(1)
    connection = bench.connect(4)
    seeds = []
    for version in (4, 6):
        real = segment(version, payload=b"x" * 64)
        seeds += [real.packet(), *real.fragments(24)]
        seeds += [packet for _, packet in left_alone(version)]
        seeds.append(
            packets.too_big(
                packets.answer_of(connection)
                if version == 4
                else segment(6, source=str(VIPS[6]), destination=CLIENT[6]),
                CLIENT[version],
                1300,
            )
        )
    frames = [frontend.ethernet(packet) for packet in seeds]
    frames = [frame for frame in frames if len(frame) >= _HEADERS]
    for _ in range(0, FRONTEND_FRAMES, BATCH):
        batch = [mutated(choice.choice(frames), choice) for _ in range(BATCH)]
        # As of one frame on the wire, or of one that the kernel merged.
        size = choice.choice((0, 0, 0, 1000))
        runs = frontend.run_all(batch, gso_size=size)
        verdicts = {run.verdict for run in runs}
        assert verdicts <= {PASSED, DROPPED}
    for member in bench.members:
        assert member.rescuer.report().learned == 0
        assert member.total("carried") == member.total("delivered") == 0
        assert member.total("foreign") == member.total("malformed") == 0
    assert echoes(connection)


@contextlib.contextmanager
def captured(bench, found):
    """Collect what members send to each other's tunnels, by its kind."""
    links = []
    for member in bench.members:

        def make():
            link = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)
            )
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            link.bind(("eth1", 0))
            link.setblocking(False)
            return link

        path = f"/run/netns/{member.namespace}"
        links.append(netns.call_in(path, make))
    yield
    for link in links:
        with link, contextlib.suppress(BlockingIOError):
            while True:
                payload = tunnelled(link.recv(1 << 16))
                if payload:
                    kind = Message(payload[_KIND])
                    found.setdefault(kind, set()).add(payload)


def tunnelled(frame):
    """What a datagram of IPv4 to a tunnel has in it, or nothing."""
    port = RESCUE_PORT.to_bytes(2, "big")
    is_one = (frame[12:14], frame[23], frame[36:38]) == (
        *(b"\x08\0", packets.UDP, port),
    )
    # Those that are larger than a frame were not on a wire.
    return frame[42:] if is_one and len(frame) <= 1514 else b""


def talk(bench, version, ports):
    """All that members say to each other: from member 1 to the owner, 3."""
    large, known, closing = (bench.connect(version, port) for port in ports)
    assert all(map(echoes, (large, known, closing)))
    bench.route(1)
    assert echoes(large, b"y" * 100_000)  # QUESTION
    assert echoes(known)  # PROBE
    assert echoes(known)  # CARRY
    push = packets.ACK | packets.PSH
    sequence, _ = packets.numbers(known)
    again = {"sequence": sequence - 64, "payload": b"z" * 64, "flags": push}
    bench.inject("client", packets.segment_of(known, **again).packet())  # ASK
    late = packets.segment_of(known, flags=push, payload=b"y" * 100)
    bench.inject("client", *late.fragments(48))
    sent = packets.answer_of(known, payload=b"z" * 100)
    for mtu in (1400, 1300):
        bench.inject("client", packets.too_big(sent, CLIENT[version], mtu))
    assert echoes(closing)
    last = packets.segment_of(closing).packet()
    close_at_server(bench.members[2], closing, is_abrupt=True)
    one, _, three = bench.members
    before = one.of(three).unlearned

    def is_denied():
        bench.inject("client", last)  # NOT_MINE
        return one.of(three).unlearned > before

    eventually(is_denied, "the owner says that it has no socket")
    bench.route(3)


def test_a_tunnel_takes_nothing_from_frames_at_random(bench):
    """All from a member that lies: nothing is learnt, nor sent to a third."""
    bench.switch_on()
    bench.route(3)
    others = [bench.connect(version, _OTHER_PORT) for version in (4, 6)]
    assert all(map(echoes, others))
    found = {}
    with captured(bench, found):
        talk(bench, 4, _PORTS[:3])
        talk(bench, 6, _PORTS[3:])
    assert set(found) == set(Message)
    bench.route(1)
    assert all(map(echoes, others))
    # Member 2 sends them all, to one that knows owners and to one that is it.
    one, two, three = bench.members
    choice = random.Random(SEED)
    kinds = [sorted(found[kind]) for kind in sorted(found)]
    deadline = time.monotonic() + 600
    for number in range(0, TUNNEL_FRAMES, BATCH):
        batch = [distorted(kinds, choice) for _ in range(BATCH)]
        bench.datagram("m2", 4, (one, three)[number // BATCH % 2], *batch)
        assert time.monotonic() < deadline
    seen = one.of(two).malformed + three.of(two).malformed
    assert seen > TUNNEL_FRAMES / 10, "the frames did arrive"
    assert three.of(two).delivered > 0
    assert two.rescuer.report().learned == 0
    assert three.rescuer.report().learned == 0
    assert one.rescuer.report().learned <= len(_PORTS) + len(others)
    # No front end got a packet at members 2 and 3: they sent answers alone.
    for member in (two, three):
        assert member.total("carried") == member.total("probes") == 0
    for member, third in ((one, three), (three, one)):
        assert member.of(third).forged == member.of(third).malformed == 0
    assert sum(m.total("foreign") for m in bench.members) == 0
    assert all(map(echoes, others))


def distorted(kinds, choice):
    """A datagram of a member's, distorted behind the secret."""
    real = choice.choice(choice.choice(kinds))
    data = bytearray(mutated(real, choice, start=_INNER))
    if not choice.randrange(8):
        data[_KIND] = choice.randrange(256)
    return bytes(data)
