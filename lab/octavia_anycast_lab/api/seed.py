# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fill the control plane: identity, networks, zones, flavors; idempotent.

A process of its own, because it must be inside the lab's control namespace:
``python -m octavia_anycast_lab.api.seed --lab NAME``.
"""

import argparse
import ipaddress
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openstack
from keystoneauth1 import exceptions as keystone_exceptions
from openstack import exceptions

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.api import identity
from octavia_anycast_lab.cloud import octavia_api

MANAGEMENT_NETWORK = "lb-mgmt-net"
MANAGEMENT_SECURITY_GROUP = "lb-mgmt-sec-grp"
ANYCAST_NETWORK = "anycast-net"
BACKEND_NETWORK = "backend-net"
CLUSTER_SIZES = (1, 2, 4, 8)
_READY_SECONDS = 300.0
_BEGAN = time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A Neutron subnet of the lab."""

    name: str
    cidr: settings.Network
    gateway: str | None = None
    pool: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A Neutron network of the lab and, if it has one, its bridge."""

    name: str
    subnets: tuple[Subnet, ...]
    shared: bool = True
    bridge: str | None = None
    role: str | None = None
    rack: str = "*"


def front_end_network(rack: str) -> str:
    """The name of the front-end network of a rack."""
    return f"fe-{rack}"


def networks() -> tuple[Network, ...]:
    """Every network of the lab, as the fabric has it."""
    lowest, highest = settings.MGMT_POOL
    management = Network(
        name=MANAGEMENT_NETWORK,
        shared=False,
        subnets=(
            Subnet(
                name="lb-mgmt-subnet",
                cidr=settings.MGMT_NETWORK,
                pool=(str(lowest), str(highest)),
            ),
        ),
        bridge=settings.MGMT_BRIDGE,
        role="mgmt",
    )
    # Addresses only: no bridge is behind it, the fabric routes to them.
    anycast = Network(
        name=ANYCAST_NETWORK,
        subnets=(
            Subnet(
                name="anycast-v4",
                cidr=settings.VIP_NETWORK_V4,
                pool=settings.VIP_POOL_V4,
            ),
            Subnet(name="anycast-v6", cidr=settings.VIP_NETWORK_V6),
        ),
    )
    backend = Network(
        name=BACKEND_NETWORK,
        subnets=(
            _pooled("backend-v4", settings.TENANT_NETWORK_V4),
            _pooled("backend-v6", settings.TENANT_NETWORK_V6),
        ),
        bridge=settings.TENANT_BRIDGE,
        role="tenant",
    )
    racks = tuple(_front_end(leaf) for leaf in settings.RACK_LEAVES)
    return (management, anycast, *racks, backend)


def _front_end(leaf: settings.Leaf) -> Network:
    name = front_end_network(str(leaf.rack))
    return Network(
        name=name,
        subnets=tuple(
            _pooled(
                f"{name}-v{gateway.version}",
                gateway.network,
                str(gateway.ip),
            )
            for gateway in (leaf.gateway_v4, leaf.gateway_v6)
        ),
        bridge=settings.FRONT_END_BRIDGE,
        role=leaf.name,
        rack=str(leaf.rack),
    )


def _pooled(
    name: str, cidr: settings.Network, gateway: str | None = None
) -> Subnet:
    """A subnet whose low addresses (routers, members) Neutron leaves alone."""
    if cidr.version == 6:
        first = str(cidr.network_address + 0x1000)
        last = str(cidr.network_address + 0x1FFF)
    else:
        first = str(cidr.network_address + 100)
        last = str(ipaddress.ip_address(int(cidr.broadcast_address) - 5))
    return Subnet(name=name, cidr=cidr, gateway=gateway, pool=(first, last))


def seed_networks(
    connection: Any, plane: deployment.Deployment
) -> dict[str, str]:
    """Make the networks and write what follows from their ids."""
    service = connection.identity.find_project("service")
    ids: dict[str, str] = {}
    for wanted in networks():
        found = connection.network.find_network(wanted.name)
        made = found or connection.network.create_network(
            name=wanted.name, shared=wanted.shared, project_id=service.id
        )
        ids[wanted.name] = made.id
        existing = {
            s.name for s in connection.network.subnets(network_id=made.id)
        }
        for subnet in wanted.subnets:
            if subnet.name not in existing:
                _create_subnet(connection, made, subnet)
    group = _security_group(connection, service.id)
    octavia_api.write_networks(plane, ids[MANAGEMENT_NETWORK], group)
    deployment.write_private(
        plane.lab.wiring, json.dumps(wiring(plane.lab, ids), indent=1) + "\n"
    )
    return ids


def wiring(
    lab: settings.Lab, ids: Mapping[str, str]
) -> dict[str, dict[str, dict[str, str]]]:
    """Network id -> rack (``*`` is any) -> namespace and bridge.

    The network ``*``, without a bridge, is any that a tenant makes.
    """
    wired = {
        ids[network.name]: {
            network.rack: {
                "namespace": lab.namespace(network.role),
                "bridge": network.bridge,
            }
        }
        for network in networks()
        if network.bridge is not None and network.role is not None
    }
    tenants = {"namespace": lab.namespace("tenant")}
    return {**wired, "*": {"*": tenants}}


def _create_subnet(connection: Any, network: Any, subnet: Subnet) -> None:
    attributes: dict[str, Any] = {
        "name": subnet.name,
        "network_id": network.id,
        "project_id": network.project_id,
        "ip_version": subnet.cidr.version,
        "cidr": str(subnet.cidr),
        "gateway_ip": subnet.gateway,
        # Never SLAAC: it would add an address to every port.
        "enable_dhcp": False,
    }
    if subnet.pool:
        first, last = subnet.pool
        attributes["allocation_pools"] = [{"start": first, "end": last}]
    connection.network.create_subnet(**attributes)


def management_rules() -> tuple[dict[str, Any], ...]:
    """What the management group of amphorae lets in, as the guide says.

    And SSH from the controllers, for whoever looks at an amphora.
    """
    controllers = [settings.CTL_MGMT]
    leaves = [leaf.mgmt for leaf in settings.RACK_LEAVES]
    return tuple(
        {
            "direction": "ingress",
            "ethertype": "IPv4",
            "protocol": protocol,
            "port_range_min": port,
            "port_range_max": port,
            "remote_ip_prefix": f"{source.ip}/32",
        }
        for protocol, port, sources in (
            ("tcp", 22, controllers),
            ("tcp", 9443, controllers),
            ("tcp", 9444, controllers),
            ("udp", 3784, leaves),
        )
        for source in sources
    )


def _security_group(connection: Any, project_id: str) -> str:
    """The amphorae's management group; the lab of containers has no filter."""
    network = connection.network
    found = network.find_security_group(MANAGEMENT_SECURITY_GROUP)
    if found:
        return str(found.id)
    group = network.create_security_group(
        name=MANAGEMENT_SECURITY_GROUP, project_id=project_id
    )
    for rule in management_rules():
        network.create_security_group_rule(
            security_group_id=group.id, project_id=project_id, **rule
        )
    return str(group.id)


