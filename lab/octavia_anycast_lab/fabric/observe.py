# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the routers really hold: paths, sessions, forwarding entries.

Read from FRR and from the kernel, never from our own logs.
"""

import collections.abc
import dataclasses
import ipaddress
import json
import typing

from octavia_anycast_lab import settings
from octavia_anycast_lab.fabric import frr, topology
from octavia_anycast_lab.host import netns

Prefix = settings.Network


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One BGP session as a router sees it.

    ``peer`` is an address, or an interface for an unnumbered session.
    """

    router: str
    peer: str
    state: str
    remote_as: int
    prefixes: int

    @property
    def is_established(self) -> bool:
        """True in the state Established (RFC 4271 section 8.2.2)."""
        return self.state == "Established"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BgpPath:
    """One path of a prefix in a router's BGP table."""

    router: str
    prefix: Prefix
    next_hop: settings.Address
    peer: str
    as_path: tuple[int, ...]
    is_valid: bool
    is_best: bool
    is_multipath: bool
    med: int | None
    communities: tuple[str, ...]

    @property
    def is_used(self) -> bool:
        """True if flows take this path."""
        return self.is_best or self.is_multipath


def sessions(lab: settings.Lab, router: str) -> tuple[Session, ...]:
    """All BGP sessions of a router, dynamic ones too.

    :raises RouterError: the router does not answer.
    """
    answer = frr.show(lab, router, "show bgp summary json")
    found: dict[str, Session] = {}
    for family in ("ipv4Unicast", "ipv6Unicast"):
        peers = answer.get(family, {}).get("peers", {})
        for peer, fields in peers.items():
            earlier = found.get(peer)
            found[peer] = Session(
                router=router,
                peer=peer,
                state=fields["state"],
                remote_as=fields["remoteAs"],
                prefixes=fields.get("pfxRcd", 0)
                + (earlier.prefixes if earlier else 0),
            )
    return tuple(found.values())


def connection(
    lab: settings.Lab, router: str, peer: settings.Address
) -> tuple[int, int] | None:
    """TCP ports of an established session: the router's and the peer's.

    Another session has other ports. (The time at which FRR says that a session
    came up is made of now and an age: it is a second off now and then.)

    :raises RouterError: the router does not answer.
    """
    answer = frr.show(lab, router, f"show bgp neighbors {peer} json")
    found = answer.get(str(peer), {})
    if found.get("bgpState") != "Established":
        return None
    return found["portLocal"], found["portForeign"]


def bfd_up(lab: settings.Lab, router: str) -> frozenset[str]:
    """Interfaces of a router on which a BFD session is up.

    :raises RouterError: the router does not answer.
    """
    return frozenset(
        peer["interface"]
        for peer in frr.show(lab, router, "show bfd peers json")
        if peer["status"] == "up" and "interface" in peer
    )


def amphora_sessions(
    lab: settings.Lab, *, established_only: bool = True
) -> tuple[Session, ...]:
    """Sessions of amphorae at all racks' leaves."""
    return tuple(
        session
        for leaf in settings.RACK_LEAVES
        for session in sessions(lab, leaf.name)
        if session.remote_as == settings.AMPHORA_AS
        and (session.is_established or not established_only)
    )


def paths(
    lab: settings.Lab, router: str, prefix: Prefix | str
) -> tuple[BgpPath, ...]:
    """All paths which a router holds for exactly this prefix.

    :raises RouterError: the router does not answer.
    """
    wanted = ipaddress.ip_network(prefix)
    answer = frr.show(
        lab, router, f"show bgp ipv{wanted.version} unicast {wanted} json"
    )
    if answer.get("prefix") != str(wanted):
        return ()
    return tuple(parse_path(router, wanted, item) for item in answer["paths"])


def amphora_paths(
    lab: settings.Lab, prefix: Prefix | str
) -> tuple[BgpPath, ...]:
    """Paths which amphorae themselves announced to the racks' leaves."""
    return tuple(
        path
        for leaf in settings.RACK_LEAVES
        for path in paths(lab, leaf.name, prefix)
        if path.as_path[:1] == (settings.AMPHORA_AS,)
    )


def announcers(
    lab: settings.Lab, prefix: Prefix | str
) -> frozenset[settings.Address]:
    """Next hops (front-end addresses) in use for a prefix at the racks."""
    return frozenset(
        path.next_hop
        for path in amphora_paths(lab, prefix)
        if path.is_valid and path.is_used
    )


