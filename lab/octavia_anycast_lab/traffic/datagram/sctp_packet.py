# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""SCTP packets as bytes (RFC 9260 section 3); pure, no I/O.

Many kernels of a lab have no SCTP, so the members and the client speak it
over raw sockets. Only what an echo needs is here.
"""

import dataclasses
import enum
import struct

_COMMON = struct.Struct("!HHLL")
_CHUNK = struct.Struct("!BBH")
_INIT = struct.Struct("!LLHHL")
_PARAMETER = struct.Struct("!HH")
_DATA = struct.Struct("!LHHL")
_SACK = struct.Struct("!LLHH")
_CHECKSUM_OFFSET = 8
_STATE_COOKIE = 7
_POLYNOMIAL = 0x82F63B78
RECEIVE_WINDOW = 65536
# Not fragmented: it begins and ends a message (RFC 9260 section 3.3.1).
WHOLE_MESSAGE = 0x03


class PacketError(ValueError):
    """The bytes are no SCTP packet, or were damaged on their way."""


class ChunkType(enum.IntEnum):
    """RFC 9260 section 3.2, those of an echo."""

    DATA = 0
    INIT = 1
    INIT_ACK = 2
    SACK = 3
    HEARTBEAT = 4
    HEARTBEAT_ACK = 5
    ABORT = 6
    SHUTDOWN = 7
    SHUTDOWN_ACK = 8
    COOKIE_ECHO = 10
    COOKIE_ACK = 11
    SHUTDOWN_COMPLETE = 14


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One chunk; ``type`` may be one that this module does not name."""

    type: int
    flags: int = 0
    value: bytes = b""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A packet: ports, verification tag, chunks."""

    source_port: int
    destination_port: int
    tag: int
    chunks: tuple[Chunk, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Init:
    """What INIT and INIT ACK say; only the second one has a cookie."""

    tag: int
    tsn: int
    cookie: bytes = b""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A whole message."""

    tsn: int
    content: bytes


def crc32c(data: bytes) -> int:
    """The checksum of RFC 9260 appendix A, as a number."""
    value = 0xFFFFFFFF
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def encode(packet: Packet) -> bytes:
    """The bytes of a packet, with its checksum."""
    ports = packet.source_port, packet.destination_port
    text = bytearray(_COMMON.pack(*ports, packet.tag, 0))
    for chunk in packet.chunks:
        length = _CHUNK.size + len(chunk.value)
        text += _CHUNK.pack(chunk.type, chunk.flags, length) + chunk.value
        text += bytes(-length % 4)
    struct.pack_into("<L", text, _CHECKSUM_OFFSET, crc32c(bytes(text)))
    return bytes(text)


def decode(text: bytes) -> Packet:
    """The packet in these bytes.

    :raises PacketError: they are none, or the checksum is wrong.
    """
    if len(text) < _COMMON.size:
        raise PacketError(f"{len(text)} bytes are no SCTP packet")
    source, destination, tag, _ = _COMMON.unpack_from(text)
    blank = bytearray(text)
    blank[_CHECKSUM_OFFSET : _COMMON.size] = bytes(4)
    (checksum,) = struct.unpack_from("<L", text, _CHECKSUM_OFFSET)
    if checksum != crc32c(bytes(blank)):
        raise PacketError("the checksum of an SCTP packet is wrong")
    return Packet(
        source_port=source,
        destination_port=destination,
        tag=tag,
        chunks=_chunks(text[_COMMON.size :]),
    )


def init(kind: ChunkType, content: Init) -> Chunk:
    """INIT or INIT ACK: one stream each way."""
    value = _INIT.pack(content.tag, RECEIVE_WINDOW, 1, 1, content.tsn)
    if content.cookie:
        length = _PARAMETER.size + len(content.cookie)
        value += _PARAMETER.pack(_STATE_COOKIE, length) + content.cookie
        value += bytes(-length % 4)
    return Chunk(type=kind, value=value)


def read_init(chunk: Chunk) -> Init:
    """What an INIT or INIT ACK says.

    :raises PacketError: it is too short.
    """
    _require(chunk, _INIT.size)
    tag, _, _, _, tsn = _INIT.unpack_from(chunk.value)
    rest, cookie = chunk.value[_INIT.size :], b""
    while len(rest) >= _PARAMETER.size:
        kind, length = _PARAMETER.unpack_from(rest)
        if length < _PARAMETER.size:
            raise PacketError(f"a parameter of {length} bytes")
        if kind == _STATE_COOKIE:
            cookie = rest[_PARAMETER.size : length]
        rest = rest[length + -length % 4 :]
    return Init(tag=tag, tsn=tsn, cookie=cookie)


def data(content: Data) -> Chunk:
    """A message on stream 0, which needs no order."""
    value = _DATA.pack(content.tsn, 0, 0, 0) + content.content
    return Chunk(type=ChunkType.DATA, flags=WHOLE_MESSAGE, value=value)


def read_data(chunk: Chunk) -> Data:
    """What a DATA chunk says.

    :raises PacketError: it is too short.
    """
    _require(chunk, _DATA.size)
    (tsn, _, _, _) = _DATA.unpack_from(chunk.value)
    return Data(tsn=tsn, content=chunk.value[_DATA.size :])


def sack(tsn: int) -> Chunk:
    """All up to ``tsn`` has arrived."""
    value = _SACK.pack(tsn, RECEIVE_WINDOW, 0, 0)
    return Chunk(type=ChunkType.SACK, value=value)


def _require(chunk: Chunk, size: int) -> None:
    if len(chunk.value) < size:
        raise PacketError(f"a chunk {chunk.type} of {len(chunk.value)} bytes")


def _chunks(text: bytes) -> tuple[Chunk, ...]:
    found = []
    while len(text) >= _CHUNK.size:
        kind, flags, length = _CHUNK.unpack_from(text)
        if not _CHUNK.size <= length <= len(text):
            raise PacketError(f"a chunk {kind} of {length} bytes")
        value = text[_CHUNK.size : length]
        found.append(Chunk(type=kind, flags=flags, value=value))
        text = text[length + -length % 4 :]
    return tuple(found)


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(map(_crc_of, range(256)))
