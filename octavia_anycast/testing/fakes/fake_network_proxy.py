# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Neutron below Octavia's network driver: openstacksdk's calls, in memory.

It holds ports, security groups and their rules, and does what Neutron does
with them by itself: a new group lets everything out, a port that names no
group gets the project's ``default``, and the same rule twice is refused.
"""

import itertools
from collections.abc import Iterator
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

from octavia.common import config as _options_of_octavia  # noqa: F401
from octavia.network.drivers.neutron import allowed_address_pairs
from octavia.network.drivers.neutron import base as neutron_base
from openstack import exceptions
from openstack.network.v2.network import Network
from openstack.network.v2.port import Port
from openstack.network.v2.security_group import SecurityGroup
from openstack.network.v2.security_group_rule import SecurityGroupRule
from openstack.network.v2.subnet import Subnet

PROJECT_ID = "service"
DEFAULT = "default"
_WHAT_A_RULE_SAYS = (
    "security_group_id",
    "direction",
    "ether_type",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
)


class FakeNetworkProxy:
    """What of ``connection.network`` Octavia's network driver calls."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._networks: dict[str, Any] = {}
        self._subnets: dict[str, Any] = {}
        self._ports: dict[str, Any] = {}
        self._groups: dict[str, Any] = {}
        self._rules: dict[str, Any] = {}
        default = self.create_security_group(name=DEFAULT)
        for ether_type in ("IPv4", "IPv6"):
            self.create_security_group_rule(
                security_group_id=default.id,
                direction="ingress",
                ether_type=ether_type,
                remote_group_id=default.id,
            )

    def add_network(self, network_id: str, *cidrs: str) -> tuple[str, ...]:
        """Make a network; returns the ids of its subnets."""
        ids = tuple(f"{network_id}-{n}" for n in range(1, len(cidrs) + 1))
        for subnet_id, cidr in zip(ids, cidrs, strict=True):
            self._subnets[subnet_id] = Subnet(
                id=subnet_id,
                network_id=network_id,
                cidr=cidr,
                ip_version=ip_network(cidr).version,
                gateway_ip=str(ip_network(cidr)[1]),
            )
        self._networks[network_id] = Network(
            id=network_id, mtu=1500, subnets=list(ids)
        )
        return ids

    def find_extension(self, alias: str) -> Any:
        """It has every extension."""
        return alias

    def get_network(self, network_id: str) -> Any:
        """Get a network."""
        return _of(self._networks, network_id)

    def get_subnet(self, subnet_id: str) -> Any:
        """Get a subnet."""
        return _of(self._subnets, subnet_id)

    def get_port(self, port_id: str) -> Any:
        """Get a port."""
        return _of(self._ports, port_id)

    def ports(self, **wanted: Any) -> Iterator[Any]:
        """Every port with these attributes."""
        return _matching(self._ports, wanted)

    def create_port(self, **attributes: Any) -> Any:
        """Make a port, with an address of each subnet that it names."""
        fixed_ips = [
            {"ip_address": self._address(f["subnet_id"])} | f
            for f in attributes.pop("fixed_ips", ())
        ]
        number = next(self._ids)
        port = Port(
            id=f"port-{number}",
            mac_address=f"fa:16:3e:00:00:{number:02x}",
            project_id=PROJECT_ID,
            fixed_ips=fixed_ips,
            **attributes,
        )
        if port.security_group_ids is None:
            default = self.find_security_group(DEFAULT)
            port.security_group_ids = [default.id]
        self._ports[port.id] = port
        return port

    def update_port(self, port_id: str, **attributes: Any) -> Any:
        """Change a port."""
        port = _of(self._ports, port_id)
        port._update(**attributes)
        return port

    def create_security_group(self, name: str) -> Any:
        """Make a group, which lets everything out."""
        group = SecurityGroup(
            id=f"group-{next(self._ids)}", name=name, project_id=PROJECT_ID
        )
        self._groups[group.id] = group
        for ether_type in ("IPv4", "IPv6"):
            self.create_security_group_rule(
                security_group_id=group.id,
                direction="egress",
                ether_type=ether_type,
            )
        return group

    def find_security_group(self, name: str) -> Any:
        """Find a group by its name; None: there is none."""
        return next(self.security_groups(name=name), None)

    def security_groups(self, **wanted: Any) -> Iterator[Any]:
        """Every group with these attributes, and its rules in it."""
        for group in _matching(self._groups, wanted):
            group.security_group_rules = [
                _shown(rule)
                for rule in self.security_group_rules(
                    security_group_id=group.id
                )
            ]
            yield group

    def security_group_rules(self, **wanted: Any) -> Iterator[Any]:
        """Every rule with these attributes."""
        return _matching(self._rules, wanted)

    def create_security_group_rule(self, **attributes: Any) -> Any:
        """Make a rule.

        :raises ConflictException: the group has the same already.
        """
        rule = SecurityGroupRule(id=f"rule-{next(self._ids)}", **attributes)
        if rule.protocol is not None:
            rule.protocol = str(rule.protocol)
        said = {name: getattr(rule, name) for name in _WHAT_A_RULE_SAYS}
        for other in self._rules.values():
            if all(getattr(other, n) == v for n, v in said.items()):
                raise exceptions.ConflictException(f"rule {other.id} exists")
        self._rules[rule.id] = rule
        return rule

    def delete_security_group_rule(
        self, rule_id: str, *, ignore_missing: bool = True
    ) -> None:
        """Delete a rule."""
        if self._rules.pop(rule_id, None) is None and not ignore_missing:
            raise exceptions.NotFoundException(rule_id)

    def raw_rules(self) -> list[dict[str, Any]]:
        """Every rule as Neutron's API shows it."""
        return [_shown(rule) for rule in self._rules.values()]

    def raw_port(self, port_id: str) -> dict[str, Any]:
        """A port as Neutron's API shows it."""
        return _shown(self.get_port(port_id))

    def _address(self, subnet_id: str) -> str:
        taken = {
            fixed["ip_address"]
            for port in self._ports.values()
            for fixed in port.fixed_ips
        }
        hosts = ip_network(_of(self._subnets, subnet_id).cidr).hosts()
        usable = itertools.islice(hosts, 10, None)
        return next(str(host) for host in usable if str(host) not in taken)


class FakeNetworkDriver(allowed_address_pairs.AllowedAddressPairsDriver):
    """Octavia's own driver, over this proxy and with a compute that obeys."""

    def __init__(self, proxy: FakeNetworkProxy) -> None:
        self._proxy = proxy
        self.compute = self
        neutron_base.BaseNeutronDriver.__init__(self)

    @property
    def os_connection(self) -> Any:
        """The connection, as far as the driver looks at it."""
        return SimpleNamespace(
            network=self._proxy, current_project_id=PROJECT_ID
        )

    def attach_network_or_port(
        self, compute_id: str, port_id: str, **unused: Any
    ) -> Any:
        """Attach a port to a server, as Nova does."""
        port = self._proxy.update_port(port_id, device_id=compute_id)
        return SimpleNamespace(
            net_id=port.network_id, port_id=port_id, fixed_ips=port.fixed_ips
        )


def _of(found: dict[str, Any], identifier: str) -> Any:
    try:
        return found[identifier]
    except KeyError:
        raise exceptions.NotFoundException(identifier) from None


def _matching(found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[Any]:
    return (
        item
        for item in list(found.values())
        if all(getattr(item, name) == v for name, v in wanted.items())
    )


def _shown(resource: Any) -> dict[str, Any]:
    return dict(resource.to_dict(original_names=True, computed=False))
