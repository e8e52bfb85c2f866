# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Both ends of an SCTP association that echoes a message; pure, no I/O.

An end is given each packet that arrives and returns those to send. The one
that asks sends again what was not answered; the echo only answers, as often
as it is asked.
"""

import dataclasses
import secrets
import struct

from octavia_anycast_lab.traffic.datagram import sctp_packet
from octavia_anycast_lab.traffic.datagram.sctp_packet import (
    Chunk,
    ChunkType,
    Packet,
)

_COOKIE = struct.Struct("!LLLL")
_TSN_MODULUS = 2**32


class RefusedError(Exception):
    """The other end aborted the association."""


@dataclasses.dataclass(slots=True, kw_only=True)
class _Peer:
    """What the echo knows of one association."""

    tag: int
    own_tag: int
    received_tsn: int
    next_tsn: int
    last: Chunk | None = None


class Echo:
    """The answering end of all associations with one port."""

    def __init__(self, name: str, port: int) -> None:
        self._name = name.encode()
        self._port = port
        self._peers: dict[tuple[str, int], _Peer] = {}

    def receive(self, address: str, packet: Packet) -> tuple[Packet, ...]:
        """What to send back to that address.

        :raises sctp_packet.PacketError: a chunk is too short.
        """
        if packet.destination_port != self._port:
            return ()
        peer = (address, packet.source_port)
        answers: list[Packet] = []
        for chunk in packet.chunks:
            if chunk.type == ChunkType.INIT:
                answers.append(self._welcome(peer, chunk))
            else:
                answers += self._later(peer, packet.tag, chunk)
        return tuple(answers)

    def _welcome(self, peer: tuple[str, int], chunk: Chunk) -> Packet:
        """INIT ACK; all that is known goes into the cookie."""
        asked = sctp_packet.read_init(chunk)
        tag, tsn = _random(), _random()
        cookie = _COOKIE.pack(asked.tag, tag, asked.tsn, tsn)
        answer = sctp_packet.Init(tag=tag, tsn=tsn, cookie=cookie)
        return self._packet(
            peer, asked.tag, sctp_packet.init(ChunkType.INIT_ACK, answer)
        )

    def _later(
        self, peer: tuple[str, int], tag: int, chunk: Chunk
    ) -> list[Packet]:
        if chunk.type == ChunkType.COOKIE_ECHO:
            return self._establish(peer, tag, chunk)
        known = self._peers.get(peer)
        if known is None or tag != known.own_tag:
            return []
        return [
            self._packet(peer, known.tag, answer)
            for answer in self._established(peer, known, chunk)
        ]

    def _establish(
        self, peer: tuple[str, int], tag: int, chunk: Chunk
    ) -> list[Packet]:
        if len(chunk.value) != _COOKIE.size:
            return []
        theirs, own, their_tsn, own_tsn = _COOKIE.unpack(chunk.value)
        if own != tag:
            return []
        known = self._peers.get(peer)
        if known is None or known.own_tag != own:
            self._peers[peer] = _Peer(
                tag=theirs,
                own_tag=own,
                received_tsn=_before(their_tsn),
                next_tsn=own_tsn,
            )
        answer = Chunk(type=ChunkType.COOKIE_ACK)
        return [self._packet(peer, theirs, answer)]

    def _established(
        self, peer: tuple[str, int], known: _Peer, chunk: Chunk
    ) -> list[Chunk]:
        match chunk.type:
            case ChunkType.DATA:
                return self._echo(known, sctp_packet.read_data(chunk))
            case ChunkType.HEARTBEAT:
                kind = ChunkType.HEARTBEAT_ACK
                return [Chunk(type=kind, value=chunk.value)]
            case ChunkType.SHUTDOWN:
                return [Chunk(type=ChunkType.SHUTDOWN_ACK)]
            case ChunkType.ABORT | ChunkType.SHUTDOWN_COMPLETE:
                self._peers.pop(peer, None)
        return []

    def _echo(self, known: _Peer, message: sctp_packet.Data) -> list[Chunk]:
        """Acknowledge and answer it; the same again if it comes again."""
        if message.tsn == _after(known.received_tsn):
            content = self._name + b" " + message.content
            answer = sctp_packet.Data(tsn=known.next_tsn, content=content)
            known.last = sctp_packet.data(answer)
            known.received_tsn = message.tsn
            known.next_tsn = _after(known.next_tsn)
        answers = [sctp_packet.sack(known.received_tsn)]
        if known.last is not None and message.tsn == known.received_tsn:
            answers.append(known.last)
        return answers

    def _packet(self, peer: tuple[str, int], tag: int, chunk: Chunk) -> Packet:
        return Packet(
            source_port=self._port,
            destination_port=peer[1],
            tag=tag,
            chunks=(chunk,),
        )


class Question:
    """The asking end: one message, one answer, the end.

    ``answer`` is what came back. ``pending`` is to be sent now, and again
    until it changes.
    """

    def __init__(self, source_port: int, port: int, content: bytes) -> None:
        self._ports = source_port, port
        self._content = content
        self._own_tag, self._tsn = _random(), _random()
        self._tag = 0
        self.answer: bytes | None = None
        asked = sctp_packet.Init(tag=self._own_tag, tsn=self._tsn)
        self.pending = self._packet(sctp_packet.init(ChunkType.INIT, asked))

    def receive(self, packet: Packet) -> tuple[Packet, ...]:
        """What to send at once because of this packet.

        :raises RefusedError: the other end aborted.
        :raises sctp_packet.PacketError: a chunk is too short.
        """
        if (packet.destination_port, packet.source_port) != self._ports:
            return ()
        if packet.tag != self._own_tag:
            return ()
        answers: list[Packet] = []
        for chunk in packet.chunks:
            answers += self._chunk(chunk)
        return tuple(answers)

    @property
    def farewell(self) -> Packet:
        """Ends the association: the other end forgets it."""
        return self._packet(Chunk(type=ChunkType.ABORT))

    def _chunk(self, chunk: Chunk) -> list[Packet]:
        match chunk.type:
            case ChunkType.ABORT:
                raise RefusedError("the other end aborted the association")
            case ChunkType.INIT_ACK if not self._tag:
                found = sctp_packet.read_init(chunk)
                self._tag = found.tag
                self.pending = self._packet(
                    Chunk(type=ChunkType.COOKIE_ECHO, value=found.cookie)
                )
                return [self.pending]
            case ChunkType.COOKIE_ACK:
                message = sctp_packet.Data(
                    tsn=self._tsn, content=self._content
                )
                self.pending = self._packet(sctp_packet.data(message))
                return [self.pending]
            case ChunkType.DATA:
                message = sctp_packet.read_data(chunk)
                self.answer = message.content
                return [self._packet(sctp_packet.sack(message.tsn))]
        return []

    def _packet(self, chunk: Chunk) -> Packet:
        source, destination = self._ports
        return Packet(
            source_port=source,
            destination_port=destination,
            tag=self._tag,
            chunks=(chunk,),
        )


def _random() -> int:
    """Of 32 bits and never 0, which is no tag (RFC 9260 section 5.3.1)."""
    return 1 + secrets.randbelow(_TSN_MODULUS - 1)


def _after(tsn: int) -> int:
    return (tsn + 1) % _TSN_MODULUS


def _before(tsn: int) -> int:
    return (tsn - 1) % _TSN_MODULUS
