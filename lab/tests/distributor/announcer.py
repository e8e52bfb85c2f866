# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A dedicated distributor with an amphora in each rack, and an endpoint.

Each of its amphorae speaks with its own rack's leaf only: what it announces
there leads to front ends of that rack.

    amphora of the load balancer --+-- leaf1 -- amphora of the distributor's
    endpoint ext1 (no amphora) ----+             own, over management
"""

import dataclasses
import ipaddress
import sys
import typing

from cluster_bench import Amphora, Balancer, Bench, prefix
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cloud import database
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import netns, process

NAME = "lab-announcer"
BOOTED_SECONDS = 180.0
CUT_TABLE = "lab_cut"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Announcer:
    """The distributor."""

    bench: Bench
    id: str

    @property
    def path(self) -> str:
        return f"{distributors.PATH}/{self.id}"

    def ask(
        self, method: str, below: str, body: rest.Body = None
    ) -> rest.Body:
        """A call on what is below it."""
        return self.bench.admin.request(
            method, rest.LOAD_BALANCER, f"{self.path}/{below}", body
        )

    def show(self) -> dict[str, typing.Any]:
        found = self.bench.admin.get(rest.LOAD_BALANCER, self.path)
        return dict(found["distributor"])

    def registration(self, registration_id: str) -> dict[str, typing.Any]:
        found = self.bench.admin.get(
            rest.LOAD_BALANCER, f"{self.path}/amphorae/{registration_id}"
        )
        return dict(found["amphora"])

    def own(self) -> dict[str, str]:
        """Management address -> amphora id, of its own amphorae."""
        rows = database.query(
            self.bench.plane,
            "octavia",
            "SELECT lb_network_ip, id FROM anycast_amphora"
            f" WHERE distributor_id = '{self.id}' AND status = 'ALLOCATED'",
        )
        return dict(line.split("\t") for line in rows.splitlines())

    def paths_at(
        self, leaf: settings.Leaf, vip: settings.Address
    ) -> list[observe.BgpPath]:
        """The paths of a VIP that its own amphorae announce to a leaf."""
        own = set(self.own())
        return [
            path
            for path in observe.paths(self.bench.lab, leaf.name, prefix(vip))
            if path.peer in own
        ]

    def hops(self, vip: settings.Address) -> set[settings.Address]:
        """Next hops of a VIP in these paths, at all racks' leaves."""
        return {
            path.next_hop
            for leaf in settings.RACK_LEAVES
            for path in self.paths_at(leaf, vip)
        }


def make(bench: Bench) -> Announcer:
    """Make it and wait for its amphorae; one that is left goes first."""
    before = distributors.find(bench.admin, NAME)
    if before is not None:
        distributors.delete(bench.admin, str(before["id"]))
    body = distributors.body(bench.admin, NAME)
    wanted = body["distributor"]
    wanted |= {
        "is_default": False,
        "dedicated_count": len(settings.RACK_LEAVES),
    }
    (speaker,) = wanted["speakers"]
    speaker["driver"] = "bird"
    answer = bench.admin.request(
        "POST", rest.LOAD_BALANCER, distributors.PATH, body
    )
    made = Announcer(bench=bench, id=str(answer["distributor"]["id"]))
    process.wait_until(
        lambda: (
            made.show()["operating_status"] == "ONLINE"
            and len(made.own()) == len(settings.RACK_LEAVES)
        ),
        BOOTED_SECONDS,
        "an amphora of its own in each rack",
    )
    return made


def cut_sessions(bench: Bench, amphorae: typing.Iterable[Amphora]) -> None:
    """Keep amphorae from their leaves' BGP; all else passes."""
    by_leaf: dict[str, list[str]] = {}
    for amphora in amphorae:
        by_leaf.setdefault(amphora.leaf.name, []).append(
            str(amphora.management)
        )
    for leaf, addresses in by_leaf.items():
        names = ", ".join(addresses)
        rules = f"""
        table inet {CUT_TABLE} {{
          chain incoming {{
            type filter hook prerouting priority -500; policy accept;
            ip saddr {{ {names} }} tcp dport 179 drop
            ip saddr {{ {names} }} tcp sport 179 drop
          }}
        }}
        """
        netns.run(bench.lab.namespace(leaf), ["nft", "-f", "-"], stdin=rules)


def mend_sessions(bench: Bench) -> None:
    """Undo it; fine if there is nothing."""
    for leaf in settings.RACK_LEAVES:
        netns.run(
            bench.lab.namespace(leaf.name),
            ["nft", "delete", "table", "inet", CUT_TABLE],
            check=False,
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What is no amphora and serves VIPs: a namespace behind leaf 1."""

    bench: Bench
    vips: tuple[settings.Address, ...]
    name: str = "ext1"

    @property
    def leaf(self) -> settings.Leaf:
        return settings.RACK_LEAVES[0]

    def address(self, version: int) -> settings.Interface:
        """Its own address: the next hop of its VIPs."""
        leaf = self.leaf
        gateway = leaf.gateway_v4 if version == 4 else leaf.gateway_v6
        return ipaddress.ip_interface(
            f"{gateway.ip + 76}/{gateway.network.prefixlen}"
        )

    def up(self) -> None:
        lab, leaf = self.bench.lab, self.leaf
        namespace = lab.namespace(self.name)
        netns.create(self.bench.registry, namespace)
        netns.veth(
            netns.Port(
                namespace=lab.namespace(leaf.name),
                interface=self.name,
                bridge=settings.FRONT_END_BRIDGE,
            ),
            netns.Port(
                namespace=namespace,
                interface="eth1",
                addresses=(self.address(4), self.address(6)),
            ),
        )
        netns.ip_batch(
            namespace,
            [
                f"route add default via {leaf.gateway_v4.ip}",
                f"route add default via {leaf.gateway_v6.ip}",
                *(f"address add {prefix(vip)} dev lo" for vip in self.vips),
            ],
        )
        process.spawn(
            self.bench.registry,
            self.name,
            [
                *(sys.executable, "-m", "octavia_anycast_lab.traffic.members"),
                *(self.name, "80"),
            ],
            namespace=namespace,
            log=lab.log_dir / f"{self.name}.log",
        )

    def down(self) -> None:
        process.stop(self.bench.registry, self.name)
        netns.delete(self.bench.registry, self.bench.lab.namespace(self.name))


def is_by_themselves(bench: Bench, balancer: Balancer) -> bool:
    """Whether all its amphorae announce each VIP in sessions of their own.

    ``Bench.is_whole`` would take the distributor's amphorae for leftovers.
    """
    amphorae = bench.amphorae(balancer)
    return len(amphorae) == balancer.size and all(
        any(
            path.peer == str(amphora.management)
            and path.next_hop in amphora.seen.addresses
            for path in observe.paths(
                bench.lab, amphora.leaf.name, prefix(vip)
            )
        )
        and observe.is_routed(bench.lab, prefix(vip))
        for amphora in amphorae
        for vip in balancer.vips
    )


def wanted_hops(
    bench: Bench, balancer: Balancer, version: int
) -> set[settings.Address]:
    """The front-end addresses of a load balancer, of one family."""
    return {
        address
        for amphora in bench.amphorae(balancer)
        for address in amphora.seen.addresses
        if address.version == version
    }
