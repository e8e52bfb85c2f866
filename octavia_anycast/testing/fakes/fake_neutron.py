# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A network driver of Octavia over an address book in memory.

It stands in for Neutron under Octavia's API. It refuses what Neutron
refuses: unknown networks, an address twice, a port that is not there.
"""

import uuid
from ipaddress import ip_address, ip_network
from typing import Any

from octavia.common import data_models
from octavia.network import base as network_base
from octavia.network import data_models as network_models
from openstack.exceptions import BadRequestException

OCTAVIA = "Octavia"


class FakeNeutron:
    """Networks, subnets and ports; ``ports`` is what a test looks at."""

    def __init__(self) -> None:
        self.networks: dict[str, Any] = {}
        self.subnets: dict[str, Any] = {}
        self.owners: dict[str, str] = {}
        self.ports: dict[str, Any] = {}
        self.qos_policies: set[str] = set()

    def add_network(
        self,
        *cidrs: str,
        port_security_enabled: bool = True,
        owner: str | None = None,
    ) -> tuple[str, tuple[str, ...]]:
        """Make a network; its id and those of its subnets.

        :param owner: the project that alone may use it; None: all may
        """
        network_id = str(uuid.uuid4())
        if owner is not None:
            self.owners[network_id] = owner
        subnet_ids = tuple(str(uuid.uuid4()) for _ in cidrs)
        for subnet_id, cidr in zip(subnet_ids, cidrs, strict=True):
            self.subnets[subnet_id] = network_models.Subnet(
                id=subnet_id,
                network_id=network_id,
                cidr=cidr,
                ip_version=ip_network(cidr).version,
            )
        self.networks[network_id] = network_models.Network(
            id=network_id,
            subnets=list(subnet_ids),
            port_security_enabled=port_security_enabled,
        )
        return network_id, subnet_ids

    # The interface of octavia.network.base.AbstractNetworkDriver, as far as
    # the API uses it.

    def get_network(self, network_id: str, context: Any = None) -> Any:
        """Get a network; with a context, one that its project may use."""
        if network_id not in self.networks or not self._is_visible(
            network_id, context
        ):
            raise network_base.NetworkNotFound(network_id)
        return self.networks[network_id]

    def get_subnet(self, subnet_id: str, context: Any = None) -> Any:
        """Get a subnet; with a context, one that its project may use."""
        subnet = self.subnets.get(subnet_id)
        if subnet is None or not self._is_visible(subnet.network_id, context):
            raise network_base.SubnetNotFound(subnet_id)
        return subnet

    def qos_enabled(self) -> bool:
        """It has the extension."""
        return True

    def get_qos_policy(self, policy_id: str, context: Any = None) -> Any:
        """Get a QoS policy."""
        if policy_id not in self.qos_policies:
            raise network_base.QosPolicyNotFound(policy_id)
        return network_models.QosPolicy(id=policy_id)

    def allocate_vip(self, load_balancer: Any) -> tuple[Any, list[Any]]:
        """Make one port with an address of each subnet asked for."""
        vips = [load_balancer.vip, *load_balancer.additional_vips]
        addresses = [self._address(vip) for vip in vips]
        port_id = str(uuid.uuid4())
        self.ports[port_id] = {
            "device_id": f"lb-{load_balancer.id}",
            "device_owner": OCTAVIA,
            "addresses": addresses,
        }
        network_id = self.subnets[load_balancer.vip.subnet_id].network_id
        vip = data_models.Vip(
            ip_address=addresses[0],
            subnet_id=load_balancer.vip.subnet_id,
            network_id=network_id,
            port_id=port_id,
            load_balancer_id=load_balancer.id,
            octavia_owned=True,
        )
        others = [
            data_models.AdditionalVip(
                ip_address=address,
                subnet_id=other.subnet_id,
                network_id=network_id,
                port_id=port_id,
                load_balancer_id=load_balancer.id,
            )
            for other, address in zip(vips[1:], addresses[1:], strict=True)
        ]
        return vip, others

    def deallocate_vip(self, vip: Any) -> None:
        """Delete the port."""
        self.ports.pop(vip.port_id, None)

    def _is_visible(self, network_id: str, context: Any) -> bool:
        owner = self.owners.get(network_id)
        return None in (owner, context) or context.project_id == owner

    def _check_inside(self, subnet_id: str, address: str) -> None:
        """Refuse an address outside its subnet as Octavia's driver does."""
        cidr = self.get_subnet(subnet_id).cidr
        if ip_address(address) in ip_network(cidr):
            return
        try:
            raise BadRequestException(
                "BadRequestException: 400",
                http_status=400,
                details=f"IP address {address} is not a valid IP for the "
                "specified subnet.",
            )
        except BadRequestException as e:
            raise network_base.AllocateVIPException(
                "Error creating neutron port on network."
            ) from e

    def _address(self, vip: Any) -> str:
        taken = {a for p in self.ports.values() for a in p["addresses"]}
        if vip.ip_address:
            wanted = str(ip_address(vip.ip_address))
            self._check_inside(vip.subnet_id, wanted)
            if wanted in taken:
                raise network_base.VIPInUseException(
                    f"IP address {wanted} already allocated."
                )
            return wanted
        hosts = ip_network(self.get_subnet(vip.subnet_id).cidr).hosts()
        return next(str(host) for host in hosts if str(host) not in taken)
