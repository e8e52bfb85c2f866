# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Ask another amphora for its series, within a time that is a bound.

Layer: agent.
"""

import http.client
import io
import socket
import ssl
from dataclasses import dataclass

from octavia_anycast.agent.tenant_metrics.answers import (
    ANSWER_MAX_BYTES,
    ANSWER_SECONDS,
    PIECE_BYTES,
    Answer,
    Deadline,
    Unanswered,
)
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import METRICS_PORT, MetricsMember

# How old the series are that an answer brings.
AGE_HEADER = "Octavia-Anycast-Age-Milliseconds"
_AGE_MAX_MS = 60_000
_HEAD_MAX_BYTES = 8_192
_REQUEST = (
    b"GET /metrics HTTP/1.1\r\nHost: amphora\r\nConnection: close\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Way:
    """From one of the own addresses to one of the other amphora's."""

    source: IPAddress
    address: IPAddress
    port: int = METRICS_PORT


def way_to(
    member: MetricsMember, own: tuple[IPAddress, ...], port: int
) -> Way | None:
    """Find the way: to its first address of a family that is here, too."""
    sources = {address.version: address for address in reversed(own)}
    return next(
        (
            Way(sources[address.version], address, port)
            for address in member.addresses
            if address.version in sources
        ),
        None,
    )


def ask(
    amphora_id: str,
    way: Way,
    context: ssl.SSLContext,
    seconds: float = ANSWER_SECONDS,
) -> Answer:
    """Ask one amphora; never takes longer than ``seconds``.

    :raises Unanswered: it does not answer in time, or is not that amphora.
    """
    deadline = Deadline(seconds)
    try:
        with (
            socket.create_connection(
                (str(way.address), way.port),
                timeout=deadline.left(),
                source_address=(str(way.source), 0),
            ) as plain,
            _secured(plain, context, amphora_id, deadline) as session,
        ):
            session.settimeout(deadline.left())
            session.sendall(_REQUEST)
            return _read(session, deadline)
    except TimeoutError:
        raise Unanswered(f"no answer in {seconds * 1000:.0f} ms") from None
    except (OSError, http.client.HTTPException, ValueError) as e:
        raise Unanswered(str(e) or type(e).__name__) from e


def _secured(
    plain: socket.socket,
    context: ssl.SSLContext,
    amphora_id: str,
    deadline: Deadline,
) -> ssl.SSLSocket:
    plain.settimeout(deadline.left())
    return context.wrap_socket(plain, server_hostname=amphora_id)


def _read(session: ssl.SSLSocket, deadline: Deadline) -> Answer:
    """Read an answer whole: a part of one is none."""
    received = bytearray()
    end = -1
    while end < 0:
        if len(received) > _HEAD_MAX_BYTES:
            raise ValueError("its answer begins with more than 8 KiB of head")
        received += _piece(session, deadline)
        end = received.find(b"\r\n\r\n")
    head = io.BytesIO(received[: end + 4])
    status = head.readline().split(b" ")
    if status[1:2] != [b"200"]:
        said = b" ".join(status).decode("ascii", "replace").strip()
        raise ValueError(f"it says {said}")
    headers = http.client.parse_headers(head)
    length = _number(headers, "Content-Length", ANSWER_MAX_BYTES)
    age_ms = _number(headers, AGE_HEADER, _AGE_MAX_MS)
    body = received[end + 4 :]
    while len(body) < length:
        body += _piece(session, deadline)
    if len(body) > length:
        raise ValueError("it says more than it announced")
    return Answer(body.decode(), deadline.began_at - age_ms / 1000)


def _piece(session: ssl.SSLSocket, deadline: Deadline) -> bytes:
    session.settimeout(deadline.left())
    piece = session.recv(PIECE_BYTES)
    if not piece:
        raise ValueError("its answer is not whole")
    return piece


def _number(headers: http.client.HTTPMessage, name: str, largest: int) -> int:
    text = headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise ValueError(f"its answer has no {name}")
    if int(text) > largest:
        raise ValueError(f"its {name} is more than {largest}")
    return int(text)
