# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load balancers on virtual machines, as story and suite use them.

Everything is asked for through Octavia's API, and looked at from outside: the
leaves' routes, the client's packets, Nova, Neutron, libvirt, the tables.
"""

import collections.abc
import typing

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.api.balancers import Balancer
from octavia_anycast_lab.cloud import survey
from octavia_anycast_lab.demo.client import TENANT
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process
from octavia_anycast_lab.vm import balancers, guests
from octavia_anycast_lab.vm import survey as vm_survey
from octavia_anycast_lab.vm.balancers import Amphora, prefix

# A boot takes minutes where an emulator shares two processors with others.
BOOT_SECONDS = 1500.0
CHANGE_SECONDS = 600.0
GONE_SECONDS = 300.0
_LOOK_SECONDS = 1.0
_NOTICE_SECONDS = 0.1
LOAD_BALANCERS = "/v2/lbaas/loadbalancers"


class World:
    """The lab with its users."""

    def __init__(self, plane: deployment.Deployment) -> None:
        self.plane = plane
        self.lab = plane.lab
        self.registry = registry_lib.Registry(plane.lab.run_dir)
        self.admin = rest.Api(plane=plane)
        self.tenant = rest.Api(plane=plane, cloud=TENANT)
        self._subnets: dict[str, str] = {}

    # -- the API -----------------------------------------------------------

    def create(
        self, name: str, *, flavor: str, **attributes: typing.Any
    ) -> Balancer:
        """Ask for a dual-stack load balancer; does not wait."""
        distributors.ensure(self.admin)
        before = vm_survey.take(self.plane, self.admin)
        body = {
            "name": name,
            "provider": "anycast",
            "vip_subnet_id": self.subnet_id("anycast-v4"),
            "additional_vips": [{"subnet_id": self.subnet_id("anycast-v6")}],
            "flavor_id": self.flavor_id(flavor),
            **attributes,
        }
        made = self.ask("POST", LOAD_BALANCERS, {"loadbalancer": body})
        return balancers.balancer(made["loadbalancer"], before)

    def ask(
        self, method: str, path: str, body: rest.Body | None = None
    ) -> rest.Body:
        """A request of the tenant to Octavia."""
        return self.tenant.request(method, rest.LOAD_BALANCER, path, body)

    def subnet_id(self, name: str) -> str:
        """The id of one of the lab's subnets."""
        if name not in self._subnets:
            found = self.admin.get(rest.NETWORK, "/v2.0/subnets")["subnets"]
            self._subnets = {s["name"]: s["id"] for s in found}
        return self._subnets[name]

    def flavor_id(self, name: str) -> str:
        """The id of one of Octavia's flavors."""
        path = f"/v2/lbaas/flavors?name={name}"
        (found,) = self.admin.get(rest.LOAD_BALANCER, path)["flavors"]
        return str(found["id"])

    def shown(self, balancer_id: str) -> rest.Body:
        """The load balancer, as its owner sees it."""
        path = f"{LOAD_BALANCERS}/{balancer_id}"
        return dict(self.ask("GET", path)["loadbalancer"])

    def cluster(self, balancer_id: str) -> rest.Body:
        """Its cluster, as an operator sees it."""
        path = f"{LOAD_BALANCERS}/{balancer_id}/cluster"
        return dict(self.admin.get(rest.LOAD_BALANCER, path)["cluster"])

    def resize(self, balancer_id: str, size: int) -> None:
        """Change the number of its amphorae."""
        path = f"{LOAD_BALANCERS}/{balancer_id}/cluster"
        self.ask("PUT", path, {"cluster": {"desired_size": size}})

    def await_status(
        self,
        balancer_id: str,
        wanted: collections.abc.Collection[str] = ("ACTIVE",),
        seconds: float = CHANGE_SECONDS,
    ) -> str:
        """Wait until its provisioning status is one of these; that one."""

        def look() -> str:
            return str(self.shown(balancer_id)["provisioning_status"])

        process.wait_until(
            lambda: look() in wanted,
            seconds,
            f"load balancer {balancer_id} {' or '.join(wanted)}",
            _LOOK_SECONDS,
        )
        return look()

    def await_reason(
        self,
        balancer_id: str,
        words: collections.abc.Collection[str],
        seconds: float = CHANGE_SECONDS,
    ) -> str:
        """Wait until the cluster's reason has all these words in it.

        :raises TimeoutError: it has not; holds what it says.
        """
        seen = ""

        def says_so() -> bool:
            nonlocal seen
            seen = str(self.cluster(balancer_id)["reason"])
            return all(word in seen for word in words)

        try:
            process.wait_until(says_so, seconds, "the reason", _LOOK_SECONDS)
        except TimeoutError as error:
            raise TimeoutError(
                f"the cluster's reason says {seen!r}, and not {words}"
            ) from error
        return seen

    def delete(self, balancer_id: str) -> None:
        """Delete it with all that is below it; waits until it is gone."""
        path = f"{LOAD_BALANCERS}/{balancer_id}"
        self.ask("DELETE", f"{path}?cascade=true")
        process.wait_until(
            lambda: not self._exists(path),
            GONE_SECONDS,
            f"load balancer {balancer_id} deleted",
            _LOOK_SECONDS,
        )

    def remove_earlier(self, name: str) -> None:
        """Remove the load balancers of that name that a run has left."""
        found = self.ask("GET", f"{LOAD_BALANCERS}?name={name}")
        for each in found["loadbalancers"]:
            self.await_status(each["id"], ("ACTIVE", "ERROR"), BOOT_SECONDS)
            self.delete(each["id"])

    def _exists(self, path: str) -> bool:
        try:
            self.ask("GET", path)
        except rest.ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    # -- the cluster -------------------------------------------------------

    def server_ids(self) -> frozenset[str]:
        """All servers that Nova has."""
        path = "/v2.1/servers?all_tenants=1"
        found = self.admin.get(guests.NOVA, path)["servers"]
        return frozenset(server["id"] for server in found)

    def server(self, server_id: str) -> rest.Body:
        """A server, as Nova shows it to an operator."""
        path = f"/v2.1/servers/{server_id}"
        return dict(self.admin.get(guests.NOVA, path)["server"])

    def fail_over(self, one: Amphora) -> None:
        """Have an operator replace an amphora; does not wait."""
        path = f"/v2/octavia/amphorae/{one.guest.amphora_id}/failover"
        self.admin.request("PUT", rest.LOAD_BALANCER, path)

    def amphorae(self, balancer_id: str) -> tuple[Amphora, ...]:
        """The amphorae that have a server, by rack and name."""
        found = guests.guests(self.plane, balancer_id)
        ports = self.ports() if found else []
        return tuple(
            sorted(
                (balancers.amphora(guest, ports) for guest in found),
                key=lambda one: (one.rack, one.name),
            )
        )

    def ports(self) -> list[rest.Body]:
        """All ports, each with the name of its network."""
        networks = {
            network["id"]: network["name"]
            for network in self.admin.get(rest.NETWORK, "/v2.0/networks")[
                "networks"
            ]
        }
        found = self.admin.get(rest.NETWORK, "/v2.0/ports")["ports"]
        return [
            {**port, "network": networks.get(port["network_id"], "")}
            for port in found
        ]

    # -- the fabric --------------------------------------------------------

    def hops(
        self, made: Balancer
    ) -> dict[settings.Address, frozenset[settings.Address]]:
        """VIP -> next hops in the kernels of the racks' leaves."""
        return {
            vip: observe.forwarded_to(self.lab, prefix(vip))
            for vip in made.vips
        }

    def announces(self, made: Balancer, one: Amphora) -> bool:
        """True if the leaves use its paths for all VIPs."""
        return bool(one.addresses) and all(
            hops & one.addresses for hops in self.hops(made).values()
        )

    def is_whole(self, made: Balancer, size: int) -> bool:
        """True if so many amphorae are there, and all are next hops."""
        hops = self.hops(made)
        if any(len(found) != size for found in hops.values()):
            return False
        wanted = self.amphorae(made.id)
        addresses = {x for one in wanted for x in one.addresses}
        return len(wanted) == size and all(
            found <= addresses and observe.is_routed(self.lab, prefix(vip))
            for vip, found in hops.items()
        )

    def await_whole(
        self, made: Balancer, size: int, seconds: float = BOOT_SECONDS
    ) -> None:
        """Wait for that."""
        process.wait_until(
            lambda: self.is_whole(made, size),
            seconds,
            f"{size} amphorae that announce every VIP of {made.name}",
            _LOOK_SECONDS,
        )

    def is_withdrawn(self, made: Balancer, one: Amphora) -> bool:
        """True if no leaf uses a path of it."""
        return not any(
            hops & one.addresses for hops in self.hops(made).values()
        )

    def await_withdrawn(
        self, made: Balancer, one: Amphora, seconds: float = CHANGE_SECONDS
    ) -> None:
        """Wait until the fabric has given it up."""
        process.wait_until(
            lambda: self.is_withdrawn(made, one),
            seconds,
            f"no leaf that uses a path to {one.name}",
            _NOTICE_SECONDS,
        )

    def await_replaced(self, made: Balancer, gone: Amphora, size: int) -> None:
        """Wait until it is whole without that one, whose server is deleted."""

        def is_replaced() -> bool:
            if gone.server_id in self.server_ids():
                return False
            return self.is_whole(made, size)

        process.wait_until(
            is_replaced,
            BOOT_SECONDS,
            f"a replacement of {gone.name}",
            _LOOK_SECONDS,
        )

    # -- afterwards --------------------------------------------------------

    def leftovers(self, made: Balancer) -> str:
        """What is left of a deleted load balancer; empty if nothing is."""
        now = vm_survey.take(self.plane, self.admin)
        new = balancers.new_things(now, made.before)
        found = [vm_survey.names(new)]
        for vip in made.vips:
            held = observe.leftovers(self.lab, prefix(vip))
            found += [f"{name} {vip}: {what}" for name, what in held.items()]
        rows = survey.rows_of(self.plane, made.id)
        found += [
            f"{count} rows in {table}"
            for table, count in rows.items()
            if table not in survey.KEPT_UNTIL_PURGED
        ]
        return "; ".join(filter(None, found))

    def await_nothing_left(self, made: Balancer) -> None:
        """Wait until nothing is.

        :raises TimeoutError: something is; names it.
        """
        left = ""

        def is_clean() -> bool:
            nonlocal left
            left = self.leftovers(made)
            return not left

        try:
            process.wait_until(
                is_clean, GONE_SECONDS, "nothing left", _LOOK_SECONDS
            )
        except TimeoutError as error:
            raise TimeoutError(f"{made.name} left {left}") from error
