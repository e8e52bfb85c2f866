# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A lab to measure in, and load balancers of ours and of stock Octavia."""

import collections.abc
import contextlib
import dataclasses
import ipaddress
import time
import typing

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.amphora import hypervisor, machine
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cloud import stock
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process

_PATH = "/v2/lbaas/loadbalancers"
_READY_SECONDS = 180.0
PORT = 80


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    """One under test; ``service`` is the API which made it."""

    id: str
    service: str
    vips: tuple[settings.Address, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The lab, as operator; ``say`` tells how far the benchmark is.

    ``runs``: how often each event happens to each column; ``held``: how many
    connections are held meanwhile, and ``rows``: which rows alone (none: all),
    both of the benchmark ``rescue``.
    """

    plane: deployment.Deployment
    api: rest.Api
    registry: registry_lib.Registry
    say: collections.abc.Callable[[str], None]
    runs: int = 5
    held: int = 400
    rows: tuple[str, ...] = ()

    @property
    def lab(self) -> settings.Lab:
        """The lab instance."""
        return self.plane.lab

    def prepare(self) -> None:
        """Make the distributor."""
        distributors.ensure(self.api)

    def stock(self, more: str = "") -> contextlib.AbstractContextManager[str]:
        """Stock Octavia beside ours for the time of a block."""
        return stock.running(self.plane, self.registry, more)

    def create(
        self, size: int | None, name: str, **more: typing.Any
    ) -> LoadBalancer:
        """POST a whole load balancer, ours of that size or a stock one.

        One request with listener, pool and three members, and with ``more``
        attributes in place of these. Does not wait.
        """
        service = stock.API_LABEL if size is None else rest.LOAD_BALANCER
        body = {"loadbalancer": {"name": name, "listeners": [self.listener()]}}
        body["loadbalancer"].update(
            self._stock_place() if size is None else self._our_place(size)
        )
        body["loadbalancer"].update(more)
        made = self.api.request("POST", service, _PATH, body)["loadbalancer"]
        texts = [
            made["vip_address"],
            *(vip["ip_address"] for vip in made["additional_vips"]),
        ]
        return LoadBalancer(
            id=made["id"],
            service=service,
            vips=tuple(ipaddress.ip_address(text) for text in texts),
        )

    def status(self, balancer: LoadBalancer) -> dict[str, typing.Any]:
        """The load balancer as the API shows it."""
        path = f"{_PATH}/{balancer.id}"
        return dict(self.api.get(balancer.service, path)["loadbalancer"])

    def await_active(self, balancer: LoadBalancer) -> None:
        """Wait for provisioning status ACTIVE."""
        process.wait_until(
            lambda: self.status(balancer)["provisioning_status"] == "ACTIVE",
            _READY_SECONDS,
            f"load balancer {balancer.id} ACTIVE",
            0.02,
        )

    def await_announced(self, balancer: LoadBalancer, size: int) -> None:
        """Wait until the leaves use a path to each amphora for each VIP."""
        process.wait_until(
            lambda: all(
                len(observe.announcers(self.lab, f"{v}/{v.max_prefixlen}"))
                == size
                for v in balancer.vips
            ),
            _READY_SECONDS,
            f"paths of {size} amphorae",
        )

    def delete(self, balancer: LoadBalancer) -> None:
        """Delete it with all below, and wait until it is gone."""
        path = f"{_PATH}/{balancer.id}"

        def is_gone() -> bool:
            try:
                self.api.request(
                    "DELETE", balancer.service, f"{path}?cascade=true"
                )
            except rest.ApiError as error:
                if error.status not in (404, 409):
                    raise
                return error.status == 404
            return False

        process.wait_until(
            is_gone, _READY_SECONDS, f"{balancer.id} deleted", 0.5
        )

    def request_deletion(self, balancer: LoadBalancer) -> None:
        """Ask for the deletion, and do not wait."""
        self.api.request(
            "DELETE", balancer.service, f"{_PATH}/{balancer.id}?cascade=true"
        )

    @contextlib.contextmanager
    def serving(
        self, size: int, name: str
    ) -> collections.abc.Iterator[LoadBalancer]:
        """One of ours, announced by all its amphorae, for a block."""
        balancer = self.create(size, name)
        try:
            self.await_active(balancer)
            self.await_announced(balancer, size)
            yield balancer
        finally:
            self.delete(balancer)

    def instances(self) -> tuple[machine.Instance, ...]:
        """All instances with power."""
        machines = hypervisor.Hypervisor(self.lab)
        return tuple(i for i in machines.instances() if machines.is_running(i))

    def listener(
        self, protocol: str = "HTTP", port: int = PORT
    ) -> dict[str, typing.Any]:
        """A listener as created with its load balancer: three members."""
        members = [
            {
                "name": member.name,
                "address": str(member.address_v4.ip),
                "protocol_port": settings.MEMBER_PORT,
                "subnet_id": self._subnet("backend-v4"),
            }
            for member in settings.MEMBERS
        ]
        name = f"{protocol.lower()}-{port}"
        return {
            "name": name,
            "protocol": protocol,
            "protocol_port": port,
            "default_pool": {
                "name": name,
                "protocol": protocol,
                "lb_algorithm": "ROUND_ROBIN",
                "members": members,
            },
        }

    def _our_place(self, size: int) -> dict[str, typing.Any]:
        flavors = self.api.get(rest.LOAD_BALANCER, "/v2/lbaas/flavors")
        ids = {flavor["name"]: flavor["id"] for flavor in flavors["flavors"]}
        return {
            "provider": "anycast",
            "flavor_id": ids[f"cluster-{size}"],
            "vip_subnet_id": self._subnet("anycast-v4"),
            "additional_vips": [{"subnet_id": self._subnet("anycast-v6")}],
        }

    def _stock_place(self) -> dict[str, typing.Any]:
        return {
            "provider": stock.PROVIDER,
            "vip_subnet_id": self._subnet("fe-rack1-v4"),
        }

    def _subnet(self, name: str) -> str:
        answer = self.api.get(rest.NETWORK, f"/v2.0/subnets?name={name}")
        return str(answer["subnets"][0]["id"])


def moment() -> float:
    """The wall clock, which load generators stamp their records with."""
    return time.time()