def fib(
    lab: settings.Lab, router: str, prefix: Prefix | str
) -> frozenset[tuple[str, str]]:
    """Pairs (gateway, interface) of a prefix in the kernel of a router."""
    wanted = ipaddress.ip_network(prefix)
    done = netns.run(
        lab.namespace(router),
        [
            *("ip", f"-{wanted.version}", "-j", "route", "show"),
            *("exact", str(wanted)),
        ],
    )
    found = set()
    for route in json.loads(done.stdout or "[]"):
        for hop in route.get("nexthops", [route]):
            gateway = hop.get("gateway") or hop.get("via", {}).get("host")
            if gateway:
                found.add((gateway, hop["dev"]))
    return frozenset(found)


def forwarded_to(
    lab: settings.Lab, prefix: Prefix | str
) -> frozenset[settings.Address]:
    """Next hops (front-end addresses) in the kernels of the racks' leaves.

    A kernel follows its bgpd (``announcers``) a moment later, and each in its
    own time: only here is seen where packets go.
    """
    return frozenset(
        ipaddress.ip_address(gateway)
        for leaf in settings.RACK_LEAVES
        for gateway, interface in fib(lab, leaf.name, prefix)
        if interface == settings.FRONT_END_BRIDGE
    )


def is_routed(lab: settings.Lab, prefix: Prefix | str) -> bool:
    """True if every router's kernel has a route to a prefix.

    A leaf that holds a path is not enough for a client: until the spines and
    the client's own leaf have it too, they answer "unreachable".
    """
    return all(fib(lab, name, prefix) for name in topology.ROUTER_NAMES)


def leftovers(
    lab: settings.Lab, prefix: Prefix | str
) -> collections.abc.Mapping[str, str]:
    """Router -> what it still holds of a prefix; empty if nothing is left.

    :raises RouterError: a router does not answer (that is no proof).
    """
    found = {}
    for name in topology.ROUTER_NAMES:
        held = paths(lab, name, prefix)
        entries = fib(lab, name, prefix)
        if held or entries:
            found[name] = f"{len(held)} paths, kernel {sorted(entries)}"
    return found


def mac_of(
    lab: settings.Lab, role: str, address: settings.Address
) -> str | None:
    """The MAC which a namespace knows, or now learns, for a neighbour."""
    namespace = lab.namespace(role)
    listing = ["ip", "-j", "neigh", "show", str(address)]
    for attempt in range(2):
        answer = netns.run(namespace, listing).stdout
        for neighbour in json.loads(answer or "[]"):
            if "lladdr" in neighbour:
                return str(neighbour["lladdr"])
        if attempt == 0:
            ask = ["ping", "-n", "-q", "-c1", "-W1", str(address)]
            netns.run(namespace, ask, check=False)
    return None


def bridge_port(
    lab: settings.Lab, role: str, bridge: str, mac: str
) -> str | None:
    """The port of a bridge behind which a MAC is."""
    answer = netns.run(
        lab.namespace(role), ["bridge", "-j", "fdb", "show", "br", bridge]
    )
    for entry in json.loads(answer.stdout or "[]"):
        if entry["mac"] == mac and entry.get("ifname") != bridge:
            return str(entry["ifname"])
    return None


def parse_path(
    router: str, prefix: Prefix, item: dict[str, typing.Any]
) -> BgpPath:
    """One element of ``paths`` of ``show bgp ... PREFIX json``."""
    hop = next(
        (h for h in item["nexthops"] if h.get("used")), item["nexthops"][0]
    )
    peer = item.get("peer", {})
    best = item.get("bestpath", {})
    as_path = item.get("aspath", {}).get("string", "")
    return BgpPath(
        router=router,
        prefix=prefix,
        next_hop=ipaddress.ip_address(hop["ip"]),
        peer=peer.get("interface") or peer.get("peerId", ""),
        as_path=tuple(int(n) for n in as_path.split() if n.isdecimal()),
        is_valid=bool(item.get("valid")),
        is_best=bool(best.get("overall")),
        is_multipath=bool(item.get("multipath")),
        med=item.get("med", item.get("metric")),
        communities=tuple(item.get("community", {}).get("list", ())),
    )
