# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""An external VIP: a host route to an endpoint that is no amphora.

A distributor's own amphorae announce it (blueprint: Register VIP).

Layer: model. Pure.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.errors import InvalidRequest

# What one distributor announces at most: an agent takes it in one document.
EXTERNAL_VIPS_MAX = 10_000
_BROADCAST = IPv4Address("255.255.255.255")


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
            if (
                address.is_multicast
                or address.is_unspecified
                or address.is_loopback
                or address.is_link_local
                or address == _BROADCAST
            ):
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
