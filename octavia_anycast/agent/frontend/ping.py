# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""ICMP echo requests to a neighbour (RFC 792, RFC 4443), never fragmented.

Two to each: a small one, and one as large as the interface can send. Where
the small one is answered and the large one is not, something on the way takes
smaller packets than the amphora sends.

Layer: agent.
"""

import contextlib
import os
import socket
import struct
import time
from dataclasses import dataclass

from octavia_anycast.agent.frontend import netns
from octavia_anycast.model.bgp import IPAddress

_SO_BINDTODEVICE = 25
# linux/in.h, linux/in6.h: never fragment, whatever path MTU is known.
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PROBE = 10, 23, 3
_ICMP = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_BUFFER = 65_536
SMALL_BYTES = 64


@dataclass(frozen=True, slots=True)
class _Family:
    family: int
    protocol: int
    request: int
    reply: int
    header: int  # of IP
    level: int
    mtu_discover: int


_FAMILIES = {
    4: _Family(
        socket.AF_INET,
        socket.IPPROTO_ICMP,
        8,
        0,
        20,
        socket.IPPROTO_IP,
        _IP_MTU_DISCOVER,
    ),
    6: _Family(
        socket.AF_INET6,
        socket.IPPROTO_ICMPV6,
        128,
        129,
        40,
        socket.IPPROTO_IPV6,
        _IPV6_MTU_DISCOVER,
    ),
}


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_request(version: int, mark: tuple[int, int], length: int) -> bytes:
    """An echo request that makes an IP packet of ``length`` octets.

    :param mark: identifier and sequence number
    """
    family = _FAMILIES[version]
    padding = bytes(max(0, length - family.header - _ICMP.size))
    draft = _ICMP.pack(family.request, 0, 0, *mark) + padding
    # The kernel writes ICMPv6's, which covers the addresses.
    total = checksum(draft) if version == 4 else 0
    return _ICMP.pack(family.request, 0, total, *mark) + padding


def is_reply(version: int, data: bytes, mark: tuple[int, int]) -> bool:
    """Whether what a raw socket received answers the request of a mark."""
    family = _FAMILIES[version]
    if version == 4:  # with its IP header, as raw(7) says
        data = data[4 * (data[0] & 0xF) :] if data else b""
    if len(data) < _ICMP.size:
        return False
    kind, _, _, *found = _ICMP.unpack_from(data)
    return kind == family.reply and tuple(found) == mark


def ping(
    address: IPAddress,
    interface: str,
    length: int,
    *,
    namespace_path: str | None = None,
    tries: int = 3,
    timeout_seconds: float = 1.0,
) -> bool:
    """Whether a neighbour answers a packet of ``length`` octets.

    :param namespace_path: of the interface; None: the calling thread's
    :raises OSError: no such namespace or interface, or the calling thread may
        not.
    """
    with _opened(address.version, interface, namespace_path) as link:
        identifier = int.from_bytes(os.urandom(2), "big")
        return any(
            _is_answered(
                link, address, (identifier, sequence), length, timeout_seconds
            )
            for sequence in range(tries)
        )


def _opened(
    version: int, interface: str, namespace_path: str | None
) -> socket.socket:
    """A socket stays in its namespace: the wait is the caller's own.

    A thread that waits in another namespace would hold up the process's end.
    """
    family = _FAMILIES[version]

    def make() -> socket.socket:
        link = socket.socket(family.family, socket.SOCK_RAW, family.protocol)
        try:
            link.setsockopt(
                socket.SOL_SOCKET,
                _SO_BINDTODEVICE,
                interface.encode() + b"\0",
            )
            link.setsockopt(family.level, family.mtu_discover, _PROBE)
        except OSError:
            link.close()
            raise
        return link

    if namespace_path is None:
        return make()
    return netns.call_in(namespace_path, make)


def _is_answered(
    link: socket.socket,
    address: IPAddress,
    mark: tuple[int, int],
    length: int,
    timeout_seconds: float,
) -> bool:
    deadline = time.monotonic() + timeout_seconds
    request = echo_request(address.version, mark, length)
    try:
        link.sendto(request, (str(address), 0))
    except OSError:  # such as no route, or longer than the interface takes
        return False
    while (left := deadline - time.monotonic()) > 0:
        link.settimeout(left)
        with contextlib.suppress(OSError):
            data, source = link.recvfrom(_BUFFER)
            if source[0].partition("%")[0] == str(address) and is_reply(
                address.version, data, mark
            ):
                return True
    return False
