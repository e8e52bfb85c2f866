# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Faults of the cloud below the amphorae, each for the length of a block.

All of it happens inside the lab's namespaces, and is undone at the end.
"""

import collections.abc
import contextlib
import sys

from octavia_anycast_lab.api import rest, seed
from octavia_anycast_lab.cloud import service
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.vm import guests
from octavia_anycast_lab.vm import settings as vm_settings
from octavia_anycast_lab.vm import survey as vm_survey
from octavia_anycast_lab.vm.world import World

PORTS = {
    guests.NOVA: vm_settings.NOVA_PORT,
    vm_survey.IMAGE: vm_settings.GLANCE_PORT,
}
_PROXY = "fault-proxy"
_PROXY_PORT = 18080
# A redirected packet of the namespace itself goes to its loopback address.
_ANY = "0.0.0.0"
_TABLE = "lab_fault"
_READY_SECONDS = 20.0
_RULES = """
table ip {table} {{
  chain local {{
    type nat hook output priority -100; policy accept;
    ip daddr {address} tcp dport {port} redirect to :{proxy}
  }}
  chain remote {{
    type nat hook prerouting priority -100; policy accept;
    ip daddr {address} tcp dport {port} redirect to :{proxy}
  }}
}}
"""


@contextlib.contextmanager
def api_fault(
    world: World, name: str, *behaviour: str
) -> collections.abc.Iterator[None]:
    """An API answers as the fault proxy is told: ``--status``, ``503``.

    Connections that are open go to the proxy too: it does not know them,
    refuses their packets, and clients connect anew.
    """
    plane, port = world.plane, PORTS[name]
    rules = _RULES.format(
        table=_TABLE, address=plane.address, port=port, proxy=_PROXY_PORT
    )
    try:
        _start_proxy(world, name, behaviour)
        netns.run(plane.namespace, ["nft", "-f", "-"], stdin=rules)
        yield
    finally:
        netns.run(
            plane.namespace,
            ["nft", "delete", "table", "ip", _TABLE],
            check=False,
        )
        process.stop(world.registry, _PROXY)


def _start_proxy(
    world: World, name: str, behaviour: collections.abc.Sequence[str]
) -> None:
    plane = world.plane
    process.spawn(
        world.registry,
        _PROXY,
        [
            *(sys.executable, "-m", "octavia_anycast_lab.vm.fault_proxy"),
            *("--bind", _ANY, "--port", str(_PROXY_PORT)),
            *("--socket", str(plane.service_socket(name)), *behaviour),
        ],
        namespace=plane.namespace,
        env=service.environment(plane),
        log=plane.log(_PROXY),
    )
    process.wait_until(
        lambda: netns.listens(plane.namespace, _PROXY_PORT),
        _READY_SECONDS,
        "the fault proxy listens",
    )


@contextlib.contextmanager
def killed(
    world: World,
    label: str,
    start: collections.abc.Callable[[], object],
) -> collections.abc.Iterator[None]:
    """A process of the cloud is dead; ``start`` starts it again.

    With all of its session: what the registry knows of RabbitMQ is a shell,
    and the broker is a child of it.
    """
    try:
        process.kill(world.registry, label)
        service.clear_remains(world.plane, world.registry, label)
        yield
    finally:
        start()


@contextlib.contextmanager
def no_host(world: World, *racks: str) -> collections.abc.Iterator[None]:
    """Nova may build nothing in these racks; all of them if none is named."""
    path = "/v2.1/os-services?binary=nova-compute"
    services = world.admin.get(guests.NOVA, path)["services"]
    wanted = [s for s in services if not racks or s["zone"] in racks]
    try:
        for each in wanted:
            _switch(world, each["host"], "disable")
        yield
    finally:
        for each in wanted:
            _switch(world, each["host"], "enable")


def _switch(world: World, host: str, how: str) -> None:
    body = {"host": host, "binary": "nova-compute"}
    world.admin.request("PUT", guests.NOVA, f"/v2.1/os-services/{how}", body)


@contextlib.contextmanager
def quota_used_up(world: World) -> collections.abc.Iterator[None]:
    """The project of the amphorae may have no server more than it has."""
    projects = world.admin.get(rest.IDENTITY, "/v3/projects?name=service")
    (project,) = projects["projects"]
    path = f"/v2.1/os-quota-sets/{project['id']}"
    old = world.admin.get(guests.NOVA, path)["quota_set"]["instances"]
    try:
        _set_quota(world, path, len(world.server_ids()))
        yield
    finally:
        _set_quota(world, path, old)


def _set_quota(world: World, path: str, instances: int) -> None:
    body = {"quota_set": {"instances": instances, "force": True}}
    world.admin.request("PUT", guests.NOVA, path, body)


@contextlib.contextmanager
def no_image(world: World) -> collections.abc.Iterator[None]:
    """No image has the amphorae's tag."""
    tag = vm_settings.IMAGE_TAG
    found = world.admin.get(vm_survey.IMAGE, f"/v2/images?tag={tag}")
    paths = [f"/v2/images/{i['id']}/tags/{tag}" for i in found["images"]]
    try:
        for path in paths:
            world.admin.request("DELETE", vm_survey.IMAGE, path)
        yield
    finally:
        for path in paths:
            world.admin.request("PUT", vm_survey.IMAGE, path)


@contextlib.contextmanager
def no_management_address(world: World) -> collections.abc.Iterator[None]:
    """The management subnet has no free address.

    Its pool becomes one address, which a port of the lab's takes.
    """
    found = world.admin.get(rest.NETWORK, "/v2.0/subnets?name=lb-mgmt-subnet")
    (subnet,) = found["subnets"]
    path = f"/v2.0/subnets/{subnet['id']}"
    last = subnet["allocation_pools"][-1]["end"]
    port = _take(world, subnet, last)
    try:
        _pools(world, path, [{"start": last, "end": last}])
        yield
    finally:
        _pools(world, path, subnet["allocation_pools"])
        world.admin.request("DELETE", rest.NETWORK, f"/v2.0/ports/{port}")


def _take(world: World, subnet: rest.Body, address: str) -> str:
    port = {
        "network_id": subnet["network_id"],
        "name": f"{seed.MANAGEMENT_NETWORK}-taken",
        "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": address}],
    }
    made = world.admin.request(
        "POST", rest.NETWORK, "/v2.0/ports", {"port": port}
    )
    return str(made["port"]["id"])


def _pools(
    world: World, path: str, pools: collections.abc.Sequence[rest.Body]
) -> None:
    body = {"subnet": {"allocation_pools": list(pools)}}
    world.admin.request("PUT", rest.NETWORK, path, body)