def seed_load_balancing(connection: Any) -> None:
    """Availability zones (the racks) and flavors (sizes of clusters)."""
    if not octavia_api.has_anycast():
        return
    octavia = connection.load_balancer
    for leaf in settings.RACK_LEAVES:
        rack = str(leaf.rack)
        if octavia.find_availability_zone(rack) is None:
            profile = octavia.find_availability_zone_profile(
                rack
            ) or octavia.create_availability_zone_profile(
                name=rack,
                provider_name="anycast",
                availability_zone_data=json.dumps({"compute_zone": rack}),
            )
            octavia.create_availability_zone(
                name=rack, availability_zone_profile_id=profile.id
            )
    for size in CLUSTER_SIZES:
        name = f"cluster-{size}"
        if octavia.find_flavor(name) is None:
            profile = octavia.find_flavor_profile(
                name
            ) or octavia.create_flavor_profile(
                name=name,
                provider_name="anycast",
                flavor_data=json.dumps(
                    {
                        "cluster_size": size,
                        "cluster_min_size": (size + 1) // 2,
                    }
                ),
            )
            octavia.create_flavor(name=name, flavor_profile_id=profile.id)


def connect(plane: deployment.Deployment, cloud: str = "admin") -> Any:
    """A connection as one of the lab's users (clouds.yaml)."""
    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        **plane.clouds()["clouds"][cloud],
    )


def await_login(plane: deployment.Deployment) -> Any:
    """The operator's connection, once Keystone knows operator and itself.

    Its bootstrap makes the operator first and its own endpoint last.
    """
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        connection = connect(plane)
        try:
            connection.authorize()
            if connection.session.get_endpoint(
                service_type="identity", interface="public"
            ):
                return connection
        except (
            keystone_exceptions.ClientException,
            exceptions.SDKException,
        ):
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise TimeoutError("Keystone's catalog has no endpoint of its own")
        time.sleep(0.2)


def main() -> None:
    """Run every stage, as soon as the service that it needs answers."""
    plane = plane_of_arguments(str(__doc__))
    connection = await_login(plane)
    report("login")
    identity.seed(connection, plane)
    report("identity")
    # A new token: the catalog of the first one was still empty.
    connection = connect(plane)
    await_service(plane.network_url)
    seed_networks(connection, plane)
    report("networks")
    await_service(plane.octavia_url)
    seed_load_balancing(connection)
    report("load balancing")


def plane_of_arguments(description: str) -> deployment.Deployment:
    """The deployment of the lab that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--lab")
    lab = settings.Lab.from_environment(parser.parse_args().lab)
    return deployment.Deployment.of(lab)


def await_service(url: str) -> None:
    """Wait until a service answers, whatever it says."""
    import requests

    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            requests.get(url, timeout=_READY_SECONDS)
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def report(stage: str) -> None:
    """Into the log: which stage is done, seconds after the start."""
    print(f"{time.monotonic() - _BEGAN:.1f} s {stage}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
