# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The front-end interface and the VIPs, in the namespace amphora-haproxy.

What is sent with a VIP as its source leaves by the front end, whatever network
of members the client is in: the port there may not send as the VIP. So VIPs
have a routing table of their own, the one that Octavia's own provider has.

Octavia's interface files say the same as the kernel, so that Octavia's
``amphora-interface up`` (at boot, at HAProxy's first start) changes nothing.
The kernel is set by ip(8): ``amphora-interface`` needs a second to start.

Layer: agent. Works in a thread of its own: the health gate, which reads the
kernel itself, never waits for it.
"""

import json
import logging
import os
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_interface, ip_network
from typing import Any

from octavia_anycast.agent import atomic_file
from octavia_anycast.agent.frontend.netlink import Link, Netlink, Route
from octavia_anycast.agent.frontend.rest import Rest
from octavia_anycast.agent.loop import Loop
from octavia_anycast.agent.process import run
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.wire import (
    FRONTEND_INTERFACE,
    DesiredState,
    Frontend,
)

LOG = logging.getLogger(__name__)

_RETRY_SECONDS = 0.1
# After programs have run: what they changed is told as well.
_SETTLE_SECONDS = 0.2
_CHECK_SECONDS = 2.0
# As in Octavia's interface files.
_VIP_TABLE = 1
_MAIN_TABLE = 254
_IPV4 = 4
_LOOPBACK = (("127.0.0.1", 8), ("::1", 128))
SYSCTLS = (
    # An ICMP error about a connection may come to another amphora, and be
    # dropped there, by the host's security groups for one. So TCP finds out
    # by itself (RFC 4821) that its segments are too big; IPv6 has it, too.
    "net.ipv4.tcp_mtu_probing=1",
    "net.ipv4.ip_nonlocal_bind=1",
    "net.ipv6.ip_nonlocal_bind=1",
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
)
_NEIGHBOUR_SYSCTLS = (
    "base_reachable_time_ms=2000",
    "delay_first_probe_time=1",
    "retrans_time_ms=125",
)


# Outer IPv6, UDP, VXLAN and the inner Ethernet header.
TUNNEL_OVERHEAD_BYTES = 40 + 8 + 8 + 14


def advertised_mss(mtu: int, ip_version: int) -> int:
    """The MSS that a VIP announces, so that a segment fits into the tunnel.

    Without it the outer packet of a full-size segment is fragmented where the
    tunnel is over IPv4, and is lost over IPv6 (RFC 8200, section 4.5: only a
    source fragments, and Linux' VXLAN does not).
    """
    headers = 40 if ip_version == 4 else 60
    return mtu - TUNNEL_OVERHEAD_BYTES - headers


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontendPaths:
    """Where Octavia keeps its files of interfaces."""

    namespace: str = "amphora-haproxy"
    interface_directory: str = "/etc/octavia/interfaces"
    plugged_path: str = "/var/lib/octavia/plugged_interfaces"
    masquerade_program: str = "/usr/local/bin/lvs-masquerade.sh"

    @property
    def namespace_path(self) -> str:
        """The namespace's file."""
        return f"/run/netns/{self.namespace}"


class FrontendSetup:
    """Sets the front end up as it is wanted, and repairs it."""

    def __init__(self, paths: FrontendPaths) -> None:
        self._paths = paths
        self._wanted: (
            tuple[Frontend | None, frozenset[IPAddress], bool] | None
        ) = None
        self._has_sysctls = False
        # Whether a program has been run in this turn.
        self._has_run = False
        self._hastened: int | None = None  # the index of an interface
        self._rest = Rest(
            paths.namespace_path,
            tuple(
                f"{paths.interface_directory}/{name}.json"
                for name in ("lo", FRONTEND_INTERFACE)
            ),
        )
        self._loop = Loop("frontend", self._turn, self._told)
        self._loop.start()

    def want(
        self,
        frontend: Frontend | None,
        vips: frozenset[IPAddress],
        *,
        is_rescuing: bool,
    ) -> None:
        """Tell what is wanted; returns at once.

        ``is_rescuing``: clients are told to send segments that fit into the
        tunnel of flow rescue.
        """
        wanted = (frontend, vips, is_rescuing)
        if wanted != self._wanted:
            self._wanted = wanted
            self._loop.wake()

    def close(self) -> None:
        """End the thread; the interfaces stay."""
        self._loop.close()
        self._rest.close()

    def _turn(self) -> float:
        wanted = self._wanted
        self._has_run = False
        # To read all tables costs a hundred times more than to be told.
        if wanted is None or self._rest.lasts(wanted):
            return _CHECK_SECONDS
        if not self._apply(*wanted):
            return _RETRY_SECONDS
        if self._has_run:  # the next turn looks what came of it
            return _SETTLE_SECONDS
        self._rest.found(wanted)
        return _CHECK_SECONDS

    def _told(self) -> int | None:
        """What ends a pause; nothing while changes of this one are told.

        So what can never be as it is wanted is not set without a pause.
        """
        return None if self._has_run else self._rest.fileno()

    def _apply(
        self,
        frontend: Frontend | None,
        vips: frozenset[IPAddress],
        is_rescuing: bool,
    ) -> bool:
        self._ensure_namespace()
        self._rest.follow()
        self._write_interface("lo", loopback_file(vips))
        is_complete = frontend is None
        if frontend is not None and self._ensure_interface(frontend):
            is_complete = True
            document = frontend_file(frontend, vips)
            self._write_interface(FRONTEND_INTERFACE, document)
        with closing(Netlink(self._paths.namespace_path)) as inside:
            links = {link.name: link for link in inside.links()}
            self._set_addresses(inside, links["lo"], _loopback(vips))
            if frontend is not None and is_complete:
                link = links[FRONTEND_INTERFACE]
                self._set_frontend(inside, link, frontend)
                self._set_routes(inside, link, frontend, is_rescuing)
                self._set_rules(inside, vips)
        return is_complete

    def _ensure_namespace(self) -> None:
        namespace = self._paths.namespace
        if not os.path.exists(self._paths.namespace_path):
            self._run(["ip", "netns", "add", namespace])
            self._has_sysctls = False
        if self._has_sysctls:
            return
        inside = ["ip", "netns", "exec", namespace, "sysctl", "-q"]
        # As Octavia's own unit amphora-netns, before an interface is in it.
        # It complains of each setting that is the machine's, and goes on.
        self._run([*inside, "--system"], level=logging.DEBUG)
        self._has_sysctls = self._run([*inside, "-w", *SYSCTLS])

    def _ensure_interface(self, frontend: Frontend) -> bool:
        paths = self._paths
        inside = _link_by_mac(paths.namespace_path, frontend.mac_address)
        if inside is not None:
            return inside.name == FRONTEND_INTERFACE
        outside = _link_by_mac(None, frontend.mac_address)
        if outside is None:
            return False  # not plugged yet
        LOG.info("Interface %s becomes %s", outside.name, FRONTEND_INTERFACE)
        self._remember_plugged(frontend.mac_address)
        return self._run(
            [
                *("ip", "link", "set", "dev", outside.name),
                *("netns", paths.namespace, "name", FRONTEND_INTERFACE),
            ]
        )

    def _remember_plugged(self, mac_address: str) -> None:
        """Tell Octavia's boot script where the interface belongs."""
        path = self._paths.plugged_path
        lines = [
            line
            for line in _read(path).splitlines()
            if line.split() and line.split()[0] != mac_address
        ]
        lines.append(f"{mac_address} {FRONTEND_INTERFACE}")
        atomic_file.write(path, "\n".join(lines) + "\n", mode=0o644)

    def _write_interface(self, name: str, document: dict[str, Any]) -> None:
        path = f"{self._paths.interface_directory}/{name}.json"
        text = json.dumps(document)
        if _read(path) != text:
            atomic_file.write(path, text, mode=0o644)

    def _run(self, argv: Sequence[str], level: int = logging.ERROR) -> bool:
        self._has_run = True
        return run(argv, level=level)

    def _ip(self, *words: str) -> bool:
        return self._run(["ip", "-n", self._paths.namespace, *words])

    def _set_addresses(
        self,
        inside: Netlink,
        link: Link,
        wanted: frozenset[tuple[IPAddress, int]],
    ) -> None:
        if not link.is_up:
            self._ip("link", "set", "dev", link.name, "up")
        present = {
            (address.ip_address, address.prefix_length)
            for address in inside.addresses()
            if address.index == link.index
        }
        # Of link-local addresses only ours are named.
        present -= {p for p in present - wanted if p[0].is_link_local}
        for ip, length in sorted(wanted - present, key=str):
            LOG.info("Add %s/%s to %s", ip, length, link.name)
            # "replace": one that is still tentative is not listed.
            self._ip("addr", "replace", f"{ip}/{length}", "dev", link.name)
        for ip, length in sorted(present - wanted, key=str):
            LOG.info("Remove %s/%s from %s", ip, length, link.name)
            self._ip("addr", "del", f"{ip}/{length}", "dev", link.name)

    def _set_frontend(
        self, inside: Netlink, link: Link, frontend: Frontend
    ) -> None:
        name = FRONTEND_INTERFACE
        if self._hastened != link.index:  # after a reboot it may be up
            self._hasten_ipv6_and_neighbours()
            self._hastened = link.index
        if not link.is_up:
            mtu = str(frontend.mtu)
            self._ip("link", "set", "dev", name, "mtu", mtu, "up")
            self._masquerade(frontend)
        self._set_addresses(
            inside, link, frozenset(interface_addresses(frontend))
        )

    def _set_routes(
        self,
        inside: Netlink,
        link: Link,
        frontend: Frontend,
        is_rescuing: bool,
    ) -> None:
        """Set what the kernel does not have; look without a process."""
        present = inside.static_routes()
        for route in _routes(frontend):
            size = 0
            if is_rescuing and route.table == _VIP_TABLE:
                size = advertised_mss(frontend.mtu, route.version)
            if route.as_in_kernel(link.index, size) in present:
                continue
            mss = ("advmss", str(size)) if size else ()
            self._ip(
                *(f"-{route.version}", "route", "replace"),
                *(*route.words, "dev", FRONTEND_INTERFACE),
                *("proto", "static", *mss),
            )

    def _set_rules(self, inside: Netlink, vips: frozenset[IPAddress]) -> None:
        present = inside.sources(_VIP_TABLE)
        for verb, changed in (
            ("add", vips - present),
            ("del", present - vips),
        ):
            for vip in sorted(changed, key=str):
                self._ip(
                    *(f"-{vip.version}", "rule", verb, "from", str(vip)),
                    *("lookup", str(_VIP_TABLE)),
                )

    def _hasten_ipv6_and_neighbours(self) -> None:
        """Have addresses at once, and notice in 0.5 s that a gateway is gone.

        Duplicate address detection (RFC 4862) is switched off: Neutron gives
        no address twice, and each would be usable only after up to a second.
        The fabric already sends packets to the VIP by then, and without the
        link-local address the gateway could not be asked for.
        """
        inside = ["ip", "netns", "exec", self._paths.namespace]
        settings = [f"net.ipv6.conf.{FRONTEND_INTERFACE}.accept_dad=0"]
        settings += [
            f"net.{family}.neigh.{FRONTEND_INTERFACE}.{name}"
            for family in ("ipv4", "ipv6")
            for name in _NEIGHBOUR_SYSCTLS
        ]
        self._run([*inside, "sysctl", "-qw", *settings])

    def _masquerade(self, frontend: Frontend) -> None:
        program = self._paths.masquerade_program
        if not os.path.exists(program):
            return
        inside = ["ip", "netns", "exec", self._paths.namespace]
        for version in sorted(_versions(frontend)):
            command = [program, "add", f"ipv{version}", FRONTEND_INTERFACE]
            self._run([*inside, *command])


def _read(path: str) -> str:
    with suppress(FileNotFoundError), open(path, encoding="utf-8") as stream:
        return stream.read()
    return ""


def _link_by_mac(namespace_path: str | None, mac: str) -> Link | None:
    with closing(Netlink(namespace_path)) as netlink:
        links = netlink.links()
    return next((link for link in links if link.mac_address == mac), None)


def _loopback(vips: frozenset[IPAddress]) -> frozenset[tuple[IPAddress, int]]:
    addresses = {(ip_address(text), length) for text, length in _LOOPBACK}
    return frozenset(addresses | {(vip, vip.max_prefixlen) for vip in vips})


def interface_addresses(frontend: Frontend) -> list[tuple[IPAddress, int]]:
    """The interface's addresses, with the link-local one of IPv6.

    It is listed because ``amphora-interface`` removes what is not. The amphora
    forwards, so it asks for neighbours from its link-local address (RFC 4861,
    section 7.2.2); without one no neighbour answers.
    """
    addresses = [(a.ip_address, a.prefix_length) for a in frontend.addresses]
    if 6 in _versions(frontend):
        addresses.append((link_local(frontend.mac_address), 64))
    return addresses


def link_local(mac_address: str) -> IPv6Address:
    """The link-local address of a MAC (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac_address.replace(":", ""))
    identifier = (
        bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    )
    return IPv6Address(b"\xfe\x80" + bytes(6) + identifier)


def _versions(frontend: Frontend) -> set[int]:
    return {address.ip_address.version for address in frontend.addresses}


def _interface_file(
    name: str, kind: str, addresses: Sequence[tuple[str, int]]
) -> dict[str, Any]:
    return {
        "name": name,
        "if_type": kind,
        "addresses": [
            {"address": address, "prefixlen": length}
            for address, length in addresses
        ],
        "routes": [],
        "rules": [],
        "scripts": {"up": [], "down": []},
        "is_sriov": False,
    }


def loopback_file(vips: frozenset[IPAddress]) -> dict[str, Any]:
    """The content of lo.json."""
    addresses = [
        (str(vip), vip.max_prefixlen) for vip in sorted(vips, key=str)
    ]
    return _interface_file("lo", "lo", [*_LOOPBACK, *addresses])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """A route of the front end; without a gateway it is the subnet's own."""

    destination: str
    version: int
    gateway: IPAddress | None = None
    table: int | None = None

    @property
    def words(self) -> list[str]:
        """As ip-route(8) takes it."""
        words = [self.destination]
        if self.gateway is not None:
            words += ["via", str(self.gateway), "onlink"]
        elif self.version == _IPV4:
            words += ["scope", "link"]
        return words + (["table", str(self.table)] if self.table else [])

    def as_in_kernel(self, index: int, advertised_mss: int) -> Route:
        """As the kernel lists it."""
        return Route(
            destination=ip_network(self.destination),
            table=self.table or _MAIN_TABLE,
            index=index,
            gateway=self.gateway,
            advertised_mss=advertised_mss,
        )

    @property
    def document(self) -> dict[str, Any]:
        """As Octavia's interface files have it."""
        document: dict[str, Any] = {"dst": self.destination}
        if self.gateway is None:
            document["scope"] = "link"
        else:
            document |= {"gateway": str(self.gateway), "flags": ["onlink"]}
        return document | ({"table": self.table} if self.table else {})


def _routes(frontend: Frontend) -> list[_Route]:
    """Default routes, and the same and the subnets for the VIPs.

    Of several subnets of a version the first one with a gateway has the
    default route: the kernel takes one for each table.
    """
    routes = []
    has_default = set()
    for address in frontend.addresses:
        version = address.ip_address.version
        subnet = ip_interface((address.ip_address, address.prefix_length))
        routes.append(
            _Route(
                destination=str(subnet.network),
                version=version,
                table=_VIP_TABLE,
            )
        )
        if address.gateway is not None and version not in has_default:
            has_default.add(version)
            everything = "0.0.0.0/0" if version == _IPV4 else "::/0"
            routes += [
                _Route(
                    destination=everything,
                    version=version,
                    gateway=address.gateway,
                    table=table,
                )
                for table in (None, _VIP_TABLE)
            ]
    return routes


def frontend_file(
    frontend: Frontend, vips: frozenset[IPAddress]
) -> dict[str, Any]:
    """The content of eth1.json; the VIPs' addresses are in lo.json."""
    document = _interface_file(
        FRONTEND_INTERFACE,
        "vip",
        [(str(ip), length) for ip, length in interface_addresses(frontend)],
    )
    document["mtu"] = frontend.mtu
    document["routes"] = [route.document for route in _routes(frontend)]
    document["rules"] = [
        {"src": str(vip), "src_len": vip.max_prefixlen, "table": _VIP_TABLE}
        for vip in sorted(vips, key=str)
    ]
    for action, verb in (("up", "add"), ("down", "delete")):
        document["scripts"][action] = [
            {
                "command": "/usr/local/bin/lvs-masquerade.sh "
                f"{verb} ipv{version} {FRONTEND_INTERFACE}"
            }
            for version in sorted(_versions(frontend))
        ]
    return document


def vip_addresses(state: DesiredState | None) -> frozenset[IPAddress]:
    """The VIPs that belong on the loopback: a distributor's do not."""
    if state is None or state.is_distributor:
        return frozenset()
    return frozenset(vip.vip_ip for vip in state.vips)
