# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The kernel's tables that the agent reads, by netlink.

Links, addresses, neighbours and rules (rtnetlink(7)) and TCP sockets
(sock_diag(7)).
Written out rather than by pyroute2, whose import takes longer than the whole
agent needs to restore an announcement.

Layer: agent.
"""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)

from octavia_anycast.agent.frontend import netns

IPAddress = IPv4Address | IPv6Address

TCP_ESTABLISHED = 1
TCP_LISTEN = 10

_NETLINK_ROUTE, _NETLINK_SOCK_DIAG = 0, 4
_RTM_GETLINK, _RTM_GETADDR, _RTM_GETNEIGH, _RTM_GETRULE = 18, 22, 30, 34
_RTM_GETROUTE, _RTM_GETTFILTER = 26, 46
_TC_H_CLSACT_INGRESS = 0xFFFFFFF2
_TCA_OPTIONS, _TCA_BPF_ID = 2, 11
_FRA_SRC, _FRA_TABLE = 2, 15
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_METRICS, _RTA_TABLE = 1, 4, 5, 8, 15
_RTAX_ADVMSS = 8
_RTN_UNICAST, _RTPROT_STATIC = 1, 4
_SOCK_DIAG_BY_FAMILY = 20
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST_DUMP = 0x301
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_IFA_F_DADFAILED, _IFA_F_TENTATIVE = 0x08, 0x40
_NUD_PROBE = 0x10
_NUD_ANSWERED = 0x02 | 0x04 | 0x08  # REACHABLE, STALE, DELAY
_NUD_SILENT = 0x01 | 0x20  # INCOMPLETE, FAILED
_RTM_NEWNEIGH, _NTF_USE, _NDA_DST = 28, 0x01, 1
_NLM_F_REQUEST_CREATE_ACK = 0x405
_TIMEOUT_SECONDS = 1
_TIMEVAL = struct.Struct("@ll")
# The kernel answers a dump in pieces that are no larger.
_CHUNK = 32_768
# Without the counters, which are most of the answer.
_IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS = 29, 8
_LINKS_REQUEST = bytes(16) + struct.pack(
    "=HHI", 8, _IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS
)
_IFLA_MTU = 4
_NDA_IFINDEX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network interface; ``mtu`` 0: the kernel does not tell."""

    index: int
    name: str
    mac_address: str
    is_up: bool
    mtu: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address of an interface that can be used."""

    index: int
    ip_address: IPAddress
    prefix_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route over one link; ``advertised_mss`` 0: that of the link."""

    destination: IPv4Network | IPv6Network
    table: int
    index: int
    gateway: IPAddress | None = None
    advertised_mss: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSocket:
    """A listening socket; ``backlog`` connections wait to be accepted."""

    ip_address: IPAddress
    port: int
    backlog: int
    backlog_max: int


def is_silent(state: int) -> bool:
    """Whether a neighbour in this state does not answer."""
    return bool(state & _NUD_SILENT)


def is_answering(state: int) -> bool:
    """Whether a neighbour in this state has answered the last question."""
    return bool(state & _NUD_ANSWERED)


