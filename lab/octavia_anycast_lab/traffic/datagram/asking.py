# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Questions of the lab's client over UDP or SCTP, each from a port of its own.

``python -m octavia_anycast_lab.traffic.datagram.asking`` reads a question
(JSON) in the client's namespace and prints the answers (JSON).
"""

import dataclasses
import enum
import json
import random
import secrets
import socket
import sys
import time

from octavia_anycast_lab import settings
from octavia_anycast_lab.host import netns
from octavia_anycast_lab.traffic.datagram import sctp_association as sctp
from octavia_anycast_lab.traffic.datagram import sctp_packet, sctp_socket

TIMEOUT_SECONDS = 5.0
_AGAIN_SECONDS = 0.5
_FIRST_PORT, _LAST_PORT = 20000, 60000
_SLACK_SECONDS = 30.0


class Protocol(enum.StrEnum):
    """Of a listener, as Octavia writes it."""

    UDP = "UDP"
    SCTP = "SCTP"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to ask; ``source_port`` 0: each time another one."""

    protocol: Protocol
    address: str
    port: int
    count: int = 1
    source_port: int = 0
    timeout_seconds: float = TIMEOUT_SECONDS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Who answered; nobody and the ``error`` if there was none."""

    member: str = ""
    error: str = ""


def ask(lab: settings.Lab, question: Question) -> tuple[Answer, ...]:
    """Ask from the client's namespace."""
    done = netns.run(
        lab.namespace(settings.CLIENT),
        [sys.executable, "-m", __name__],
        stdin=json.dumps(dataclasses.asdict(question)),
        timeout_seconds=question.count * question.timeout_seconds
        + _SLACK_SECONDS,
    )
    return tuple(Answer(**found) for found in json.loads(done.stdout))


def read(content: bytes, token: bytes) -> Answer:
    """The member that gave this answer to that token."""
    member, _, echoed = content.partition(b" ")
    if echoed != token:
        return Answer(error=f"{content!r} is no answer to {token!r}")
    return Answer(member=member.decode())


def _one(question: Question) -> Answer:
    token = secrets.token_hex(8).encode()
    exchange = _udp if question.protocol == Protocol.UDP else _sctp
    try:
        return read(exchange(question, token), token)
    except (OSError, sctp.RefusedError) as error:
        return Answer(error=repr(error))


def _family(question: Question) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in question.address else socket.AF_INET


def _udp(question: Question, token: bytes) -> bytes:
    """Ask once: a datagram that is lost shows as a timeout."""
    with socket.socket(_family(question), socket.SOCK_DGRAM) as asking:
        asking.settimeout(question.timeout_seconds)
        asking.bind(("", question.source_port))
        asking.connect((question.address, question.port))
        asking.send(token)
        return asking.recv(len(token) + 256)


def _sctp(question: Question, token: bytes) -> bytes:
    """Ask; what is not answered is sent again until the time is over."""
    port = question.source_port or random.randint(_FIRST_PORT, _LAST_PORT)
    end = sctp.Question(port, question.port, token)
    raw = sctp_socket.Raw(_family(question))
    raw.settimeout(_AGAIN_SECONDS)
    deadline = time.monotonic() + question.timeout_seconds
    try:
        while end.answer is None:
            if time.monotonic() > deadline:
                waiting = sctp_packet.ChunkType(end.pending.chunks[0].type)
                raise TimeoutError(f"no answer to {waiting.name}")
            raw.send(question.address, end.pending)
            _receive(raw, end, question.address, deadline)
        raw.send(question.address, end.farewell)
    finally:
        raw.close()
    return end.answer


def _receive(
    raw: sctp_socket.Raw, end: sctp.Question, address: str, deadline: float
) -> None:
    """Take packets until none comes for a while, or there is an answer."""
    while end.answer is None and time.monotonic() < deadline:
        try:
            sender, packet = raw.receive()
            if sender == address:
                for answer in end.receive(packet):
                    raw.send(address, answer)
        except sctp_packet.PacketError:
            continue
        except TimeoutError:
            return


def main() -> None:
    """Entry point inside the namespace."""
    question = Question(**json.load(sys.stdin))
    answers = [
        dataclasses.asdict(_one(question)) for _ in range(question.count)
    ]
    print(json.dumps(answers))  # noqa: T201


if __name__ == "__main__":
    main()
