# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Ports and security groups, through Octavia's network driver.

The name of a port says what it is for. So a port that was made just before a
crash is found again instead of made twice.

Layer: octavia_adapter.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import Any

from octavia.common import constants, data_models
from octavia.common import utils as octavia_utils
from octavia.db import repositories
from octavia.network import base as network_base
from oslo_log import log as logging

from octavia_anycast.model.actions import PlugFrontend
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import Permanent
from octavia_anycast.model.housekeeping import Seen
from octavia_anycast.model.load_balancer import (
    LoadBalancerTree,
    MemberNetworks,
    Prepared,
)
from octavia_anycast.model.wire import Frontend, FrontendAddress
from octavia_anycast.octavia_adapter.cloud import inventory, member_ports
from octavia_anycast.octavia_adapter.errors import translated
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction

LOG = logging.getLogger(__name__)


class Network:
    """The network service.

    Each call raises Permanent if the service refuses what is asked, and
    Retryable if it does not answer or fails. So does making this object:
    Octavia's driver asks the service for its extensions at once.

    :param model_of: gives Octavia's data model of a tree
    :param frontend_groups: security groups of each front-end port, beside the
        load balancer's own, whose rules Octavia makes of the listeners alone
    :param opens_rescue_port: the load balancer's own group lets its members
        reach each other's tunnel of flow rescue
    """

    def __init__(
        self,
        model_of: Callable[[LoadBalancerTree], Any],
        frontend_groups: Iterable[str] = (),
        *,
        opens_rescue_port: bool = False,
        driver: Any = None,
    ) -> None:
        self._model_of = model_of
        self._opens_rescue_port = opens_rescue_port
        self._frontend_groups = tuple(frontend_groups)
        with translated("reaching the network service"):
            self._driver = driver or octavia_utils.get_network_driver()
        self._vips = repositories.VipRepository()
        self._additional_vips = repositories.AdditionalVipRepository()
        # Subnets and networks keep what is read of them here.
        self._subnet = functools.lru_cache(4096)(self._driver.get_subnet)
        self._network = functools.lru_cache(1024)(self._driver.get_network)
        # port id -> security groups and QoS policy that it was given
        self._given: dict[str, tuple[tuple[str, ...], str | None]] = {}

    def prepare(
        self, tree: LoadBalancerTree, records: Iterable[AmphoraRecord]
    ) -> Prepared:
        """Bring the VIP's port, the security group and the ports to this tree.

        The group's rules follow the listeners; the front-end ports get the
        group, the VIP's QoS policy and the VIPs as allowed addresses. A VIP
        port that somebody deleted is made again with the same addresses.
        """
        with self._asking(f"preparing the ports of {tree.id}"):
            self._update_vip(tree)
            groups = self._open_security_groups(tree)
            policy_id, lacks = self._qos_policy(tree)
            wanted = (tuple(groups), policy_id)
            without_port = []
            for record in records:
                port_id = record.frontend_port_id
                if port_id is None or self._given.get(port_id) == wanted:
                    continue
                try:
                    self._apply_qos(policy_id, port_id)
                    self._set_groups(tree, record, groups)
                except network_base.PortNotFound:
                    if self._has_port(port_id):
                        raise  # a group that it was to get is gone
                    without_port.append(record.id)
                    continue
                self._given[port_id] = wanted
        return Prepared(without_port=tuple(without_port), lacks=lacks)

    def _update_vip(self, tree: LoadBalancerTree) -> None:
        model = self._model_of(tree)
        try:
            self._driver.update_vip_sg(model, model.vip)
        except network_base.PortNotFound:
            self._allocate_anew(tree)
            self._driver.update_vip_sg(model, model.vip)

    def _allocate_anew(self, tree: LoadBalancerTree) -> None:
        """Make the VIP's port again, as Octavia does in a failover."""
        model = self._model_of(tree)
        made, others = self._driver.allocate_vip(model)
        if made.port_id == model.vip.port_id:
            return  # it is there: something else was not found
        LOG.warning(
            "The VIP port %s of load balancer %s did not exist any more; port "
            "%s has its addresses.",
            model.vip.port_id,
            tree.id,
            made.port_id,
        )
        with transaction() as session:
            self._vips.update(
                session,
                tree.id,
                port_id=made.port_id,
                octavia_owned=made.octavia_owned,
            )
            for other in others:
                self._additional_vips.update(
                    session, tree.id, other.subnet_id, port_id=other.port_id
                )
        for vip in (model.vip, *model.additional_vips):
            vip.port_id = made.port_id

    def _qos_policy(
        self, tree: LoadBalancerTree
    ) -> tuple[str | None, tuple[str, ...]]:
        """Return the VIP's QoS policy if it exists, and what is missing.

        Without its policy the load balancer serves, and its user can name
        another one; in ERROR nothing of it could be changed.
        """
        policy_id = self._model_of(tree).vip.qos_policy_id
        if policy_id is None or not self._driver.qos_enabled():
            return policy_id, ()
        try:
            self._driver.get_qos_policy(policy_id)
        except network_base.QosPolicyNotFound:
            sentence = f"QoS policy {policy_id} of the VIP could not be found"
            return None, (sentence,)
        return policy_id, ()

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Translate errors; after a refusal, forget what is cached."""
        try:
            with translated(what):
                yield
        except Permanent:
            self._subnet.cache_clear()
            self._network.cache_clear()
            raise

    def remove(self, tree: LoadBalancerTree) -> None:
        """Delete the VIP's port, if Octavia made it, and the group."""
        model = self._model_of(tree)
        vip = model.vip
        with translated(f"deallocating the VIP of {tree.id}"):
            if vip is not None and vip.port_id:
                vip.load_balancer = model
                self._driver.deallocate_vip(vip)

    def remove_vip_of(self, load_balancer_id: str) -> None:
        """Delete the VIP port of a load balancer that Octavia rolled back.

        Its row is gone, so the port is found by the name that Octavia's
        network driver gives; a user's own port has another name.
        """
        with translated(f"deallocating the VIP of {load_balancer_id}"):
            self._delete(
                self._find(f"{inventory.VIP_PREFIX}{load_balancer_id}")
            )

    def networks_of(self, subnet_ids: Iterable[str]) -> MemberNetworks:
        """The networks of these subnets."""
        with translated("looking up the subnets of members"):
            homes = {s: self._network_of(s) for s in subnet_ids}
        return MemberNetworks(
            network_ids=tuple(sorted({n for n in homes.values() if n})),
            gone_subnet_ids=tuple(s for s, n in homes.items() if n is None),
        )

    def check_frontend(
        self, network_id: str | None, subnet_ids: Iterable[str]
    ) -> None:
        """Check that a network and its subnets exist, and belong together."""
        with translated("looking up a front-end network"):
            try:
                if network_id is not None:
                    self._driver.get_network(network_id)
                homes = {
                    subnet_id: self._driver.get_subnet(subnet_id).network_id
                    for subnet_id in subnet_ids
                }
            except (
                network_base.NetworkNotFound,
                network_base.SubnetNotFound,
            ) as e:
                raise Permanent(f"The front end is not there: {e}") from e
        for subnet_id, home in homes.items():
            if network_id is not None and home != network_id:
                raise Permanent(
                    f"Subnet {subnet_id} is not one of the front-end network "
                    f"{network_id}."
                )

    def plug_frontend(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        action: PlugFrontend,
    ) -> tuple[str, Frontend]:
        """Make the front-end port, or find it, and attach it.

        :returns: the port's id and what the agent needs to know of it
        """
        with self._asking(f"plugging the front end of amphora {record.id}"):
            name = inventory.frontend_port_name(record.id)
            port = self._find(name) or self._driver.create_port(
                action.network_id,
                name=name,
                fixed_ips=self._fixed_ips(action),
                secondary_ips=[str(vip.ip_address) for vip in tree.vips],
                security_group_ids=self._made_security_groups(tree),
                qos_policy_id=self._qos_policy(tree)[0],
            )
            self._attach(record, port)
            return port.id, self._frontend_of(port)

    def plug_members(
        self,
        tree: LoadBalancerTree,
        record: AmphoraRecord,
        network_ids: Iterable[str],
    ) -> list[dict[str, Any]]:
        """Make and attach a port in each network of members.

        :returns: for each what the agent's plug/network call takes
        """
        with self._asking(f"plugging member networks of amphora {record.id}"):
            return [
                self._plug_member(tree, record, network_id)
                for network_id in network_ids
            ]

    def unplug_members(
        self, record: AmphoraRecord, network_ids: Iterable[str]
    ) -> None:
        """Detach and delete the ports in these networks."""
        with translated(f"unplugging member networks of {record.id}"):
            for network_id in network_ids:
                port = self._find(
                    inventory.member_port_name(record.id, network_id)
                )
                server_id = record.compute_id
                if port and server_id and port.device_id == server_id:
                    self._driver.unplug_network(server_id, network_id)
                self._delete(port)

    def release(self, record: AmphoraRecord) -> None:
        """Delete all ports made for an amphora whose server is gone."""
        names = [inventory.frontend_port_name(record.id)] + [
            inventory.member_port_name(record.id, network_id)
            for network_id in record.member_network_ids
        ]
        with translated(f"deleting the ports of amphora {record.id}"):
            for name in names:
                self._delete(self._find(name))

    def list_ports(self) -> tuple[Seen, ...]:
        """Each port of an amphora or a VIP, stock Octavia's VIPs too."""
        with translated("listing ports"):
            return inventory.ports(self._driver)

    def list_security_groups(self) -> tuple[Seen, ...]:
        """Each security group of a VIP, stock Octavia's VIPs too."""
        with translated("listing security groups"):
            return inventory.security_groups(self._driver)

    def delete_port(self, port_id: str) -> None:
        """Delete a port; one that is not there is deleted already."""
        with translated(f"deleting port {port_id}"):
            self._driver.delete_port(port_id)

    def delete_security_group(self, group_id: str) -> None:
        """Delete a group; one that is not there is deleted already.

        :raises Retryable: a port may still have it.
        """
        with translated(f"deleting security group {group_id}"):
            self._driver.network_proxy.delete_security_group(group_id)

    def _delete(self, port: Any) -> None:
        if port is not None:
            self._driver.delete_port(port.id)
            self._given.pop(port.id, None)

    def _find(self, name: str) -> Any:
        try:
            return self._driver.get_port_by_name(name)
        except network_base.PortNotFound:
            return None

    def _open_security_groups(self, tree: LoadBalancerTree) -> list[str]:
        """Return the groups; the load balancer's own has the members' rules.

        So has one that was made before flow rescue was switched on, as soon
        as an amphora is added.
        """
        name = octavia_utils.get_vip_security_group_name(tree.id)
        group = self._driver.get_security_group(name)
        if group is None:
            return self._other_groups(tree)
        rescue = (member_ports.RESCUE,) if self._opens_rescue_port else ()
        metrics = (member_ports.METRICS,)
        has_metrics = tree.has_metrics_listener
        member_ports.bring_about(
            self._driver,
            group.id,
            opened=(*rescue, *(metrics if has_metrics else ())),
            closed=() if has_metrics else metrics,
        )
        return [group.id, *self._other_groups(tree)]

    def _made_security_groups(self, tree: LoadBalancerTree) -> list[str]:
        """Return the groups; make the load balancer's own again if needed."""
        try:
            return self._open_security_groups(tree)
        except network_base.SecurityGroupNotFound:
            self._update_vip(tree)
            return self._open_security_groups(tree)

    def _other_groups(self, tree: LoadBalancerTree) -> list[str]:
        wanted = (*self._model_of(tree).vip.sg_ids, *self._frontend_groups)
        return list(dict.fromkeys(wanted))

    def _set_groups(
        self, tree: LoadBalancerTree, record: AmphoraRecord, groups: list[str]
    ) -> None:
        update = getattr(self._driver, "update_aap_port_sg", None)
        if update is None or not groups:
            return
        amphora = data_models.Amphora(
            id=record.id, vrrp_port_id=record.frontend_port_id
        )
        # Octavia gives the port the load balancer's group and the VIP's.
        vip = data_models.Vip(sg_ids=self._other_groups(tree))
        update(self._model_of(tree), amphora, vip)

    def _apply_qos(self, wanted: str | None, port_id: str) -> None:
        if not self._driver.qos_enabled():
            return
        if self._driver.get_port(port_id).qos_policy_id != wanted:
            self._driver.apply_qos_on_port(wanted, port_id)

    def _fixed_ips(self, action: PlugFrontend) -> list[dict[str, str]]:
        subnet_ids = action.subnet_ids or self._one_subnet_per_family(action)
        return [{constants.SUBNET_ID: identifier} for identifier in subnet_ids]

    def _one_subnet_per_family(self, action: PlugFrontend) -> list[str]:
        found: dict[int, str] = {}
        for subnet_id in self._network(action.network_id).subnets or ():
            version = int(self._subnet(subnet_id).ip_version)
            if version in action.ip_versions:
                found.setdefault(version, subnet_id)
        if not found:
            raise Permanent(
                f"network {action.network_id} has no subnet of the IP "
                f"versions {action.ip_versions} of the VIPs"
            )
        return [found[version] for version in sorted(found)]

    def _attach(self, record: AmphoraRecord, port: Any) -> None:
        if port.device_id == record.compute_id:
            return
        self._driver.plug_port(
            data_models.Amphora(id=record.id, compute_id=record.compute_id),
            port,
        )

    def _frontend_of(self, port: Any) -> Frontend:
        addresses = [self._address_of(fixed_ip) for fixed_ip in port.fixed_ips]
        return Frontend(
            mac_address=port.mac_address.lower(),
            mtu=int(self._network(port.network_id).mtu or 1500),
            addresses=tuple(
                sorted(addresses, key=lambda a: a.ip_address.version)
            ),
        )

    def _address_of(self, fixed_ip: Any) -> FrontendAddress:
        subnet = self._subnet(fixed_ip.subnet_id)
        return FrontendAddress(
            ip_address=ip_address(fixed_ip.ip_address),
            prefix_length=ip_network(subnet.cidr).prefixlen,
            gateway=ip_address(subnet.gateway_ip)
            if subnet.gateway_ip
            else None,
            subnet_id=fixed_ip.subnet_id,
        )

    def _plug_member(
        self, tree: LoadBalancerTree, record: AmphoraRecord, network_id: str
    ) -> dict[str, Any]:
        wanted = [
            identifier
            for identifier in tree.member_subnet_ids
            if self._network_of(identifier) == network_id
        ]
        name = inventory.member_port_name(record.id, network_id)
        port = self._find(name) or self._driver.create_port(
            network_id,
            name=name,
            fixed_ips=[{constants.SUBNET_ID: i} for i in wanted],
        )
        for missing in set(wanted) - {f.subnet_id for f in port.fixed_ips}:
            port = self._driver.plug_fixed_ip(port.id, missing)
        self._attach(record, port)
        return self._port_info(port)

    def _has_port(self, port_id: str) -> bool:
        try:
            self._driver.get_port(port_id)
        except network_base.PortNotFound:
            return False
        return True

    def _network_of(self, subnet_id: str) -> str | None:
        try:
            return str(self._subnet(subnet_id).network_id)
        except network_base.SubnetNotFound:
            return None

    def _port_info(self, port: Any) -> dict[str, Any]:
        info: dict[str, Any] = {
            "mac_address": port.mac_address,
            "mtu": self._network(port.network_id).mtu,
            "is_sriov": False,
            "fixed_ips": [],
        }
        for fixed_ip in port.fixed_ips:
            subnet = self._subnet(fixed_ip.subnet_id)
            info["fixed_ips"].append(
                {
                    "ip_address": fixed_ip.ip_address,
                    "subnet_cidr": subnet.cidr,
                    # None: the default route is the front end's.
                    "gateway": None,
                    "host_routes": [
                        {"nexthop": r.nexthop, "destination": r.destination}
                        for r in subnet.host_routes or ()
                    ],
                }
            )
        return info
