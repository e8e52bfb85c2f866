# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The cluster as hypervisor and Neutron know it: amphora -> addresses."""

import collections.abc
import dataclasses
import ipaddress

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.amphora import hypervisor, machine
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.traffic import flows


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Amphora:
    """One running amphora and its front-end addresses."""

    instance: machine.Instance
    addresses: frozenset[settings.Address]

    @property
    def label(self) -> str:
        """How it is called on the screen, and its namespace in the lab."""
        return self.instance.label

    @property
    def rack(self) -> str:
        """The rack (Nova availability zone) in which it is."""
        return self.instance.zone

    @property
    def leaf(self) -> settings.Leaf:
        """The router of its rack."""
        return next(x for x in settings.RACK_LEAVES if x.rack == self.rack)

    @property
    def management(self) -> settings.Address:
        """The address from which it peers."""
        addresses = [
            ipaddress.ip_interface(text).ip
            for nic in self.instance.nics
            for text in nic.addresses
        ]
        return next(a for a in addresses if a in settings.MGMT_NETWORK)

    def address(self, version: int) -> str:
        """Its front-end address of an IP version."""
        return next(
            (str(a) for a in self.addresses if a.version == version), "-"
        )


def amphorae(
    plane: deployment.Deployment,
    api: rest.Api,
    others: collections.abc.Collection[str] = (),
) -> tuple[Amphora, ...]:
    """All amphorae with power, by rack; without those of ``others`` (ids)."""
    machines = hypervisor.Hypervisor(plane.lab)
    networks = {
        network["id"]: network["name"]
        for network in api.get(rest.NETWORK, "/v2.0/networks")["networks"]
    }
    found = []
    for instance in machines.instances():
        if instance.id in others or not machines.is_running(instance):
            continue
        ports = api.get(rest.NETWORK, f"/v2.0/ports?device_id={instance.id}")[
            "ports"
        ]
        addresses = frozenset(
            ipaddress.ip_address(fixed["ip_address"])
            for port in ports
            if networks.get(port["network_id"], "").startswith("fe-")
            for fixed in port["fixed_ips"]
        )
        found.append(Amphora(instance=instance, addresses=addresses))
    return tuple(sorted(found, key=lambda a: (a.rack, a.label)))


def shares(
    lab: settings.Lab,
    cluster: collections.abc.Iterable[Amphora],
    vip: settings.Address,
) -> dict[str, int]:
    """Amphora -> new connections to a VIP that its leaf sent to it.

    A next hop that belongs to no amphora of the cluster is named itself.
    """
    counted = dict(flows.shares(lab, vip))
    found = {}
    for amphora in cluster:
        found[amphora.label] = sum(
            counted.pop(address, 0) for address in amphora.addresses
        )
    found.update({str(hop): count for hop, count in counted.items()})
    return found
