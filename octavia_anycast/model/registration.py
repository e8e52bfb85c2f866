# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae of load balancers that a distributor's own announce as well.

Blueprint: Register Amphora. An :class:`AmphoraRegistration` is what an
operator asked for; a :class:`RegisteredPath` is what follows from it.

Layer: model. Pure.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.wire import GateState, Intent, PathState


@dataclass(frozen=True, slots=True, kw_only=True)
class AmphoraRegistration:
    """Amphorae of one load balancer, registered with a distributor.

    ``amphora_id`` None: all that it has, now and later. ``peer_id`` None:
    every peer. ``drain_wanted_since``: when it was asked to drain; its paths
    are withdrawn at ``drain_deadline``.
    """

    id: str
    load_balancer_id: str
    amphora_id: str | None = None
    peer_id: str | None = None
    drain_wanted_since: datetime | None = None
    drain_deadline: datetime | None = None

    def covers(self, amphora_id: str) -> bool:
        """Whether it is for this amphora of its load balancer."""
        return self.amphora_id in (None, amphora_id)

    def overlaps(self, other: "AmphoraRegistration") -> bool:
        """Whether some path would be asked for by both."""
        return (
            self.load_balancer_id == other.load_balancer_id
            and _meet(self.amphora_id, other.amphora_id)
            and _meet(self.peer_id, other.peer_id)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingAmphora:
    """An amphora of a load balancer, as our tables know it.

    ``vips``: (VIP, next hop) that it was last told to announce;
    ``gate`` None: it never reported. ``silent_seconds``: since it was last
    heard of; None: never.
    """

    record: AmphoraRecord
    vips: tuple[tuple[IPAddress, IPAddress], ...] = ()
    gate: GateState | None = None
    gate_reason: str = ""
    silent_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredPath:
    """A path of a registered amphora, and whether it is to be announced.

    ``intent`` WITHDRAW: it is not, for this ``reason``. ``peer_id`` None:
    to each peer that the amphora itself would have, by ``zone`` and ``host``.
    """

    load_balancer_id: str
    amphora_id: str
    vip_ip: IPAddress
    nexthop_ip: IPAddress
    intent: Intent
    reason: str = ""
    peer_id: str | None = None
    zone: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRegisteredPath:
    """A path with how many of the distributor's own amphorae announce it."""

    path: RegisteredPath
    state: PathState
    announcing_count: int


def _meet(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


# What one distributor announces at most: an agent takes it in one document.
EXTERNAL_VIPS_MAX = 10_000
# What no host has: unspecified, loopback, link-local, multicast, broadcast.
_NO_HOSTS = {
    4: (
        "0.0.0.0/32",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
    ),
    6: ("::/127", "fe80::/10", "ff00::/8"),
}


def _edges(networks: tuple[str, ...]) -> list[int]:
    """Where each begins and where it has ended, by turns, as numbers."""
    return [
        edge
        for network in map(ip_network, networks)
        for edge in (
            int(network.network_address),
            int(network.broadcast_address) + 1,
        )
    ]


# A look-up takes a tenth of what the properties of an address take.
_EDGES = {version: _edges(found) for version, found in _NO_HOSTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalVip:
    """A /32 or /128 with its next hop; ``peer_id`` None: for all peers.

    ``since_revision``: the distributor's revision of VIPs that first has it.
    """

    id: str
    vip_ip: IPAddress
    nexthop_ip: IPAddress
    peer_id: str | None = None
    since_revision: int = 0

    def __post_init__(self) -> None:
        for name, address in (
            ("vip_address", self.vip_ip),
            ("next_hop", self.nexthop_ip),
        ):
            if bisect_right(_EDGES[address.version], int(address)) % 2:
                raise InvalidRequest(
                    name, f"{address} is not a host's address"
                )
        if self.vip_ip.version != self.nexthop_ip.version:
            raise InvalidRequest(
                "next_hop",
                f"{self.nexthop_ip} is of another family than the VIP "
                f"{self.vip_ip}",
            )
        if self.vip_ip == self.nexthop_ip:
            raise InvalidRequest("next_hop", "it is the VIP itself")
