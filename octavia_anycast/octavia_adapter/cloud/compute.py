# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Servers of amphorae, through Octavia's compute driver.

A server is named after its amphora, so that one whose id was lost with a
controller can be found again.

Layer: octavia_adapter.
"""

from ipaddress import ip_address
from typing import Any

from novaclient import exceptions as nova_exceptions
from octavia.common import constants
from octavia.common import exceptions as octavia_exceptions
from octavia.common.jinja import user_data_jinja_cfg
from octavia.db import models, repositories
from oslo_config import cfg
from oslo_log import log as logging
from stevedore import driver as stevedore_driver

from octavia_anycast.model.cluster import ComputeState, ConfigDrive, Server
from octavia_anycast.model.errors import AnycastError, Permanent
from octavia_anycast.model.housekeeping import Seen
from octavia_anycast.model.load_balancer import LoadBalancerTree
from octavia_anycast.octavia_adapter.cloud import inventory
from octavia_anycast.octavia_adapter.cloud.names import server_name
from octavia_anycast.octavia_adapter.errors import translated
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction

LOG = logging.getLogger(__name__)


class Compute:
    """The compute service.

    :param image_tag: of images for amphorae without a flavor that names one;
        empty: ``[controller_worker] amp_image_tag``
    :param flavor_id: the same for Nova's flavor
    """

    def __init__(
        self, driver: Any = None, *, image_tag: str = "", flavor_id: str = ""
    ) -> None:
        worker = cfg.CONF.controller_worker
        self._image_tag = image_tag or worker.amp_image_tag
        self._flavor_id = flavor_id or worker.amp_flavor_id
        self._driver = (
            driver
            or stevedore_driver.DriverManager(
                namespace="octavia.compute.drivers",
                name=cfg.CONF.controller_worker.compute_driver,
                invoke_on_load=True,
            ).driver
        )
        self._load_balancers = repositories.LoadBalancerRepository()

    def build(
        self,
        tree: LoadBalancerTree | None,
        amphora_id: str,
        zone: str | None,
        drive: ConfigDrive,
    ) -> str:
        """Boot a server; returns its id at once.

        :param tree: whose flavor, zone profile and server group it gets;
            None: the defaults
        :raises Retryable: the compute service did not take it.
        """
        settings = cfg.CONF.controller_worker
        files: dict[str, str] | None = drive.files
        in_user_data = settings.user_data_config_drive
        user_data = user_data_jinja_cfg.UserDataJinjaCfg()
        flavor = tree.flavor if tree else {}
        with translated(f"building a server for amphora {amphora_id}"):
            server_id = self._driver.build(
                name=server_name(amphora_id),
                amphora_flavor=flavor.get(
                    constants.COMPUTE_FLAVOR, self._flavor_id
                ),
                image_tag=flavor.get(constants.AMP_IMAGE_TAG, self._image_tag),
                image_owner=settings.amp_image_owner_id,
                key_name=settings.amp_ssh_key_name,
                sec_groups=settings.amp_secgroup_list,
                network_ids=self._boot_networks(tree),
                port_ids=[],
                config_drive_files=None if in_user_data else files,
                user_data=user_data.build_user_data_config(
                    files if in_user_data else {}
                ),
                server_group_id=self._group_of(tree) if tree else None,
                availability_zone=_zone_metadata(tree, zone),
            )
        return str(server_id)

    def look(self, server_id: str, tree: LoadBalancerTree | None) -> Server:
        """Look a server up; UNKNOWN if the service does not answer."""
        network_id = (
            tree.availability_zone.get(constants.MANAGEMENT_NETWORK)
            if tree
            else None
        )
        try:
            with translated(f"looking up server {server_id}"):
                found, fault = self._look(server_id, network_id)
        except AnycastError as e:
            LOG.warning("%s", e)
            return Server(state=ComputeState.UNKNOWN, fault=str(e))
        if found is None:
            return Server(state=ComputeState.GONE)
        return Server(
            state=_STATES.get(found.status, ComputeState.BUILDING),
            address=(
                ip_address(found.lb_network_ip)
                if found.lb_network_ip
                else None
            ),
            host=self._host(server_id) if found.lb_network_ip else None,
            fault=words_of(fault),
        )

    def check_zone(self, zone: str) -> None:
        """See that an availability zone exists.

        :raises Permanent: it does not.
        :raises Retryable: the compute service did not answer.
        """
        with translated(f"looking up the availability zone {zone}"):
            try:
                self._driver.validate_availability_zone(zone)
            except octavia_exceptions.InvalidSubresource as e:
                raise Permanent(
                    f"The compute service has no availability zone {zone!r}."
                ) from e

    def _host(self, server_id: str) -> str | None:
        """The host that a server runs on, if we may know.

        Octavia's driver interface does not tell: Nova's own client is asked
        (an attribute for administrators), or ``host_of(server_id)`` of
        another driver that has it.
        """
        host_of = getattr(self._driver, "host_of", None)
        servers = getattr(self._driver, "manager", None)
        if host_of is not None:
            return str(host_of(server_id)) or None
        if servers is None:
            return None
        try:
            server = servers.get(server_id)
        except nova_exceptions.ClientException as e:
            LOG.warning("The host of server %s is not known: %s", server_id, e)
            return None
        return getattr(server, "OS-EXT-SRV-ATTR:host", None)

    def _look(self, server_id: str, network_id: str | None) -> Any:
        try:
            return self._driver.get_amphora(server_id, network_id)
        except octavia_exceptions.NotFound:
            return None, None
        except octavia_exceptions.ComputeGetException:
            if self._is_gone_from_nova(server_id):
                return None, None
            raise

    def _is_gone_from_nova(self, server_id: str) -> bool:
        """Ask Nova itself: Octavia's driver tells no 404 from an outage."""
        servers = getattr(self._driver, "manager", None)
        if servers is None:
            return False
        try:
            servers.get(server_id)
        except nova_exceptions.NotFound:
            return True
        except nova_exceptions.ClientException:
            return False
        return False

    def delete(self, amphora_id: str, server_id: str | None) -> None:
        """Delete a server; one that is not there is deleted already.

        :raises Retryable: the compute service did not do it.
        """
        with translated(f"deleting the server of amphora {amphora_id}"):
            found = (
                [server_id] if server_id else self._find_by_name(amphora_id)
            )
            for identifier in found:
                self._driver.delete(identifier)

    def list_servers(self) -> tuple[Seen, ...]:
        """Each server with the name of an amphora, stock Octavia's too.

        :raises Retryable: the compute service did not answer.
        """
        with translated("listing servers"):
            return inventory.servers(self._driver)

    def _find_by_name(self, amphora_id: str) -> list[str]:
        """Find servers whose ids were never recorded.

        Octavia's driver interface has no lookup by name: Nova's own client
        is asked, or ``find_servers(name)`` of another driver that has it.
        """
        name = server_name(amphora_id)
        find = getattr(self._driver, "find_servers", None)
        if find is not None:
            return [str(identifier) for identifier in find(name)]
        servers = getattr(self._driver, "manager", None)
        if servers is None or not hasattr(servers, "list"):
            return []
        return [
            server.id
            for server in servers.list(search_opts={"name": f"^{name}$"})
            if server.name == name
        ]

    def ensure_group(self, tree: LoadBalancerTree) -> None:
        """Make the anti-affinity group, if the operator wants one.

        One that somebody deleted is made again, or forgotten: no server can
        be built into it.

        :raises Permanent: the compute service refuses it.
        :raises Retryable: the compute service did not do it.
        """
        group_id = self._group_of(tree)
        if group_id and self._is_group_gone(tree, group_id):
            group_id = None
            self._record_group(tree, None)
        if group_id or not cfg.CONF.nova.enable_anti_affinity:
            return
        with translated(f"making a server group for {tree.id}"):
            group = self._driver.create_server_group(
                f"octavia-lb-{tree.id}", cfg.CONF.nova.anti_affinity_policy
            )
        self._record_group(tree, group.id)

    def _is_group_gone(self, tree: LoadBalancerTree, group_id: str) -> bool:
        """Ask Nova: Octavia's driver interface has no lookup of groups."""
        groups = getattr(self._driver, "server_groups", None)
        if groups is None:
            return False
        with translated(f"looking up the server group of {tree.id}"):
            try:
                groups.get(group_id)
            except nova_exceptions.NotFound:
                LOG.warning(
                    "The server group %s of load balancer %s is not there "
                    "any more.",
                    group_id,
                    tree.id,
                )
                return True
        return False

    def remove_group(self, tree: LoadBalancerTree) -> None:
        """Delete the anti-affinity group.

        :raises Retryable: the compute service did not do it.
        """
        group_id = self._group_of(tree)
        if not group_id:
            return
        with translated(f"deleting the server group of {tree.id}"):
            self._driver.delete_server_group(group_id)
        self._record_group(tree, None)

    def _group_of(self, tree: LoadBalancerTree) -> str | None:
        """The recorded server group, as of now."""
        with transaction() as session:
            found: str | None = (
                session.query(models.LoadBalancer.server_group_id)
                .filter_by(id=tree.id)
                .scalar()
            )
        return found

    def _record_group(
        self, tree: LoadBalancerTree, group_id: str | None
    ) -> None:
        with transaction() as session:
            self._load_balancers.update(
                session, tree.id, server_group_id=group_id
            )

    @staticmethod
    def _boot_networks(tree: LoadBalancerTree | None) -> list[str]:
        network_id = (
            tree.availability_zone.get(constants.MANAGEMENT_NETWORK)
            if tree
            else None
        )
        if network_id:
            return [network_id]
        return list(cfg.CONF.controller_worker.amp_boot_network_list)


_STATES = {
    constants.ACTIVE: ComputeState.ACTIVE,
    constants.ERROR: ComputeState.ERROR,
    constants.DELETED: ComputeState.GONE,
    "SOFT_DELETED": ComputeState.GONE,
    # Stopped, or on its way through a reboot: its silence will tell.
    "SHUTOFF": ComputeState.UNKNOWN,
}


def words_of(fault: Any) -> str:
    """Why Nova did not build a server; it says so in a field of an object."""
    if isinstance(fault, dict):
        fault = fault.get("message")
    return str(fault or "").strip().removesuffix(".")


def _zone_metadata(
    tree: LoadBalancerTree | None, zone: str | None
) -> dict[str, Any] | None:
    """The load balancer's zone profile, with the distributor's zone in it."""
    metadata = dict(tree.availability_zone) if tree else {}
    if zone is not None:
        metadata[constants.COMPUTE_ZONE] = zone
    return metadata or None
