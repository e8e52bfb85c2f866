# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Hands heartbeats on to the controller that looks after their cluster.

An amphora sends each heartbeat to the next controller, so of three each gets a
third. Whoever receives one records it; what it says of members is needed by
the controller that looks after the cluster, at once (ADR 0162). A datagram is
handed on as it came, with its signature, behind a mark.

Layer: controller.
"""

import socket
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from oslo_log import log as logging

from octavia_anycast.controller.memory import SOURCES_MAX, LogLimit
from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae

LOG = logging.getLogger(__name__)
# No heartbeat begins so: it is compressed, and zlib's first octet is 0x78.
_MARK = b"octavia-anycast relayed "
_MARK_MAX = 64
# So much may lie between the receipt of a heartbeat and of what is handed on.
SKEW = timedelta(seconds=2)
_TOLD_EACH = timedelta(hours=1)
_KNOWN_MAX = 50_000
_AGE_MAX_SECONDS = 3600.0
Address = tuple[str, int]
# load_balancer_id -> where the controller that looks after it receives
# heartbeats; None: it is this one, or says nowhere.
OwnerAt = Callable[[str], Address | None]


class Mark(NamedTuple):
    """When a heartbeat was handed on, and how long it had lain there.

    Both by the clock of who handed it on; the second one is the same by any.
    """

    sent_at: datetime
    age: timedelta


def wrapped(datagram: bytes, received_at: datetime, now: datetime) -> bytes:
    """Return what is handed on.

    :param received_at: when the amphora's heartbeat arrived
    """
    age = max(0.0, (now - received_at).total_seconds())
    mark = f"{now.timestamp():.3f} {min(age, _AGE_MAX_SECONDS):.3f}\n"
    return _MARK + mark.encode() + datagram


def unwrapped(datagram: bytes) -> tuple[bytes, Mark | None]:
    """Return the heartbeat in a datagram, and its mark.

    None: it was not handed on.
    """
    if not datagram.startswith(_MARK):
        return datagram, None
    mark, _, inner = datagram.partition(b"\n")
    try:
        sent, age = map(float, mark[len(_MARK) : _MARK_MAX].split())
        if not 0 <= age <= _AGE_MAX_SECONDS:
            return datagram, None
        sent_at = datetime.fromtimestamp(sent, UTC)
        return inner, Mark(sent_at, timedelta(seconds=age))
    except (ValueError, OverflowError, OSError):
        return datagram, None


class Clocks:
    """Tells of controllers whose clocks differ from ours.

    A mark is not signed, so memory and log are bounded. One thread uses it.
    """

    def __init__(self) -> None:
        self._told: OrderedDict[str, datetime] = OrderedDict()
        self._limit = LogLimit()

    def differs(self, source: str, handed_on: datetime, now: datetime) -> bool:
        """Whether a controller's clock does, told once an hour."""
        difference = handed_on - now
        if abs(difference) <= SKEW:
            return False
        last = self._told.get(source)
        is_news = last is None or abs(now - last) >= _TOLD_EACH
        if is_news and self._limit.takes(now):
            self._told[source] = now
            if len(self._told) > SOURCES_MAX:
                self._told.popitem(last=False)
            LOG.warning(
                "The clocks of this controller and of the one at %s differ "
                "by %.0f s: see whether both follow the same time servers.",
                source,
                abs(difference.total_seconds()),
            )
        return True


class Received(NamedTuple):
    """A heartbeat as it came from its amphora, and when."""

    amphora_id: str
    datagram: bytes
    at: datetime


class HeartbeatRelay:
    """Sends what others need; used by one thread."""

    def __init__(self, world: World, owner_at: OwnerAt) -> None:
        self._world = world
        self._owner_at = owner_at
        # amphora_id -> its load balancer; None: it has none.
        self._serves: dict[str, str | None] = {}
        self._sockets: dict[int, socket.socket] = {}

    def hand_on(self, arrivals: Sequence[Received]) -> int:
        """Hand on those of other controllers' clusters; returns how many.

        What cannot be sent is lost, as any datagram may be.

        :raises Retryable: the database does not answer.
        """
        self._learn(one.amphora_id for one in arrivals)
        sent = 0
        for one in arrivals:
            load_balancer_id = self._serves.get(one.amphora_id)
            address = load_balancer_id and self._owner_at(load_balancer_id)
            if address:
                now = self._world.now()
                sent += self._send(address, wrapped(one.datagram, one.at, now))
        return sent

    def close(self) -> None:
        """Close the sockets."""
        for one in self._sockets.values():
            one.close()
        self._sockets.clear()

    def _learn(self, amphora_ids: Iterable[str]) -> None:
        """Read whom amphorae serve that were not heard of before."""
        unknown = {i for i in amphora_ids if i not in self._serves}
        if not unknown:
            return
        if len(self._serves) > _KNOWN_MAX:
            self._serves.clear()
        with self._world.database.transaction() as session:
            self._serves |= amphorae.served_by(session, unknown)

    def _send(self, address: Address, datagram: bytes) -> bool:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            if family not in self._sockets:
                made = socket.socket(family, socket.SOCK_DGRAM)
                made.setblocking(False)
                self._sockets[family] = made
            self._sockets[family].sendto(datagram, address)
        except OSError as e:
            LOG.debug("A heartbeat is not handed on to %s: %s", address, e)
            return False
        return True


def parsed(text: str) -> Address | None:
    """ADDRESS:PORT, where the address may be in brackets; None: it is not."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    return (host, int(port)) if host and port.isdecimal() else None


def own_address(
    controllers: Iterable[str], bind_ip: str, bind_port: int
) -> str:
    """The one of the controllers' addresses that is this one's; empty: none.

    :param controllers: ADDRESS:PORT of each, as amphorae have them
    """
    for text in controllers:
        address = parsed(text)
        if address is None or address[1] != bind_port:
            continue
        if address[0] == bind_ip or (
            bind_ip in ("0.0.0.0", "::") and _is_local(address[0])
        ):
            return text
    return ""


def _is_local(host: str) -> bool:
    """Whether this machine has an address: a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True
