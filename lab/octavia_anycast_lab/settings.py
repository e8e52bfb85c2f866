# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Names, addresses and AS numbers of the lab; pure values, no I/O.

    client1 -- leaf3 --+-- spine1 --+-- leaf1 (rack1) -- amphorae
                       +-- spine2 --+-- leaf2 (rack2) -- amphorae

Management: bridge ``br-mgmt`` in namespace ``mgmt`` (ctl, leaves, amphorae).
Back end: bridge ``br-tenant`` in namespace ``tenant`` (members, amphorae).
"""

import dataclasses
import ipaddress
import os
import pathlib
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

RUN_ROOT = pathlib.Path("/run/octavia-anycast-lab")
DEFAULT_LAB = "oa"
LAB_ENVIRONMENT = "OA_LAB"

MGMT_NETWORK = ipaddress.ip_network("172.31.0.0/22")
MGMT_POOL = (
    ipaddress.ip_address("172.31.1.1"),
    ipaddress.ip_address("172.31.3.250"),
)
CTL_MGMT = ipaddress.ip_interface("172.31.0.2/22")
MGMT_BRIDGE = "br-mgmt"

TENANT_NETWORK_V4 = ipaddress.ip_network("10.10.0.0/24")
TENANT_NETWORK_V6 = ipaddress.ip_network("fd00:10:10::/64")
TENANT_BRIDGE = "br-tenant"
MEMBER_PORT = 8080

VIP_NETWORK_V4 = ipaddress.ip_network("198.51.100.0/24")
VIP_NETWORK_V6 = ipaddress.ip_network("2001:db8:100::/64")
# What Neutron chooses from: guides and tests name VIPs below and above these.
VIP_POOL_V4 = ("198.51.100.20", "198.51.100.239")

SPINE_AS = 65000
AMPHORA_AS = 65100
AMPHORA_LIMIT = 8
MAXIMUM_PATHS = 16
BGP_PASSWORD = "lab-only"
BGP_TTL_HOPS = 1
HOLD_TIME_SECONDS = 3
KEEPALIVE_SECONDS = 1

FRONT_END_BRIDGE = "fe"
_LAB_NAME = re.compile(r"[a-z0-9]{1,8}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One leaf router and the subnet behind it (its bridge ``fe``)."""

    name: str
    index: int
    asn: int
    mgmt: Interface
    gateway_v4: Interface
    gateway_v6: Interface
    rack: str | None = None

    @property
    def router_id(self) -> ipaddress.IPv4Address:
        """The BGP identifier, unique in the fabric."""
        return ipaddress.IPv4Address(f"192.0.2.{10 + self.index}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spine:
    """One spine router."""

    name: str
    index: int
    asn: int = SPINE_AS

    @property
    def router_id(self) -> ipaddress.IPv4Address:
        """The BGP identifier, unique in the fabric."""
        return ipaddress.IPv4Address(f"192.0.2.{self.index}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One back-end server in the tenant network."""

    name: str
    address_v4: Interface
    address_v6: Interface


def _leaf(index: int, rack: str | None) -> Leaf:
    return Leaf(
        name=f"leaf{index}",
        index=index,
        asn=65000 + index,
        mgmt=ipaddress.ip_interface(f"172.31.0.{10 + index}/22"),
        gateway_v4=ipaddress.ip_interface(f"10.{index}.0.1/24"),
        gateway_v6=ipaddress.ip_interface(f"fd00:10:{index}::1/64"),
        rack=rack,
    )


def _member(index: int) -> Member:
    return Member(
        name=f"member{index}",
        address_v4=ipaddress.ip_interface(f"10.10.0.{10 + index}/24"),
        address_v6=ipaddress.ip_interface(f"fd00:10:10::{10 + index}/64"),
    )


SPINES = (Spine(name="spine1", index=1), Spine(name="spine2", index=2))
LEAVES = (_leaf(1, "rack1"), _leaf(2, "rack2"), _leaf(3, None))
HOSTS_PER_RACK = 2
RACK_LEAVES = tuple(leaf for leaf in LEAVES if leaf.rack is not None)
MEMBERS = tuple(_member(index) for index in (1, 2, 3))

CLIENT = "client1"
CLIENT_V4 = ipaddress.ip_interface("10.3.0.10/24")
CLIENT_V6 = ipaddress.ip_interface("fd00:10:3::10/64")


def hosts(rack: str) -> tuple[str, ...]:
    """The compute hosts of a rack, as Nova would name them."""
    return tuple(f"{rack}-host{n}" for n in range(1, HOSTS_PER_RACK + 1))


def rack_leaf(rack: str) -> Leaf:
    """The leaf of a rack (Nova availability zone).

    :raises KeyError: no leaf holds that rack.
    """
    for leaf in RACK_LEAVES:
        if leaf.rack == rack:
            return leaf
    raise KeyError(rack)


def cache_dir() -> pathlib.Path:
    """Where things that outlive a lab are kept (images, wheels, dumps)."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "octavia-anycast"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One lab instance; several may run beside each other."""

    name: str = DEFAULT_LAB
    run_root: pathlib.Path = RUN_ROOT

    def __post_init__(self) -> None:
        if not _LAB_NAME.fullmatch(self.name):
            raise ValueError(
                f"lab name {self.name!r}: 1 to 8 of a-z and 0-9, please"
            )

    @classmethod
    def from_environment(cls, name: str | None = None) -> "Lab":
        """The lab named, else the one of ``OA_LAB``, else the default."""
        return cls(name=name or os.environ.get(LAB_ENVIRONMENT, DEFAULT_LAB))

    @property
    def run_dir(self) -> pathlib.Path:
        """State of this instance: registry, sockets, logs, configuration."""
        return self.run_root / self.name

    @property
    def log_dir(self) -> pathlib.Path:
        """Logs of this instance."""
        return self.run_dir / "log"

    @property
    def wiring(self) -> pathlib.Path:
        """``wiring.json``: Neutron network id -> rack -> bridge."""
        return self.run_dir / "wiring.json"

    @property
    def boot_refusal(self) -> pathlib.Path:
        """While this file is there, the compute driver refuses boots.

        With the sentence that is in it.
        """
        return self.run_dir / "boot-refusal"

    @property
    def namespace_prefix(self) -> str:
        """Every network namespace of this instance begins with it."""
        return f"{self.name}-"

    def namespace(self, role: str) -> str:
        """The network namespace of a role such as ``leaf1`` or ``ctl``."""
        return f"{self.namespace_prefix}{role}"
