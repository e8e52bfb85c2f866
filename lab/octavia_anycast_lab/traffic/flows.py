# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Exact counts of new connections per next hop, taken by the leaves.

Each rack's leaf counts, with nftables in its own namespace, the first packet
(SYN) of each TCP connection that it forwards onto its front-end bridge, by
the next hop that ECMP chose for it: the amphora's front-end address. Nothing
is asked of the amphora. A retransmitted SYN counts again.
"""

import collections
import collections.abc
import dataclasses
import ipaddress
import json

from octavia_anycast_lab import settings
from octavia_anycast_lab.host import netns

TABLE = "lab_flows"
_RULES = f"""
table inet {TABLE} {{}}
delete table inet {TABLE}
table inet {TABLE} {{
  set v4 {{
    type ipv4_addr . ipv4_addr . inet_service
    flags dynamic
    size 65535
    counter
  }}
  set v6 {{
    type ipv6_addr . ipv6_addr . inet_service
    flags dynamic
    size 65535
    counter
  }}
  chain out {{
    type filter hook postrouting priority 0; policy accept;
    oifname != "{settings.FRONT_END_BRIDGE}" return
    tcp flags & (syn | ack) != syn return
    update @v4 {{ rt ip nexthop . ip daddr . tcp dport }}
    update @v6 {{ rt ip6 nexthop . ip6 daddr . tcp dport }}
  }}
}}
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FlowCount:
    """How many new connections to one VIP went to one next hop."""

    leaf: str
    next_hop: settings.Address
    vip: settings.Address
    port: int
    connections: int


def install(lab: settings.Lab, leaf: str) -> None:
    """Put the counters into a leaf, unless they are there."""
    namespace = lab.namespace(leaf)
    found = netns.run(
        namespace, ["nft", "list", "table", "inet", TABLE], check=False
    )
    if found.returncode != 0:
        netns.run(namespace, ["nft", "-f", "-"], stdin=_RULES)


def reset(lab: settings.Lab) -> None:
    """Forget all counts."""
    for leaf in settings.RACK_LEAVES:
        for name in ("v4", "v6"):
            netns.run(
                lab.namespace(leaf.name),
                ["nft", "flush", "set", "inet", TABLE, name],
            )


def counts(lab: settings.Lab) -> tuple[FlowCount, ...]:
    """All counts since the last reset."""
    return tuple(
        count
        for leaf in settings.RACK_LEAVES
        for name in ("v4", "v6")
        for count in _read(lab, leaf.name, name)
    )


def shares(
    lab: settings.Lab, vip: settings.Address
) -> collections.abc.Mapping[settings.Address, int]:
    """Next hop -> new connections to a VIP since the last reset."""
    totals: collections.Counter[settings.Address] = collections.Counter()
    for count in counts(lab):
        if count.vip == vip:
            totals[count.next_hop] += count.connections
    return totals


def unevenness(values: collections.abc.Collection[int]) -> float:
    """Largest over mean: 1.0 is perfectly even.

    :raises ValueError: nothing was counted.
    """
    if not values or sum(values) == 0:
        raise ValueError("no connection was counted")
    return max(values) * len(values) / sum(values)


def _read(lab: settings.Lab, leaf: str, name: str) -> list[FlowCount]:
    done = netns.run(
        lab.namespace(leaf),
        ["nft", "-j", "list", "set", "inet", TABLE, name],
    )
    return parse(leaf, done.stdout)


def parse(leaf: str, text: str) -> list[FlowCount]:
    """Counts out of ``nft -j list set``."""
    found = []
    for item in json.loads(text)["nftables"]:
        for element in item.get("set", {}).get("elem", []):
            next_hop, vip, port = element["elem"]["val"]["concat"]
            found.append(
                FlowCount(
                    leaf=leaf,
                    next_hop=ipaddress.ip_address(next_hop),
                    vip=ipaddress.ip_address(vip),
                    port=int(port),
                    connections=element["elem"]["counter"]["packets"],
                )
            )
    return found
