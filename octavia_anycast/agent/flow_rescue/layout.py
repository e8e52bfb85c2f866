# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Keys and values of the program's maps, as ``flow_rescue.bpf.c`` has them.

Layer: agent. Pure. In the byte order of the machine, but for addresses and
ports, which are in that of the network.
"""

import dataclasses
import struct
import zlib
from collections.abc import Sequence
from enum import IntEnum, StrEnum
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import (
    SECRET_BYTES,
    MemberCounts,
    MemberState,
)

# Pins are below a directory of this name: programs of another layout do not
# find these maps.
VERSION = "2"


class Map(StrEnum):
    """The maps that the agent reads or writes."""

    CONFIGS = "configs"
    SERVICES = "services"
    MEMBERS = "members"
    SLOTS = "slots"
    OWNERS = "owners"
    STATISTICS = "statistics"


class Program(StrEnum):
    """The programs."""

    FRONTEND = "flow_rescue_frontend"
    TUNNEL = "flow_rescue_tunnel"


class Message(IntEnum):
    """The kinds of packets between members: the VNI."""

    CARRY = 1
    ASK = 2
    PROBE = 3
    QUESTION = 4
    MINE = 5
    NOT_MINE = 6


SERVICES_MAX, LEARNED_MAX = 16_384, 65_536
STATES = {MemberState.LOST: 1, MemberState.PRESENT: 2}
KEY = struct.Struct("=I")
ADDRESS = struct.Struct("=16s")
SERVICE = struct.Struct("=16s2s2x")
MEMBER = struct.Struct("=16s16sII")
CONFIG = struct.Struct("=12s12s6s2xIIIIII")
COUNTER_NAMES = tuple(f.name for f in dataclasses.fields(MemberCounts))
COUNTERS = struct.Struct(f"={len(COUNTER_NAMES)}Q")
FLOW = struct.Struct("=16s16s2s2s")
OWNER = struct.Struct("=QQIII4x")  # confirmed, asked, slot, tag, sequence


def packed_address(address: IPAddress) -> bytes:
    """The address, one of IPv4 mapped (RFC 4291, section 2.5.5.2)."""
    if isinstance(address, IPv4Address):
        return bytes(10) + b"\xff\xff" + address.packed
    return address.packed


def unpacked_address(packed: bytes) -> IPAddress:
    """The inverse of :func:`packed_address`."""
    address = IPv6Address(packed)
    return address.ipv4_mapped or address


def packed_service(vip_ip: IPAddress, port: int) -> bytes:
    """A key of ``services``; port 0 stands for the VIP itself."""
    return SERVICE.pack(packed_address(vip_ip), port.to_bytes(2, "big"))


def packed_member(id: str, address: IPAddress, state: MemberState) -> bytes:
    """A value of ``members``."""
    uuid = UUID(id).bytes
    return MEMBER.pack(
        packed_address(address), uuid, zlib.crc32(uuid), STATES[state]
    )


def member_id(value: bytes) -> str:
    """The id in a value of ``members``."""
    return str(UUID(bytes=MEMBER.unpack(value)[1]))


def packed_secret(secret: str) -> bytes:
    """Two locally administered unicast MAC addresses that are the secret."""
    octets, half = bytes.fromhex(secret), SECRET_BYTES // 2
    return b"\x02" + octets[:half] + b"\x02" + octets[half:]


def summed_counts(values: Sequence[bytes]) -> MemberCounts:
    """The sum over the processors of a value of ``statistics``."""
    counts = [COUNTERS.unpack(value) for value in values]
    sums = map(sum, zip(*counts, strict=True))
    return MemberCounts(**dict(zip(COUNTER_NAMES, sums, strict=True)))
