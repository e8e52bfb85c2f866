# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the amphora itself is like, for those who look for faults.

Nothing here decides anything: the health gate has probes of its own.

Layer: agent. Works in a thread of its own, which may wait for a gateway.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from octavia_anycast.agent.frontend import netns
from octavia_anycast.agent.frontend.netlink import Netlink
from octavia_anycast.agent.frontend.ping import SMALL_BYTES, ping
from octavia_anycast.agent.loop import Loop
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import (
    ACCEPTED_PERIODS,
    ACCEPTED_SECONDS,
    FRONTEND_INTERFACE,
    Frontend,
    GatewayReport,
    MachineReport,
)

_IMAGE_LENGTH = 80
_GATEWAY_SECONDS = 60.0
# After the front end has changed, so that it has come up.
_SETTLE_SECONDS = 5.0
# (part of the kernel's file, counter): connections that were accepted, and
# segments dropped for their TTL, which RFC 5082 asks for.
_ACCEPTED = "Tcp:", "PassiveOpens"
_TTL_DROPS = "TcpExt:", "TCPMinTTLDrop"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePaths:
    """Where the kernel's files and the image's are."""

    namespace_path: str
    counters: tuple[str, ...] = (
        "/proc/thread-self/net/snmp",
        "/proc/thread-self/net/netstat",
    )
    image: str = "/etc/octavia-anycast-image"


def counter_of(text: str, part: str, name: str) -> int | None:
    """One of the kernel's counters; None: it does not have it.

    :param text: of ``/proc/net/snmp`` or ``/proc/net/netstat``, which have
        two lines for each part: names, then values
    """
    lines = [x.split() for x in text.splitlines() if x.startswith(part)]
    if len(lines) != 2 or name not in lines[0]:
        return None
    values = dict(zip(*lines, strict=False))
    return int(values[name])


class Periods:
    """By how much a counter grew in each of the last periods.

    A period counts only if its beginning and its end were both seen.
    """

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None  # period, counter
        self._counts: dict[int, int] = {}

    def note(self, now: float, counter: int | None) -> None:
        """Take the counter; to be called at the beginning of each period."""
        period = int(now // ACCEPTED_SECONDS)
        before = self._last
        if counter is None or before is None or before[0] != period:
            self._last = None if counter is None else (period, counter)
        if counter is None or before is None:
            return
        if before[0] == period - 1 and counter >= before[1]:
            self._counts[period - 1] = counter - before[1]
        self._counts = {
            one: count
            for one, count in self._counts.items()
            if period - ACCEPTED_PERIODS <= one < period
        }

    def counts(self) -> dict[str, int]:
        """Beginning of a period (Unix time, as text) -> growth in it."""
        return {
            str(period * ACCEPTED_SECONDS): count
            for period, count in sorted(self._counts.items())
        }


class MachineWatch:
    """Looks each period; ``report`` is from memory."""

    def __init__(
        self,
        paths: MachinePaths,
        ask: Callable[[IPAddress, str, int], bool] | None = None,
    ) -> None:
        self._paths = paths
        self._ask = ask or partial(ping, namespace_path=paths.namespace_path)
        self._frontend: Frontend | None = None
        self._accepted, self._dropped = Periods(), Periods()
        self._counts: dict[str, int] = {}
        self._drops: int | None = None
        self._mtu: int | None = None
        self._gateways: tuple[GatewayReport, ...] = ()
        self._ask_at = 0.0
        self._image = _image_of(paths.image)
        self._loop = Loop("machine", self.turn)

    def start(self) -> None:
        """Start the thread."""
        self._loop.start()

    def close(self) -> None:
        """End it."""
        self._loop.end()

    def want(self, frontend: Frontend | None) -> None:
        """Say which front end the amphora is to have."""
        if frontend != self._frontend:
            self._frontend = frontend
            self._ask_at = time.monotonic() + _SETTLE_SECONDS

    def report(self) -> MachineReport:
        """What was seen last, and the time of now."""
        return MachineReport(
            clock=datetime.now(UTC),
            image=self._image,
            frontend_mtu=self._mtu,
            gateways=self._gateways,
            accepted=self._counts,
            ttl_drops=self._drops,
        )

    def turn(self) -> float:
        """Look once; returns the seconds until the next period begins."""
        now = time.time()
        inside, outside = self._read_inside(), self._read_outside()
        self._accepted.note(now, counter_of(inside, *_ACCEPTED))
        self._counts = self._accepted.counts()
        self._dropped.note(now, _sum_of_drops(inside, outside))
        drops = self._dropped.counts()
        self._drops = sum(drops.values()) if drops else None
        frontend = self._frontend
        self._mtu = self._read_mtu(frontend)
        if frontend is None or self._mtu is None:
            self._gateways = ()
        elif time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + _GATEWAY_SECONDS
            self._gateways = self._ask_gateways(frontend, self._mtu)
        now = time.time()
        return ACCEPTED_SECONDS - now % ACCEPTED_SECONDS

    def _read_inside(self) -> str:
        """The counters of HAProxy's namespace; empty: it is not there."""
        paths = self._paths
        try:
            return netns.call_in(
                paths.namespace_path, lambda: _text_of(paths.counters)
            )
        except (OSError, ValueError):
            return ""

    def _read_outside(self) -> str:
        """Those of the namespace that sessions over management are in."""
        try:
            return _text_of(self._paths.counters)
        except (OSError, ValueError):
            return ""

    def _read_mtu(self, frontend: Frontend | None) -> int | None:
        if frontend is None:
            return None
        try:
            with closing(Netlink(self._paths.namespace_path)) as netlink:
                links = {link.name: link for link in netlink.links()}
        except OSError:
            return None
        link = links.get(FRONTEND_INTERFACE)
        return link.mtu if link is not None and link.is_up else None

    def _ask_gateways(
        self, frontend: Frontend, mtu: int
    ) -> tuple[GatewayReport, ...]:
        try:
            return tuple(
                self._ask_gateway(address.gateway, mtu)
                for address in frontend.addresses
                if address.gateway is not None
            )
        except OSError:
            return ()

    def _ask_gateway(self, gateway: IPAddress, mtu: int) -> GatewayReport:
        answers = self._ask(gateway, FRONTEND_INTERFACE, SMALL_BYTES)
        return GatewayReport(
            gateway=gateway,
            answers=answers,
            answers_full=answers
            and self._ask(gateway, FRONTEND_INTERFACE, mtu),
        )


def _text_of(paths: tuple[str, ...]) -> str:
    texts = []
    for path in paths:
        with open(path, encoding="ascii") as stream:
            texts.append(stream.read())
    return "\n".join(texts)


def _sum_of_drops(*texts: str) -> int | None:
    found = [counter_of(text, *_TTL_DROPS) for text in texts]
    known = [count for count in found if count is not None]
    return sum(known) if known else None


def _image_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(_IMAGE_LENGTH).strip()
    except OSError:
        return ""
