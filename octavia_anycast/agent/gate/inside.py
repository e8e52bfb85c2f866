# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The front end and its gateways, as the health gate sees them.

Each sample wants to know; the tables of the kernel are read only when they
may say something new.

Layer: agent. For the thread of the engine.
"""

from dataclasses import dataclass

from octavia_anycast.agent.frontend.changes import Changes, Table
from octavia_anycast.agent.frontend.frontend import (
    interface_addresses,
    vip_addresses,
)
from octavia_anycast.agent.frontend.netlink import (
    Address,
    Link,
    Netlink,
    is_answering,
    is_silent,
)
from octavia_anycast.agent.gate.gate import GOOD, Sample, bad
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import (
    FRONTEND_INTERFACE,
    DesiredState,
    Frontend,
    GateSettings,
)

TABLES = (Table.LINKS, Table.IPV4_ADDRESSES, Table.IPV6_ADDRESSES)
# The kernel tells every change; this is for what nobody has thought of.
_READ_AGAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The front end of a state, in the kernel.

    ``problem``: empty if nothing is wrong with the interface. ``bound``: the
    VIPs that are on the loopback.
    """

    problem: str
    index: int
    bound: frozenset[IPAddress]
    gateways: tuple[IPAddress, ...]


class FrontendWatch:
    """Looks at links and addresses, and remembers until they change.

    Of the namespace of ``changes``.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._view: View | None = None
        self._state: DesiredState | None = None
        self._read_at = 0.0

    def look(self, netlink: Netlink, state: DesiredState, now: float) -> View:
        """Say how it is now; ``now`` in seconds, monotonic.

        :raises OSError: the kernel does not answer.
        """
        # First: what changes while the tables are read is for the next look.
        is_changed = self._changes.take()
        if (
            self._view is None
            or is_changed
            or state is not self._state
            or now - self._read_at >= _READ_AGAIN_SECONDS
        ):
            self._view = None  # so that a failure does not leave an old one
            links, addresses = netlink.links(), netlink.addresses()
            self._view = view_of(state, links, addresses)
            self._state, self._read_at = state, now
        return self._view

    def close(self) -> None:
        """Be told of no change any more."""
        self._changes.close()


def view_of(
    state: DesiredState,
    links: tuple[Link, ...],
    addresses: tuple[Address, ...],
) -> View:
    """Compare what is there with what the state wants. Pure."""
    frontend = state.frontend
    index = next((x.index for x in links if x.name == FRONTEND_INTERFACE), 0)
    present = frozenset(address.ip_address for address in addresses)
    gateways = {
        address.gateway
        for address in (frontend.addresses if frontend else ())
        if address.gateway
    }
    return View(
        problem=_problem(frontend, links, addresses),
        index=index,
        bound=vip_addresses(state) & present,
        gateways=tuple(sorted(gateways, key=str)),
    )


def _problem(
    frontend: Frontend | None,
    links: tuple[Link, ...],
    addresses: tuple[Address, ...],
) -> str:
    if frontend is None:
        return "no front end is assigned"
    own = [
        link
        for link in links
        if link.mac_address == frontend.mac_address
        and link.name == FRONTEND_INTERFACE
    ]
    if not own:
        return "the front-end interface is not there"
    if not own[0].is_up:
        return "the link of the front-end interface is down"
    present = {a.ip_address for a in addresses if a.index == own[0].index}
    # The link-local one, too: without it no gateway is asked for.
    for address, _ in interface_addresses(frontend):
        if address not in present:
            return f"{address} is not on the front-end interface"
    return ""


class GatewayWatch:
    """Has the gateways asked for a sign of life, and says which is silent.

    Behind a bridge a dead network keeps its carrier. A gateway that has
    answered a question becomes silent only after another one: until that is
    asked, there is nothing to read.
    """

    def __init__(self) -> None:
        self._ask_at = 0.0
        # Their states as of the last time that they were read.
        self._states: dict[IPAddress, int] = {}
        self._gateways: tuple[IPAddress, ...] = ()
        self._is_awaited = False

    def look(
        self,
        netlink: Netlink,
        view: View,
        settings: GateSettings,
        now: float,
    ) -> Sample:
        """Look, and ask if it is time to; ``now`` in seconds, monotonic.

        :raises OSError: the kernel does not answer.
        """
        if self._is_awaited or view.gateways != self._gateways:
            self._gateways = view.gateways
            self._states = netlink.neighbours(view.index)
            self._is_awaited = not all(
                is_answering(self._states.get(gateway, 0))
                for gateway in view.gateways
            )
        if now >= self._ask_at:
            self._ask_at = now + settings.gateway_interval_ms / 1000
            self._is_awaited = bool(view.gateways)
            for gateway in view.gateways:
                state = self._states.get(gateway)
                netlink.ask_neighbour(view.index, gateway, state)
        for gateway in view.gateways:
            if is_silent(self._states.get(gateway, 0)):
                return bad(f"the gateway {gateway} does not answer")
        return GOOD
