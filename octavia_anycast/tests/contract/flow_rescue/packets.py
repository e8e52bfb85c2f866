# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Packets that no kernel would send: written byte by byte (RFC 791, 8200)."""

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
TCP, ICMP, ICMPV6, UDP = 6, 1, 58, 17
FRAGMENT_HEADER = 44
_TCP_REPAIR, _TCP_REPAIR_QUEUE, _TCP_QUEUE_SEQ = 19, 20, 21
_RECEIVE_QUEUE, _SEND_QUEUE, _REPAIR_OFF = 1, 2, -1


def checksum(data):
    """RFC 1071."""
    total = sum(
        struct.unpack(
            f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)
        )
    )
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A TCP segment."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    sequence: int = 0
    acknowledgement: int = 0
    flags: int = ACK
    payload: bytes = b""

    @property
    def version(self):
        """Of IP."""
        return ip_address(self.source).version

    def body(self):
        """TCP header and payload."""
        fixed = struct.pack(
            "!HHIIBBHHH",
            self.source_port,
            self.destination_port,
            self.sequence & 0xFFFFFFFF,
            self.acknowledgement & 0xFFFFFFFF,
            5 << 4,
            self.flags,
            0xFFFF,
            0,
            0,
        )
        data = fixed + self.payload
        sums = pseudo_header(self, TCP, len(data)) + data
        return data[:16] + struct.pack("!H", checksum(sums)) + data[18:]

    def packet(self):
        """The whole packet."""
        return ip_packet(self, TCP, self.body())

    def fragments(self, size):
        """The packet in fragments; ``size`` is a multiple of 8."""
        body, found = self.body(), []
        for start in range(0, len(body), size):
            part = body[start : start + size]
            has_more = start + size < len(body)
            found.append(fragment(self, part, start, has_more))
        return found


def pseudo_header(segment, protocol, length):
    """Of the checksum."""
    pair = (
        ip_address(segment.source).packed
        + ip_address(segment.destination).packed
    )
    if segment.version == 4:
        return pair + struct.pack("!BBH", 0, protocol, length)
    return pair + struct.pack("!IHBB", length, 0, 0, protocol)


def ip_packet(segment, protocol, body, *, id=0, offset=0):
    """A packet of any protocol between the same addresses."""
    pair = (
        ip_address(segment.source).packed
        + ip_address(segment.destination).packed
    )
    if segment.version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
        return head + pair + body
    head = struct.pack(
        "!BBHHHBBH", 0x45, 0, 20 + len(body), id, offset, 64, protocol, 0
    )
    check = struct.pack("!H", checksum(head + pair))
    return head[:10] + check + pair + body


def fragment(segment, part, start, has_more):
    """One fragment of a segment."""
    if segment.version == 4:
        offset = start // 8 | (0x2000 if has_more else 0)
        return ip_packet(segment, TCP, part, id=4711, offset=offset)
    header = struct.pack("!BBHI", TCP, 0, start | has_more, 4711)
    return ip_packet(segment, FRAGMENT_HEADER, header + part)


def too_big(sent, router, mtu):
    """What a router says of a segment that the VIP sent."""
    quoted = sent.packet()[:60]
    reply = Segment(
        source=router,
        source_port=0,
        destination=sent.source,
        destination_port=0,
    )
    if sent.version == 4:
        body = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quoted
        check = struct.pack("!H", checksum(body))
        return ip_packet(reply, ICMP, body[:2] + check + body[4:])
    body = struct.pack("!BBHI", 2, 0, 0, mtu) + quoted
    sums = pseudo_header(reply, ICMPV6, len(body)) + body
    check = struct.pack("!H", checksum(sums))
    return ip_packet(reply, ICMPV6, body[:2] + check + body[4:])


def vxlan(kind, secret, inner, *, ethertype=None, tag=b""):
    """What a member sends to another one: the content of the datagram."""
    if ethertype is None:
        ethertype = 0x0800 if inner[:1] and inner[0] >> 4 == 4 else 0x86DD
    octets = bytes.fromhex(secret)
    macs = b"\x02" + octets[:5] + b"\x02" + octets[5:]
    frame = macs + tag + struct.pack("!H", ethertype) + inner
    return struct.pack("!II", 0x08000000, kind << 8) + frame


def numbers(connection):
    """The next (sequence, acknowledgement) of a connection."""
    connection.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
    try:
        found = []
        for queue in (_SEND_QUEUE, _RECEIVE_QUEUE):
            connection.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR_QUEUE, queue)
            number = connection.getsockopt(socket.IPPROTO_TCP, _TCP_QUEUE_SEQ)
            found.append(number & 0xFFFFFFFF)
        return tuple(found)
    finally:
        connection.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, _REPAIR_OFF)


def segment_of(connection, **changes):
    """A segment as the client of this connection would send it next."""
    source, destination = connection.getsockname(), connection.getpeername()
    sequence, acknowledgement = numbers(connection)
    values = {
        "source": source[0],
        "source_port": source[1],
        "destination": destination[0],
        "destination_port": destination[1],
        "sequence": sequence,
        "acknowledgement": acknowledgement,
    }
    return Segment(**values | changes)


def answer_of(connection, **changes):
    """A segment as the VIP sent it, the last one of this connection."""
    forth = segment_of(connection)
    values = {
        "source": forth.destination,
        "source_port": forth.destination_port,
        "destination": forth.source,
        "destination_port": forth.source_port,
        "sequence": forth.acknowledgement,
        "acknowledgement": forth.sequence,
    }
    return Segment(**values | changes)
