# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""SCTP of the lab's members and client: packets, and both ends together."""

import dataclasses
import struct

import pytest
from octavia_anycast_lab.traffic.datagram import (
    asking,
    sctp_association,
    sctp_packet,
)
from octavia_anycast_lab.traffic.datagram.sctp_packet import (
    Chunk,
    ChunkType,
    Packet,
)

PORT = 2905
CLIENT = "192.0.2.1"


def _packet(*chunks: Chunk, tag: int = 7) -> Packet:
    return Packet(
        source_port=1000, destination_port=PORT, tag=tag, chunks=chunks
    )


def test_checksum_is_that_of_the_standard() -> None:
    """The check value of CRC-32C, as catalogues of checksums give it."""
    assert sctp_packet.crc32c(b"123456789") == 0xE3069283


def test_what_is_encoded_is_decoded() -> None:
    wanted = _packet(
        Chunk(type=ChunkType.COOKIE_ECHO, value=b"odd"),
        sctp_packet.data(sctp_packet.Data(tsn=2**32 - 1, content=b"hello")),
    )
    assert sctp_packet.decode(sctp_packet.encode(wanted)) == wanted


def test_init_ack_carries_the_cookie() -> None:
    wanted = sctp_packet.Init(tag=1, tsn=2, cookie=b"seven b")
    chunk = sctp_packet.init(ChunkType.INIT_ACK, wanted)
    assert sctp_packet.read_init(chunk) == wanted


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:11],
        lambda text: text[:-1] + bytes([text[-1] ^ 1]),
        lambda text: text[:4] + bytes([text[4] ^ 1]) + text[5:],
    ],
    ids=["short", "content", "tag"],
)
def test_a_damaged_packet_is_refused(spoil) -> None:
    text = sctp_packet.encode(
        _packet(sctp_packet.data(sctp_packet.Data(tsn=1, content=b"abcd")))
    )
    with pytest.raises(sctp_packet.PacketError):
        sctp_packet.decode(spoil(text))


@pytest.mark.parametrize("length", [0, 3, 200])
def test_a_chunk_with_a_wrong_length_is_refused(length: int) -> None:
    text = bytearray(sctp_packet.encode(_packet(sctp_packet.sack(1))))
    struct.pack_into("!H", text, 14, length)
    struct.pack_into("!L", text, 8, 0)
    struct.pack_into("<L", text, 8, sctp_packet.crc32c(bytes(text)))
    with pytest.raises(sctp_packet.PacketError, match="a chunk 3"):
        sctp_packet.decode(bytes(text))


def test_a_short_parameter_does_not_hang_the_reader() -> None:
    good = sctp_packet.init(ChunkType.INIT_ACK, sctp_packet.Init(tag=1, tsn=1))
    bad = dataclasses.replace(good, value=good.value + bytes(4))
    with pytest.raises(sctp_packet.PacketError, match="parameter"):
        sctp_packet.read_init(bad)


class Wire:
    """Both ends, and a wire that loses the packets that a test names."""

    def __init__(self, *lost: int) -> None:
        self.echo = sctp_association.Echo("member1", PORT)
        self.question = sctp_association.Question(1000, PORT, b"token")
        self._lost = set(lost)
        self._count = 0
        self.attempts = 0

    def run(self) -> bytes | None:
        """Send what is pending, again and again; the answer."""
        while self.question.answer is None and self.attempts < 10:
            self.attempts += 1
            self._deliver([self.question.pending])
        return self.question.answer

    def _deliver(self, packets) -> None:
        for packet in packets:
            if self._is_lost():
                continue
            for answer in self.echo.receive(CLIENT, packet):
                if not self._is_lost():
                    self._deliver(self.question.receive(answer))

    def _is_lost(self) -> bool:
        self._count += 1
        return self._count in self._lost


def test_an_echo_says_who_it_is() -> None:
    wire = Wire()
    assert wire.run() == b"member1 token"
    assert wire.attempts == 1
    answer = asking.read(wire.question.answer or b"", b"token")
    assert answer == asking.Answer(member="member1")


@pytest.mark.parametrize("lost", range(1, 8))
def test_each_packet_may_be_lost_once(lost: int) -> None:
    """INIT, INIT ACK, COOKIE ECHO, COOKIE ACK, DATA, SACK and answer."""
    wire = Wire(lost)
    assert wire.run() == b"member1 token"


def test_lost_packets_need_another_attempt() -> None:
    assert Wire(1, 2).run() is not None
    wire = Wire(*range(1, 100))
    assert wire.run() is None, "nothing arrives on this wire"


def test_an_association_that_was_ended_is_forgotten() -> None:
    wire = Wire()
    wire.run()
    message = wire.question.pending
    assert wire.echo.receive(CLIENT, message) != ()
    wire.echo.receive(CLIENT, wire.question.farewell)
    assert wire.echo.receive(CLIENT, message) == ()


def test_another_port_and_another_tag_are_not_answered() -> None:
    wire = Wire()
    wire.run()
    message = wire.question.pending
    elsewhere = dataclasses.replace(message, destination_port=PORT + 1)
    stranger = dataclasses.replace(message, tag=message.tag ^ 1)
    assert wire.echo.receive(CLIENT, elsewhere) == ()
    assert wire.echo.receive(CLIENT, stranger) == ()


def test_a_monitor_that_never_goes_on_leaves_nothing_behind() -> None:
    """Octavia's checker sends an INIT, and an ABORT after the answer."""
    echo = sctp_association.Echo("member1", PORT)
    asked = sctp_packet.Init(tag=5, tsn=1)
    (answer,) = echo.receive(
        CLIENT, _packet(sctp_packet.init(ChunkType.INIT, asked), tag=0)
    )
    assert answer.tag == 5
    assert answer.chunks[0].type == ChunkType.INIT_ACK
    abort = _packet(Chunk(type=ChunkType.ABORT))
    assert echo.receive(CLIENT, abort) == ()
    assert echo.receive(CLIENT, _packet(sctp_packet.sack(1))) == ()


def test_an_abort_ends_the_question() -> None:
    wire = Wire()
    abort = Packet(
        source_port=PORT,
        destination_port=1000,
        tag=sctp_packet.read_init(wire.question.pending.chunks[0]).tag,
        chunks=(Chunk(type=ChunkType.ABORT),),
    )
    with pytest.raises(sctp_association.RefusedError):
        wire.question.receive(abort)


def test_a_foreign_answer_is_an_error() -> None:
    found = asking.read(b"member1 other", b"token")
    assert found.member == ""
    assert "other" in found.error
