# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The front end's program alone: tables of frames (BPF_PROG_TEST_RUN)."""

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
    eventually,
)

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
    yield "port 0", segment(version, destination_port=0).packet()
    yield "no VIP", segment(version, destination=CLIENT[version]).packet()
    yield "truncated TCP", packet[:-1]
    yield "truncated", segment(version, payload=bytes(64)).packet()[:-1]
    yield "TCP in the padding", padded(version)
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


def padded(version):
    """A first fragment of 8 bytes; what follows is not of the packet."""
    whole = segment(version, payload=bytes(64))
    first, second, *_ = whole.fragments(8)
    return first + second[-8:] + bytes(8)


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


def test_what_the_kernel_merged_beyond_64_kib_is_asked_for(bench, frontend):
    """BIG TCP: the length in the header is 0, here and at the others."""
    packet = bytearray(segment(4, payload=bytes(2000)).packet())
    packet[2:4] = bytes(2)
    frontend.run_all([frontend.ethernet(bytes(packet))], gso_size=1000)
    one, two, three = bench.members
    eventually(lambda: two.of(one).probed == 1, "one has the question")
    eventually(lambda: three.of(one).probed == 1, "the other has it")
    assert two.of(one).malformed == three.of(one).malformed == 0


def test_a_mapped_address_in_ipv6_is_not_an_ipv4_one(frontend):
    packet = segment(
        6, source="::ffff:10.9.0.2", destination=f"::ffff:{VIPS[4]}"
    ).packet()
    assert frontend.run(frontend.ethernet(packet)).verdict == PASSED