class Netlink:
    """Two netlink sockets in one network namespace; for one thread.

    :raises OSError: the namespace is not there, or the kernel refuses.
    """

    def __init__(self, namespace_path: str | None = None) -> None:
        # What the kernel said last of what listens, and what that means.
        self._listening: tuple[list[bytes], tuple[TcpSocket, ...]] = [], ()
        # A socket stays in the namespace in which it was opened.
        self._route, self._diag = (
            _open()
            if namespace_path is None
            else netns.call_in(namespace_path, _open)
        )

    def close(self) -> None:
        """Close both."""
        self._route.close()
        self._diag.close()

    def links(self) -> tuple[Link, ...]:
        """List the interfaces."""
        found = []
        for body in _dump(self._route, _RTM_GETLINK, _LINKS_REQUEST):
            index, flags = struct.unpack_from("=4xiI", body)
            attributes = _attributes(body, 16)
            found.append(
                Link(
                    index=index,
                    name=attributes.get(3, b"").rstrip(b"\0").decode(),
                    mac_address=attributes.get(1, b"").hex(":"),
                    is_up=flags & (_IFF_UP | _IFF_RUNNING)
                    == _IFF_UP | _IFF_RUNNING,
                    mtu=_number(attributes.get(_IFLA_MTU)),
                )
            )
        return tuple(found)

    def addresses(self) -> tuple[Address, ...]:
        """List the addresses, without those that are still tentative."""
        found = []
        for body in _dump(self._route, _RTM_GETADDR, bytes(8)):
            _, prefix_length, flags, index = struct.unpack_from("=BBBxI", body)
            attributes = _attributes(body, 8)
            packed = attributes.get(2) or attributes.get(1)
            if packed is None or flags & (_IFA_F_TENTATIVE | _IFA_F_DADFAILED):
                continue
            found.append(
                Address(
                    index=index,
                    ip_address=_ip(packed),
                    prefix_length=prefix_length,
                )
            )
        return tuple(found)

    def sources(self, table: int) -> frozenset[IPAddress]:
        """List the addresses whose packets a rule sends to a routing table."""
        found = set()
        for body in _dump(self._route, _RTM_GETRULE, bytes(12)):
            attributes = _attributes(body, 12)
            source = attributes.get(_FRA_SRC)
            if source is None or body[2] != 8 * len(source):
                continue
            if struct.unpack("=I", attributes[_FRA_TABLE])[0] == table:
                found.add(_ip(source))
        return frozenset(found)

    def static_routes(self) -> frozenset[Route]:
        """List the unicast routes of the protocol ``static``."""
        found = set()
        for body in _dump(self._route, _RTM_GETROUTE, bytes(12)):
            family, length, _, _, _, protocol, _, kind = body[:8]
            if (protocol, kind) != (_RTPROT_STATIC, _RTN_UNICAST):
                continue
            attributes = _attributes(body, 12)
            size = 4 if family == socket.AF_INET else 16
            start = _ip(attributes.get(_RTA_DST, bytes(size)))
            metrics = _attributes(attributes.get(_RTA_METRICS, b""), 0)
            gateway = attributes.get(_RTA_GATEWAY)
            found.add(
                Route(
                    destination=ip_network((start, length)),
                    table=_number(attributes.get(_RTA_TABLE)),
                    index=_number(attributes.get(_RTA_OIF)),
                    gateway=_ip(gateway) if gateway else None,
                    advertised_mss=_number(metrics.get(_RTAX_ADVMSS)),
                )
            )
        return frozenset(found)

    def ingress_programs(self, index: int) -> dict[tuple[int, int], int]:
        """Map (priority, handle) of clsact's ingress filters to programs' ids.

        Empty where there is no clsact; 0 for a filter that is no program.
        """
        found = {}
        request = struct.pack(
            "=BxxxiIII", socket.AF_UNSPEC, index, 0, _TC_H_CLSACT_INGRESS, 0
        )
        for body in _dump(self._route, _RTM_GETTFILTER, request):
            handle, _, info = struct.unpack_from("=III", body, 8)
            options = _attributes(
                _attributes(body, 20).get(_TCA_OPTIONS, b""), 0
            )
            program = options.get(_TCA_BPF_ID, bytes(4))
            if handle:  # without one it is the head of a priority
                priority = info >> 16
                found[priority, handle] = struct.unpack("=I", program)[0]
        return found

    def neighbours(self, index: int) -> dict[IPAddress, int]:
        """Map each neighbour on a link to its state (ip-neighbour(8))."""
        found = {}
        request = bytes(12) + struct.pack("=HHI", 8, _NDA_IFINDEX, index)
        for body in _dump(self._route, _RTM_GETNEIGH, request):
            link, state = struct.unpack_from("=4xiH", body)
            packed = _attributes(body, 12).get(_NDA_DST)
            if packed and link == index:
                found[_ip(packed)] = state
        return found

    def ask_neighbour(
        self, index: int, address: IPAddress, state: int | None
    ) -> None:
        """Have the kernel ask a neighbour for a sign of life (RFC 4861).

        One that answered a while ago is asked at once, not when its entry
        has become stale and is used; one that is not known is resolved. What
        it says shows in a later :meth:`neighbours`.

        :param state: its state as of now, None if it has none
        """
        if state is not None and state & _NUD_ANSWERED:
            with suppress(OSError):  # the entry has changed meanwhile
                self._set_neighbour(index, address, _NUD_PROBE, 0)
                return
        if state is None or state & (_NUD_ANSWERED | _NUD_SILENT):
            self._set_neighbour(index, address, 0, _NTF_USE)

    def _set_neighbour(
        self, index: int, address: IPAddress, state: int, flags: int
    ) -> None:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        request = struct.pack("=BxxxiHBB", family, index, state, flags, 0)
        packed = address.packed
        request += _ATTRIBUTE.pack(4 + len(packed), _NDA_DST) + packed
        length = _HEADER.size + len(request)
        header = _HEADER.pack(
            length, _RTM_NEWNEIGH, _NLM_F_REQUEST_CREATE_ACK, 1, 0
        )
        self._route.send(header + request)
        data = self._route.recv(65_536)
        (number,) = struct.unpack_from("=i", data, _HEADER.size)
        if number:
            raise OSError(-number, os.strerror(-number))

    def listening(self) -> tuple[TcpSocket, ...]:
        """List the listening TCP sockets.

        It is the same object for as long as they are the same.
        """
        bodies = list(self._sockets(TCP_LISTEN))
        known, found = self._listening
        if bodies != known:
            found = tuple(_listener(body) for body in bodies)
            self._listening = bodies, found
        return found

    def count_established(
        self, addresses: frozenset[IPAddress]
    ) -> dict[IPAddress, int]:
        """Count established TCP connections per local address."""
        wanted = {address.packed: address for address in addresses}
        counts = dict.fromkeys(addresses, 0)
        for body in self._sockets(TCP_ESTABLISHED):
            address = wanted.get(_source(body))
            if address is not None:
                counts[address] += 1
        return counts

    def _sockets(self, state: int) -> Iterator[bytes]:
        for family in (socket.AF_INET, socket.AF_INET6):
            request = struct.pack(
                "=BBxxI48x", family, socket.IPPROTO_TCP, 1 << state
            )
            yield from _dump(self._diag, _SOCK_DIAG_BY_FAMILY, request)


