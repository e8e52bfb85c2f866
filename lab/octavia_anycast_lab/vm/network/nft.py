# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The rules of ports as a ruleset of nftables, and what it has dropped.

The filter is in the family ``bridge``, which knows the tap of a packet. The
kernel tracks no connections there (``nf_conntrack_bridge`` is rare), but
``br_netfilter`` passes bridged packets through the hooks of IP, where it does:
a table of the family ``inet`` marks answers, and what belongs to no
connection. Only answers pass by their mark. The packets of whoever began a
connection meet the rules each time: a rule that is taken away ends what it
had let in.
"""

import collections.abc
import dataclasses
import enum
import json
import pathlib
import typing

from octavia_anycast_lab import settings
from octavia_anycast_lab.host import netns
from octavia_anycast_lab.vm.network import rules
from octavia_anycast_lab.vm.network.rules import Direction

TABLE = "octavia_anycast_lab"
# What br_netfilter brings. Debian has it as a module, and whoever loads it
# changes all bridges of the machine: so the lab does not.
LACK = (
    "This kernel does not show bridged packets to nftables: load it by "
    "`modprobe br_netfilter` (it changes all bridges of this machine)."
)
ANSWER, INVALID = "0x1", "0x2"
SYSCTLS = {
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
    # What the install guide asks of compute hosts, for flow rescue.
    "net.netfilter.nf_conntrack_tcp_be_liberal": "1",
}
_CHAIN = {Direction.EGRESS: "from", Direction.INGRESS: "to"}
_INTERFACE = {Direction.EGRESS: "iifname", Direction.INGRESS: "oifname"}
_REMOTE = {Direction.EGRESS: "daddr", Direction.INGRESS: "saddr"}
# What a port sends is judged once, as soon as br_netfilter (its priority is 0)
# has marked it; what it gets, where it is known to be for the port.
_HOOKS = {
    "prerouting": (10, Direction.EGRESS),
    "forward": (0, Direction.INGRESS),
    "output": (0, Direction.INGRESS),
}
_FAMILY = {4: "ip", 6: "ip6"}
_ICMP = {rules.ICMP: "icmp", rules.ICMPV6: "icmpv6"}
# RFC 4861 and 3810, as Neutron lets them through.
_ND_TO = "{ 130, 134, 135, 136 }"
_ND_FROM = "{ 131, 132, 133, 135, 136, 143 }"
_UNSPECIFIED_FROM = "{ 131, 132, 133, 135, 143 }"
_SPOOFED = "spoofed"
_FLOWS = "size 1024; flags dynamic"
_KEY = "ifname . {address} . {address} . inet_proto . inet_service"


def is_possible() -> bool:
    """Whether the kernel can filter a bridge as this module wants it."""
    return pathlib.Path("/proc/sys/net/bridge").is_dir()


class Reason(enum.StrEnum):
    """Why a packet of a port is dropped."""

    SPOOFED = "from-spoofed"
    SENT_INVALID = "from-invalid"
    SENT = "from-denied"
    INVALID = "to-invalid"
    DENIED = "to-denied"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Packets that were dropped; ``port`` is 0 where there is none.

    Those that no rule allowed, and those with a source that is not the port's.
    """

    direction: Direction
    tap: str
    source: str
    destination: str
    protocol: str
    port: int
    packets: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Chains and counters that the kernel has."""

    chains: frozenset[str] = frozenset()
    counters: frozenset[str] = frozenset()


def apply(
    namespace: str,
    ports: collections.abc.Iterable[rules.Port],
    bridges: collections.abc.Iterable[str],
) -> None:
    """Filter these ports, and no other, from now on; counters go on.

    :raises netns.NamespaceError: the kernel refuses; nothing has changed.
    """
    text = ruleset(tuple(ports), tuple(bridges), present(namespace))
    netns.run(namespace, ["nft", "-f", "-"], stdin=text)


def present(namespace: str) -> Present:
    """What of an earlier ruleset is there."""
    listed = _listed(namespace)
    return Present(
        chains=frozenset(
            item["chain"]["name"] for item in listed if "chain" in item
        ),
        counters=frozenset(
            item["counter"]["name"] for item in listed if "counter" in item
        ),
    )


def dropped(namespace: str, port_id: str) -> dict[Reason, int]:
    """Packets that were dropped of a port since it was plugged."""
    counters = {
        item["counter"]["name"]: int(item["counter"]["packets"])
        for item in _listed(namespace)
        if "counter" in item
    }
    tap = rules.tap_of(port_id)
    return {reason: counters.get(f"{tap}-{reason}", 0) for reason in Reason}


def dropped_flows(namespace: str) -> tuple[Flow, ...]:
    """What was dropped, by addresses and ports: the first thousand flows."""
    found = []
    for item in _listed(namespace):
        name = item.get("set", {}).get("name", "")
        for element in item.get("set", {}).get("elem", ()):
            found.append(_flow(name, element["elem"]))
    return tuple(found)


def _flow(name: str, element: typing.Any) -> Flow:
    tap, source, destination, protocol, port = element["val"]["concat"]
    return Flow(
        direction=Direction.INGRESS
        if name.startswith(_CHAIN[Direction.INGRESS])
        else Direction.EGRESS,
        tap=tap,
        source=source,
        destination=destination,
        protocol=str(protocol),
        port=int(port),
        packets=int(element["counter"]["packets"]),
    )


def _listed(namespace: str) -> list[typing.Any]:
    shown = netns.run(
        namespace,
        ["nft", "-j", "-n", "list", "table", "bridge", TABLE],
        check=False,
    )
    if shown.returncode != 0:
        return []  # the first time there is no table
    return list(json.loads(shown.stdout)["nftables"])


def ruleset(
    ports: tuple[rules.Port, ...],
    bridges: tuple[str, ...],
    there: Present = Present(),
) -> str:
    """The whole ruleset, as one transaction.

    Rules are made anew. Chains and counters that stay keep what they have
    counted; those of ports that are gone are removed.
    """
    filtered = tuple(port for port in ports if port.is_filtered)
    lines = [*_tracking(bridges), *_frame(filtered)]
    for port in filtered:
        lines += [*_sent(port), *_got(port)]
    lines += _hooks(ports)
    names = {f"{p.tap}-{end}" for p in filtered for end in _CHAIN.values()}
    counters = {f"{p.tap}-{reason}" for p in filtered for reason in Reason}
    for chain in sorted(there.chains - names):
        if chain.startswith("tap"):
            lines.append(f"delete chain bridge {TABLE} {chain}")
    for counter in sorted(there.counters - counters - {"unknown"}):
        lines.append(f"delete counter bridge {TABLE} {counter}")
    return "\n".join(lines) + "\n"


def _tracking(bridges: tuple[str, ...]) -> list[str]:
    """The table that marks packets by their connections, one zone a bridge."""
    table = f"inet {TABLE}"
    zones = [
        f'add rule {table} zones iifname "{bridge}" ct zone set {number}'
        for number, bridge in enumerate(bridges, 1)
    ]
    return [
        f"add table {table}",
        f"add chain {table} zones "
        "{ type filter hook prerouting priority raw; }",
        f"add chain {table} marks "
        "{ type filter hook prerouting priority mangle; }",
        f"flush table {table}",
        *zones,
        f"add rule {table} marks ct state established ct direction reply "
        f"meta mark set {ANSWER}",
        f"add rule {table} marks ct state related meta mark set {ANSWER}",
        f"add rule {table} marks ct state invalid meta mark set {INVALID}",
    ]


def _frame(ports: tuple[rules.Port, ...]) -> list[str]:
    """Table, hooks, chains and counters; and no rule in any of them."""
    table = f"bridge {TABLE}"
    lines = [f"add table {table}"]
    for hook, (priority, _) in _HOOKS.items():
        lines.append(
            f"add chain {table} {hook} {{ type filter hook {hook} "
            f"priority {priority}; policy accept; }}"
        )
    lines += [f"add counter {table} unknown", f"add chain {table} {_SPOOFED}"]
    for end in _CHAIN.values():
        lines.append(f"add chain {table} note-{end}")
        for version, address in ((4, "ipv4_addr"), (6, "ipv6_addr")):
            key = _KEY.format(address=address)
            lines.append(
                f"add set {table} {end}{version} {{ type {key}; {_FLOWS}; }}"
            )
    for port in ports:
        lines += [
            f"add chain {table} {port.tap}-{end}" for end in _CHAIN.values()
        ]
        lines += [f"add counter {table} {port.tap}-{r}" for r in Reason]
    lines.append(f"flush table {table}")
    for direction in Direction:
        lines += _note(direction)
    return [
        *lines,
        f"add rule {table} {_SPOOFED} jump note-{_CHAIN[Direction.EGRESS]}",
        f"add rule {table} {_SPOOFED} drop",
    ]


def _note(direction: Direction) -> list[str]:
    """Write down what is dropped, for whoever asks why."""
    end, interface = _CHAIN[direction], _INTERFACE[direction]
    chain = f"add rule bridge {TABLE} note-{end}"
    ported = _set_of(rules.WITH_PORTS)
    lines = []
    for version, family in _FAMILY.items():
        key = f"{interface} . {family} saddr . {family} daddr . meta l4proto"
        target = f"@{end}{version}"
        lines += [
            f"{chain} meta l4proto {ported} "
            f"add {target} {{ {key} . th dport counter }}",
            f"{chain} meta l4proto != {ported} "
            f"add {target} {{ {key} . 0 counter }}",
        ]
    return lines


def _hooks(ports: tuple[rules.Port, ...]) -> list[str]:
    """Send packets through the chains of the ports that they cross.

    A tap that is no port of ours passes nothing.
    """
    known = _set_of(f'"{port.tap}"' for port in ports)
    lines = []
    for hook, (_, direction) in _HOOKS.items():
        chain = f"add rule bridge {TABLE} {hook}"
        interface = _INTERFACE[direction]
        jumps = [
            f'"{p.tap}" : jump {p.tap}-{_CHAIN[direction]}'
            for p in ports
            if p.is_filtered
        ]
        if jumps:
            lines.append(f"{chain} {interface} vmap {_set_of(jumps)}")
        unless = f" {interface} != {known}" if ports else ""
        lines.append(
            f'{chain} {interface} "tap*"{unless} counter name unknown drop'
        )
    return lines


def _sent(port: rules.Port) -> list[str]:
    """What a port sends: with its own addresses, and as its rules allow."""
    chain = f"add rule bridge {TABLE} {port.tap}-from"
    spoofed = f"counter name {port.tap}-{Reason.SPOOFED} goto {_SPOOFED}"
    lines = [f"{chain} ether saddr != {_set_of(port.macs)} {spoofed}"]
    for mac in port.macs:
        lines += _own_addresses(port, mac, chain, spoofed)
    lines += [
        f"{chain} ether type arp return",
        f"{chain} ether type ip6 icmpv6 type 134 {spoofed}",
        f"{chain} ether type ip6 icmpv6 type {_ND_FROM} return",
    ]
    return lines + _ruled(port, Direction.EGRESS)


def _own_addresses(
    port: rules.Port, mac: str, chain: str, spoofed: str
) -> list[str]:
    """Drop what one of its MACs sends with an address that it has not."""
    chain = f"{chain} ether saddr {mac}"
    own = {v: port.networks(mac, v) for v in _FAMILY}
    lines = [f"{chain} ether type arp arp saddr ether != {mac} {spoofed}"]
    if own[4]:
        ours = _set_of(own[4])
        lines += [
            f"{chain} ether type arp arp saddr ip != {ours} {spoofed}",
            f"{chain} ip saddr != {ours} {spoofed}",
        ]
    else:
        lines.append(f"{chain} ether type {{ ip, arp }} {spoofed}")
    ours = _set_of(own[6])
    lines += [
        f"{chain} ip6 saddr :: icmpv6 type {_UNSPECIFIED_FROM} return",
        f"{chain} ip6 saddr != {ours} {spoofed}",
    ]
    return lines + _own_targets(own[6], chain, spoofed)


def _own_targets(
    own: tuple[settings.Network, ...], chain: str, spoofed: str
) -> list[str]:
    """Drop neighbour advertisements for others: RFC 4861, section 4.4."""
    advertisement = f"{chain} ether type ip6 icmpv6 type 136"
    return [
        *(
            f"{advertisement} @th,64,{net.prefixlen} {_leading(net)} return"
            for net in own
        ),
        f"{advertisement} {spoofed}",
    ]


def _leading(network: settings.Network) -> str:
    """The bits of a prefix, as a number."""
    value = int(network.network_address)
    return hex(value >> (network.max_prefixlen - network.prefixlen))


def _got(port: rules.Port) -> list[str]:
    """What a port gets; a flooded packet for another MAC is none of it."""
    chain = f"add rule bridge {TABLE} {port.tap}-to"
    return [
        f"{chain} ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 "
        f"ether daddr != {_set_of(port.macs)} drop",
        f"{chain} ether type arp return",
        f"{chain} ether type ip6 icmpv6 type {_ND_TO} return",
        *_ruled(port, Direction.INGRESS),
    ]


def _ruled(port: rules.Port, direction: Direction) -> list[str]:
    end = _CHAIN[direction]
    chain = f"add rule bridge {TABLE} {port.tap}-{end}"
    invalid, denied = f"{end}-invalid", f"{end}-denied"
    return [
        f"{chain} meta mark {ANSWER} return",
        f"{chain} meta mark {INVALID} counter name {port.tap}-{invalid} drop",
        *(
            f"{chain} {match_of(rule)} return"
            for rule in port.rules
            if rule.direction is direction and rule.remote != ()
        ),
        f"{chain} jump note-{end}",
        f"{chain} counter name {port.tap}-{denied} drop",
    ]


def match_of(rule: rules.Rule) -> str:
    """The packets of new flows that a rule allows."""
    family = _FAMILY[rule.version]
    parts = [f"ether type {family}"]
    if rule.remote is not None:
        side = _REMOTE[rule.direction]
        parts.append(f"{family} {side} {_set_of(rule.remote)}")
    if rule.protocol is not None:
        parts.append(f"meta l4proto {rule.protocol}")
    if rule.protocol in _ICMP and rule.low is not None:
        name = _ICMP[rule.protocol]
        parts.append(f"{name} type {rule.low}")
        if rule.high is not None:
            parts.append(f"{name} code {rule.high}")
    elif rule.protocol in rules.WITH_PORTS and rule.low is not None:
        parts.append(f"th dport {rule.low}-{rule.high}")
    return " ".join(parts)


def _set_of(items: collections.abc.Iterable[object]) -> str:
    return "{ " + ", ".join(str(item) for item in items) + " }"
