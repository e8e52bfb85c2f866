# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a port may send and get, read from what Neutron says; pure values.

The meaning is that of Neutron's own firewall drivers: what no rule allows is
dropped, in both directions; rules allow new flows, and answers go with them;
a port sends with its own addresses and its allowed address pairs only. A rule
for a remote group means every address of every port in that group, allowed
pairs included, as Neutron has it.

Not here, because nothing in the lab has it: remote address groups, stateless
groups, DHCP.
"""

import collections.abc
import dataclasses
import enum
import ipaddress
import typing

from neutron_lib import constants

from octavia_anycast_lab import settings

Raw = collections.abc.Mapping[str, typing.Any]
Members = collections.abc.Mapping[str, tuple[settings.Network, ...]]

ICMP = constants.PROTO_NUM_ICMP
ICMPV6 = constants.PROTO_NUM_IPV6_ICMP
WITH_PORTS = (
    constants.PROTO_NUM_TCP,
    constants.PROTO_NUM_UDP,
    constants.PROTO_NUM_SCTP,
)
_TAP_LENGTH = 14


class Direction(enum.StrEnum):
    """Neutron's word, as the port sees it."""

    INGRESS = "ingress"
    EGRESS = "egress"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is allowed; None is anything.

    ``low`` and ``high`` are ports, or type and code of ICMP. ``remote``
    without an address is a group of nobody: such a rule allows nothing.
    """

    direction: Direction
    version: int
    protocol: int | None = None
    low: int | None = None
    high: int | None = None
    remote: tuple[settings.Network, ...] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pair:
    """An address, or range, that a port may use, with its MAC."""

    mac: str
    network: settings.Network


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of a hypervisor, with all that decides of its packets."""

    id: str
    network_id: str
    mac: str
    pairs: tuple[Pair, ...] = ()
    rules: tuple[Rule, ...] = ()
    is_filtered: bool = True
    is_active: bool = dataclasses.field(default=False, compare=False)

    @property
    def tap(self) -> str:
        """The name that Nova gives the port's interface."""
        return tap_of(self.id)

    @property
    def macs(self) -> tuple[str, ...]:
        """Every MAC that it may send with."""
        return tuple(sorted({self.mac, *(pair.mac for pair in self.pairs)}))

    def networks(self, mac: str, version: int) -> tuple[settings.Network, ...]:
        """What it may send from with this MAC; IPv6: its link-local too."""
        found: list[settings.Network] = [
            pair.network
            for pair in self.pairs
            if pair.mac == mac and pair.network.version == version
        ]
        if version == 6:
            found.append(link_local(mac))
        return collapsed(found, version)


def tap_of(port_id: str) -> str:
    """The name that Nova gives a port's interface."""
    return f"tap{port_id}"[:_TAP_LENGTH]


def link_local(mac: str) -> ipaddress.IPv6Network:
    """The link-local address that follows from a MAC (RFC 4291)."""
    octets = bytearray(int(part, 16) for part in mac.split(":"))
    octets[0] ^= 0x02
    interface = bytes(octets[:3]) + b"\xff\xfe" + bytes(octets[3:])
    return ipaddress.IPv6Network(b"\xfe\x80" + b"\0" * 6 + interface)


def collapsed(
    networks: collections.abc.Iterable[settings.Network], version: int
) -> tuple[settings.Network, ...]:
    """Those of one version, in order, none within another."""
    if version == 4:
        return tuple(
            ipaddress.collapse_addresses(
                n for n in networks if isinstance(n, ipaddress.IPv4Network)
            )
        )
    return tuple(
        ipaddress.collapse_addresses(
            n for n in networks if isinstance(n, ipaddress.IPv6Network)
        )
    )


def ports_of(
    ports: collections.abc.Sequence[Raw],
    rules: collections.abc.Iterable[Raw],
    hosts: collections.abc.Container[str],
) -> tuple[Port, ...]:
    """The ports bound on these hosts, by Neutron's lists of ports and rules.

    :raises ValueError: a rule has what this lab does not know.
    """
    members = _members(ports)
    by_group: dict[str, list[Rule]] = {}
    for raw in rules:
        group = str(raw["security_group_id"])
        by_group.setdefault(group, []).append(rule_of(raw, members))
    return tuple(
        _port(raw, by_group)
        for raw in sorted(ports, key=lambda port: str(port["id"]))
        if raw.get("binding:host_id") in hosts
        and raw.get("binding:vif_type") == "tap"
    )


def rule_of(raw: Raw, members: Members) -> Rule:
    """A rule as Neutron shows it.

    :raises ValueError: it has what this lab does not know.
    """
    if raw.get("remote_address_group_id"):
        raise ValueError(
            f"rule {raw.get('id')}: remote_address_group_id is not known here"
        )
    version = 4 if raw["ethertype"] == constants.IPv4 else 6
    return Rule(
        direction=Direction(raw["direction"]),
        version=version,
        protocol=_protocol(raw.get("protocol"), version),
        low=raw.get("port_range_min"),
        high=raw.get("port_range_max"),
        remote=_remote(raw, version, members),
    )


def _remote(
    raw: Raw, version: int, members: Members
) -> tuple[settings.Network, ...] | None:
    prefix = raw.get("remote_ip_prefix")
    if prefix:
        network = ipaddress.ip_network(prefix, strict=False)
        return None if network.prefixlen == 0 else (network,)
    group = raw.get("remote_group_id")
    if group:
        return collapsed(members.get(group, ()), version)
    return None


def _protocol(name: object, version: int) -> int | None:
    """The number of a protocol; ICMP is that of the rule's version."""
    if name is None or str(name) == "any":
        return None
    text = str(name).lower()
    number = (
        int(text) if text.isdecimal() else constants.IP_PROTOCOL_MAP.get(text)
    )
    if number is None:
        raise ValueError(f"protocol {name!r} is not known here")
    return ICMPV6 if number == ICMP and version == 6 else number


def _members(ports: collections.abc.Iterable[Raw]) -> Members:
    """Security group -> every address of its ports."""
    found: dict[str, list[settings.Network]] = {}
    for raw in ports:
        addresses = [pair.network for pair in _pairs(raw)]
        for group in raw.get("security_groups") or ():
            found.setdefault(group, []).extend(addresses)
    return {group: tuple(networks) for group, networks in found.items()}


def _pairs(raw: Raw) -> tuple[Pair, ...]:
    own = str(raw["mac_address"]).lower()
    fixed = [(own, fixed["ip_address"]) for fixed in raw["fixed_ips"]]
    allowed = [
        (str(pair.get("mac_address") or own).lower(), pair["ip_address"])
        for pair in raw.get("allowed_address_pairs") or ()
    ]
    return tuple(
        sorted(
            {
                Pair(mac=mac, network=ipaddress.ip_network(address))
                for mac, address in (*fixed, *allowed)
            },
            key=str,
        )
    )


def _port(
    raw: Raw, by_group: collections.abc.Mapping[str, list[Rule]]
) -> Port:
    groups = raw.get("security_groups") or ()
    return Port(
        id=str(raw["id"]),
        network_id=str(raw["network_id"]),
        mac=str(raw["mac_address"]).lower(),
        pairs=_pairs(raw),
        rules=tuple(
            dict.fromkeys(
                rule
                for group in sorted(groups)
                for rule in by_group.get(group, ())
            )
        ),
        is_filtered=bool(raw.get("port_security_enabled", True)),
        is_active=raw.get("status") == constants.PORT_STATUS_ACTIVE,
    )
