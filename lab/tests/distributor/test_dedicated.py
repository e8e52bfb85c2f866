# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae of a distributor's own, and the external VIPs they announce.

Both are in rack 1, so that leaf 1 has two announcers of one next hop. Judged
by what the routers' kernels hold.
"""

import ipaddress
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cluster_bench import Bench
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cloud import database
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

NAME = "lab-dedicated"
SIZE = 2
LEAF = settings.RACK_LEAVES[0]
# In the VIPs' ranges, far from where Neutron begins to allocate.
VIPS = {4: "198.51.100.251", 6: "2001:db8:100::dead:1"}
NEXT_HOPS = {
    4: str(LEAF.gateway_v4.ip + 76),
    6: str(LEAF.gateway_v6.ip + 76),
}
BOOTED_SECONDS = 180.0
SECONDS = 60.0
AWAY_SECONDS = 8.0


class Dedicated:
    """The distributor under test."""

    def __init__(self, bench: Bench, distributor_id: str) -> None:
        self.bench = bench
        self.lab = bench.lab
        self.id = distributor_id
        self.vips = f"{distributors.PATH}/{distributor_id}/vips"

    def show(self) -> dict[str, Any]:
        path = f"{distributors.PATH}/{self.id}"
        found = self.bench.admin.get(rest.LOAD_BALANCER, path)
        return dict(found["distributor"])

    def register(self, version: int) -> str:
        body = {
            "vip": {
                "vip_address": VIPS[version],
                "next_hop": NEXT_HOPS[version],
            }
        }
        made = self.bench.admin.request(
            "POST", rest.LOAD_BALANCER, self.vips, body
        )
        return str(made["vip"]["id"])

    def unregister(self, vip_id: str) -> None:
        self.bench.admin.request(
            "DELETE", rest.LOAD_BALANCER, f"{self.vips}/{vip_id}"
        )

    def counts(self) -> list[int]:
        found = self.bench.admin.get(rest.LOAD_BALANCER, self.vips)["vips"]
        return [vip["announcing_count"] for vip in found]

    def amphorae(self) -> dict[str, str]:
        """amphora id -> server id, of those that are allocated."""
        rows = database.query(
            self.bench.plane,
            "octavia",
            "SELECT id, compute_id FROM anycast_amphora"
            f" WHERE distributor_id = '{self.id}' AND status = 'ALLOCATED'"
            " AND service_type = 'distributor' AND load_balancer_id IS NULL",
        )
        return dict(line.split("\t") for line in rows.splitlines())

    def announcers(self, version: int) -> int:
        """How many paths leaf 1 has from amphorae, and uses or could."""
        paths = observe.paths(self.lab, LEAF.name, prefix(version))
        return sum(
            1
            for path in paths
            if path.as_path[:1] == (settings.AMPHORA_AS,)
            and path.next_hop == ipaddress.ip_address(NEXT_HOPS[version])
        )

    def has_route(self, version: int) -> bool:
        gateways = {
            gateway
            for gateway, _ in observe.fib(self.lab, LEAF.name, prefix(version))
        }
        return gateways == {NEXT_HOPS[version]}

    def await_whole(self) -> None:
        """Every amphora announces every VIP, and the fabric knows."""
        await_that(
            lambda: (
                len(self.amphorae()) == SIZE
                and self.counts() == [SIZE] * len(VIPS)
                and all(self.announcers(v) == SIZE for v in VIPS)
                and all(observe.is_routed(self.lab, prefix(v)) for v in VIPS)
            ),
            "both announce both VIPs",
            BOOTED_SECONDS,
        )


def prefix(version: int) -> str:
    return f"{VIPS[version]}/{32 if version == 4 else 128}"


def await_that(
    condition: Callable[[], bool], what: str, seconds: float = SECONDS
) -> None:
    process.wait_until(condition, seconds, what, 0.2)


@pytest.fixture(scope="module")
def made(bench: Bench) -> Iterator[Dedicated]:
    """A distributor with two amphorae of its own in rack 1."""
    before = distributors.find(bench.admin, NAME)
    if before is not None:
        distributors.delete(bench.admin, str(before["id"]))
    body = distributors.body(bench.admin, NAME)
    wanted = body["distributor"]
    wanted |= {"is_default": False, "dedicated_count": SIZE}
    wanted["zones"] = [
        zone
        for zone in wanted["zones"]
        if zone["availability_zone"] == LEAF.rack
    ]
    (speaker,) = wanted["speakers"]
    speaker["driver"] = "bird"
    speaker["peers"] = [
        peer
        for peer in speaker["peers"]
        if peer["availability_zone"] == LEAF.rack
    ]
    answer = bench.admin.request(
        "POST", rest.LOAD_BALANCER, distributors.PATH, body
    )
    dedicated = Dedicated(bench, str(answer["distributor"]["id"]))
    yield dedicated
    if distributors.find(bench.admin, NAME) is not None:
        distributors.delete(bench.admin, dedicated.id)


@pytest.fixture(scope="module")
def announced(made: Dedicated) -> Dedicated:
    """With a VIP of each family, announced by both."""
    await_that(
        lambda: made.show()["provisioning_status"] == "ACTIVE",
        "the distributor ACTIVE",
    )
    for version in VIPS:
        made.register(version)
    made.await_whole()
    return made


def test_external_vips_are_in_every_routers_kernel(
    announced: Dedicated,
) -> None:
    for version in VIPS:
        assert announced.has_route(version)
        assert observe.is_routed(announced.lab, prefix(version))
    await_that(
        lambda: announced.show()["operating_status"] == "ONLINE",
        "the distributor ONLINE",
    )


def test_they_run_no_haproxy_and_have_no_front_end(
    announced: Dedicated,
) -> None:
    servers = set(announced.amphorae().values())
    for instance in announced.bench.machines.instances():
        if instance.id not in servers:
            continue
        servers.discard(instance.id)
        done = announced.bench.machines.execute(
            instance, ["pgrep", "-x", "haproxy"]
        )
        assert done.returncode == 1, done.stdout
        assert len(instance.nics) == 1
    assert not servers


def test_the_routes_outlive_the_loss_of_one(announced: Dedicated) -> None:
    """Power off: nothing says good-bye. The other one's paths stay."""
    bench = announced.bench
    victim, server_id = sorted(announced.amphorae().items())[0]
    bench.machines.kill(server_id)
    deadline = time.monotonic() + AWAY_SECONDS
    while time.monotonic() < deadline:
        for version in VIPS:
            assert announced.has_route(version)
    await_that(
        lambda: victim not in announced.amphorae(),
        "the dead one given up",
        BOOTED_SECONDS,
    )
    announced.await_whole()


def test_without_the_last_one_they_are_gone(announced: Dedicated) -> None:
    """The negative control of the test before."""
    bench = announced.bench
    for server_id in announced.amphorae().values():
        bench.machines.kill(server_id)
    await_that(
        lambda: not any(announced.has_route(version) for version in VIPS),
        "the leaf gives the routes up",
    )
    announced.await_whole()


def test_unregistered_they_leave_nothing(announced: Dedicated) -> None:
    found = announced.bench.admin.get(rest.LOAD_BALANCER, announced.vips)
    for vip in found["vips"]:
        announced.unregister(vip["id"])
    await_that(
        lambda: (
            not any(observe.leftovers(announced.lab, prefix(v)) for v in VIPS)
        ),
        "no router has them any more",
    )


def test_deleted_it_leaves_no_amphora(announced: Dedicated) -> None:
    servers = set(announced.amphorae().values())
    announced.register(4)
    distributors.delete(announced.bench.admin, announced.id)
    left = {i.id for i in announced.bench.machines.instances()}
    assert not servers & left
    await_that(
        lambda: not observe.leftovers(announced.lab, prefix(4)),
        "no router has its VIP any more",
    )