def _listener(body: bytes) -> TcpSocket:
    (port,) = struct.unpack_from("!H", body, 4)
    backlog, backlog_max = struct.unpack_from("=II", body, 56)
    return TcpSocket(
        ip_address=_ip(_source(body)),
        port=port,
        backlog=backlog,
        backlog_max=backlog_max,
    )


def _source(body: bytes) -> bytes:
    size = 4 if body[0] == socket.AF_INET else 16
    return body[8 : 8 + size]


def _ip(packed: bytes) -> IPAddress:
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


def _number(packed: bytes | None) -> int:
    """Read a number of 32 bits; 0 where there is none."""
    return int(struct.unpack("=I", packed)[0]) if packed else 0


def _attributes(body: bytes, offset: int) -> dict[int, bytes]:
    found = {}
    while offset + 4 <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = body[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def _dump(link: socket.socket, kind: int, request: bytes) -> Iterator[bytes]:
    length = _HEADER.size + len(request)
    link.send(_HEADER.pack(length, kind, _NLM_F_REQUEST_DUMP, 1, 0) + request)
    bodies: list[bytes] = []
    # Read it all first: an abandoned dump would spoil the next one.
    while _take(link.recv(_CHUNK), bodies):
        pass
    yield from bodies


def _take(data: bytes, bodies: list[bytes]) -> bool:
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, offset)
        body = data[offset + _HEADER.size : offset + length]
        if kind == _NLMSG_DONE:
            return False
        if kind == _NLMSG_ERROR:
            (number,) = struct.unpack_from("=i", body)
            raise OSError(-number, os.strerror(-number))
        bodies.append(body)
        offset += (length + 3) & ~3
    return True


def _open() -> list[socket.socket]:
    links = []
    for protocol in (_NETLINK_ROUTE, _NETLINK_SOCK_DIAG):
        link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        # Not settimeout(), which costs a system call more for each.
        timeout = _TIMEVAL.pack(_TIMEOUT_SECONDS, 0)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        link.bind((0, 0))
        links.append(link)
    return links
