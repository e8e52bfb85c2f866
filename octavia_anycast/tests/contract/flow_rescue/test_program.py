# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The program alone: tables of frames, and a million frames at random."""

import os
import random

import pytest

from octavia_anycast.agent.flow_rescue.layout import Program
from octavia_anycast.tests.contract.flow_rescue import packets
from octavia_anycast.tests.contract.flow_rescue.prog_run import (
    DROPPED,
    PASSED,
    Runner,
)
from octavia_anycast.tests.contract.flow_rescue.rescue_bench import (
    CLIENT,
    PORT,
    VIPS,
    echoes,
)

FRAMES = int(os.environ.get("OA_FUZZ_FRAMES", "1000000"))
BATCH = 20_000
SEED = 20_261_129
_HEADERS = 14 + 40
MARK = 0x0A7E5C0E


@pytest.fixture
def frontend(bench):
    """The program at member 1's front end."""
    bench.switch_on(probe_rate=1_000, probe_burst=64)
    return Runner(bench.members[0], Program.FRONTEND)


def segment(version, **changes):
    """A segment of a connection that nobody has."""
    values = {
        "source": CLIENT[version],
        "source_port": 5555,
        "destination": str(VIPS[version]),
        "destination_port": PORT,
        "sequence": 1000,
        "acknowledgement": 2000,
    }
    return packets.Segment(**values | changes)


def left_alone(version):
    """Packets that the stack gets as without the program, by name."""
    packet = segment(version).packet()
    body = segment(version).body()
    echo = {4: (packets.ICMP, b"\x08\0"), 6: (packets.ICMPV6, b"\x80\0")}
    protocol, head = echo[version]
    yield "SYN", segment(version, flags=packets.SYN).packet()
    yield "another port", segment(version, destination_port=81).packet()
    yield "no VIP", segment(version, destination=CLIENT[version]).packet()
    yield "truncated TCP", packet[:-1]
    yield (
        "short TCP header",
        bytes(
            byte & 0x0F if index == len(packet) - 8 else byte
            for index, byte in enumerate(packet)
        ),
    )
    for name, number in (("UDP", packets.UDP), ("ESP", 50), ("hops", 0)):
        yield name, packets.ip_packet(segment(version), number, body)
    yield "echo", packets.ip_packet(segment(version), protocol, head + body)
    yield "fragment", segment(version, payload=bytes(64)).fragments(24)[1]
    sent = segment(
        version,
        source=CLIENT[version],
        destination=CLIENT[version],
    )
    yield "error of others", packets.too_big(sent, CLIENT[version], 1300)


@pytest.mark.parametrize("version", [4, 6])
def test_what_is_left_alone(bench, frontend, version):
    for name, packet in left_alone(version):
        assert frontend.run(frontend.ethernet(packet)).verdict == PASSED, name
    unknown = segment(version).packet()
    assert (
        frontend.run(frontend.ethernet(unknown), mark=MARK).verdict == PASSED
    )
    foreign = frontend.ethernet(unknown, is_ours=False)
    assert frontend.run(foreign).verdict == PASSED
    arp = frontend.ethernet(unknown)[:12] + b"\x08\x06" + bytes(28)
    assert frontend.run(arp).verdict == PASSED
    assert bench.members[0].own().floods == 0
    assert frontend.run(frontend.ethernet(unknown)).verdict == DROPPED
    assert bench.members[0].own().floods == 1


def test_a_mapped_address_in_ipv6_is_not_an_ipv4_one(frontend):
    packet = segment(
        6, source="::ffff:10.9.0.2", destination=f"::ffff:{VIPS[4]}"
    ).packet()
    assert frontend.run(frontend.ethernet(packet)).verdict == PASSED


def mutated(frame, choice):
    """The frame with some bytes changed, cut, or repeated."""
    data = bytearray(frame)
    for _ in range(choice.randrange(1, 6)):
        position = choice.randrange(12, len(data))
        data[position] = choice.randrange(256)
    kind = choice.randrange(8)
    if kind == 0:
        # BPF_PROG_TEST_RUN takes no frame without a whole IP header.
        del data[max(_HEADERS, choice.randrange(len(data))) :]
    elif kind == 1:
        data += data[choice.randrange(14, len(data)) :]
    return bytes(data)


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
    for _ in range(0, FRAMES, BATCH):
        batch = [mutated(choice.choice(frames), choice) for _ in range(BATCH)]
        verdicts = {run.verdict for run in frontend.run_all(batch)}
        assert verdicts <= {PASSED, DROPPED}
    for member in bench.members:
        assert member.rescuer.report().learned == 0
        assert member.total("carried") == member.total("delivered") == 0
        assert member.total("foreign") == member.total("malformed") == 0
    assert echoes(connection)
