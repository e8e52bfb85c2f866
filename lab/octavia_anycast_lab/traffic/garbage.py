# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Segments of connections that nobody has, as an attacker would send them.

Run inside the client's namespace::

    python -m octavia_anycast_lab.traffic.garbage ADDRESS PORT \\
        --count 100000 --rate 20000

Each has another pair of source port and sequence number, and the flag ACK
alone. It ends by itself when ``--count``, at most ``COUNT_MAX``, are sent.
"""

import argparse
import ipaddress
import itertools
import random
import socket
import struct
import sys
import time

COUNT_MAX = 1_000_000
_ACK = 0x10
_HEADER_WORDS = 5
_WINDOW = 65_535
_TCP = struct.Struct("!HHIIBBHHH")
_BURST_SECONDS = 0.01


def segment(
    source: bytes, target: bytes, ports: tuple[int, int], numbers: int
) -> bytes:
    """One TCP header with a right checksum (RFC 9293, section 3.1).

    :param source: address, packed; ``target`` likewise
    :param numbers: sequence and acknowledgement number, both this one
    """
    fields = (*ports, numbers, numbers, _HEADER_WORDS << 4, _ACK, _WINDOW)
    bare = _TCP.pack(*fields, 0, 0)
    pseudo = source + target + struct.pack("!II", len(bare), 6)
    words = struct.unpack(f"!{len(pseudo + bare) // 2}H", pseudo + bare)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return _TCP.pack(*fields, ~total & 0xFFFF, 0)


def send(address: str, port: int, count: int, rate: float) -> int:
    """Send so many, so many a second; returns how many were sent."""
    target = ipaddress.ip_address(address)
    family = socket.AF_INET6 if target.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, port))
        source = ipaddress.ip_address(probe.getsockname()[0])
    numbers = random.Random(4)
    began, sent = time.monotonic(), 0
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP) as link:
        for source_port in itertools.cycle(range(1024, 65_536)):
            if sent >= min(count, COUNT_MAX):
                return sent
            ports = (source_port, port)
            link.sendto(
                segment(
                    source.packed,
                    target.packed,
                    ports,
                    numbers.getrandbits(32),
                ),
                (address, 0),
            )
            sent += 1
            ahead = sent / rate - (time.monotonic() - began)
            if ahead > _BURST_SECONDS:
                time.sleep(ahead)
    return sent


def main() -> None:
    """Send what is asked for, and print how many it were."""
    parser = argparse.ArgumentParser(description="Garbage.")
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    asked = parser.parse_args()
    sent = send(asked.address, asked.port, asked.count, asked.rate)
    sys.stdout.write(f"{sent}\n")


if __name__ == "__main__":
    main()
