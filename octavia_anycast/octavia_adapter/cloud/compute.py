# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Servers of amphorae, through Octavia's compute driver.

A server has the name of its amphora. So it is found again if a controller
ended before it recorded the id.

Layer: octavia_adapter.
"""

from ipaddress import ip_address
from typing import Any

import tenacity
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
from octavia_anycast.octavia_adapter.errors import translated
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction

LOG = logging.getLogger(__name__)


class Compute:
    """The compute service.

    Each call raises Permanent if the service refuses what is asked, and
    Retryable if it does not answer or fails. Octavia's driver interface does
    not know all that is needed here: Nova's own client, which the driver has,
    is asked, or a driver that has ``host_of(server_id)``,
    ``find_servers(name)`` and ``list_servers()``.

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
        self._nova = getattr(self._driver, "manager", None)
        self._load_balancers = repositories.LoadBalancerRepository()

    def build(
        self,
        tree: LoadBalancerTree | None,
        amphora_id: str,
        zone: str | None,
        drive: ConfigDrive,
    ) -> str:
        """Start to boot a server; returns its id at once.

        :param tree: whose flavor, zone profile and server group it gets;
            None: the defaults
        """
        settings = cfg.CONF.controller_worker
        files: dict[str, str] | None = drive.files
        in_user_data = settings.user_data_config_drive
        user_data = user_data_jinja_cfg.UserDataJinjaCfg()
        flavor = tree.flavor if tree else {}
        with translated(f"building a server for amphora {amphora_id}"):
            server_id = self._driver.build(
                name=inventory.server_name(amphora_id),
                amphora_flavor=flavor.get(
                    constants.COMPUTE_FLAVOR, self._flavor_id
                ),
                image_tag=flavor.get(constants.AMP_IMAGE_TAG, self._image_tag),
                image_owner=settings.amp_image_owner_id,
                key_name=settings.amp_ssh_key_name,
                sec_groups=settings.amp_secgroup_list,
                network_ids=(
                    [network_id]
                    if (network_id := _management_network(tree))
                    else settings.amp_boot_network_list
                ),
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
        try:
            with translated(f"looking up server {server_id}"):
                found, fault = self._look(server_id, _management_network(tree))
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
            image_id=getattr(found, "image_id", None) or None,
        )

    def check_zone(self, zone: str) -> None:
        """Check that an availability zone exists."""
        with translated(f"looking up the availability zone {zone}"):
            try:
                self._driver.validate_availability_zone(zone)
            except octavia_exceptions.InvalidSubresource as e:
                raise Permanent(
                    f"The compute service has no availability zone {zone!r}."
                ) from e

    def _host(self, server_id: str) -> str | None:
        """Return a server's host; Nova tells administrators only."""
        host_of = getattr(self._driver, "host_of", None)
        if host_of is not None:
            return str(host_of(server_id)) or None
        if self._nova is None:
            return None
        try:
            server = self._nova.get(server_id)
        except nova_exceptions.ClientException as e:
            LOG.warning("The host of server %s is not known: %s", server_id, e)
            return None
        return getattr(server, "OS-EXT-SRV-ATTR:host", None)

    def _look(self, server_id: str, network_id: str | None) -> Any:
        try:
            return self._get_amphora(server_id, network_id)
        except (octavia_exceptions.NotFound, nova_exceptions.NotFound):
            return None, None
        except Exception as e:
            # Whatever it is: the server is not known, and the others are.
            raise octavia_exceptions.ComputeGetException() from e

    def _get_amphora(self, server_id: str, network_id: str | None) -> Any:
        """Ask once; the controller itself asks again.

        Octavia's Nova driver asks 15 times, a second apart, whatever the
        answer was, and tells none of them.
        """
        get = self._driver.get_amphora
        retry_with = getattr(get, "retry_with", None)
        if retry_with is None:
            return get(server_id, network_id)
        once = retry_with(
            stop=tenacity.stop_after_attempt(1),
            retry_error_callback=None,
            reraise=True,
        )
        return once(self._driver, server_id, network_id)

    def delete(self, amphora_id: str, server_id: str | None) -> None:
        """Delete a server, by name if its id is unknown; idempotent."""
        with translated(f"deleting the server of amphora {amphora_id}"):
            found = (
                [server_id] if server_id else self._find_by_name(amphora_id)
            )
            for identifier in found:
                self._driver.delete(identifier)

    def list_servers(self) -> tuple[Seen, ...]:
        """Each server with the name of an amphora, stock Octavia's too."""
        with translated("listing servers"):
            return inventory.servers(self._driver)

    def _find_by_name(self, amphora_id: str) -> list[str]:
        name = inventory.server_name(amphora_id)
        find = getattr(self._driver, "find_servers", None)
        if find is not None:
            return [str(identifier) for identifier in find(name)]
        if self._nova is None:
            return []
        return [
            server.id
            for server in self._nova.list(search_opts={"name": f"^{name}$"})
            if server.name == name
        ]

    def ensure_group(self, tree: LoadBalancerTree) -> None:
        """Make the anti-affinity group, if the operator wants one.

        A group that does not exist any more is made again or forgotten: no
        server can be built in it.
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
        groups = getattr(self._driver, "server_groups", None)
        if groups is None:
            return False
        with translated(f"looking up the server group of {tree.id}"):
            try:
                groups.get(group_id)
            except nova_exceptions.NotFound:
                LOG.warning(
                    "The server group %s of load balancer %s does not exist "
                    "any more.",
                    group_id,
                    tree.id,
                )
                return True
        return False

    def remove_group(self, tree: LoadBalancerTree) -> None:
        """Delete the anti-affinity group."""
        group_id = self._group_of(tree)
        if not group_id:
            return
        with translated(f"deleting the server group of {tree.id}"):
            self._driver.delete_server_group(group_id)
        self._record_group(tree, None)

    def _group_of(self, tree: LoadBalancerTree) -> str | None:
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


_STATES = {
    constants.ACTIVE: ComputeState.ACTIVE,
    constants.ERROR: ComputeState.ERROR,
    constants.DELETED: ComputeState.GONE,
    "SOFT_DELETED": ComputeState.GONE,
    # Or in a reboot: heartbeats and agent decide.
    "SHUTOFF": ComputeState.STOPPED,
}


def _management_network(tree: LoadBalancerTree | None) -> str | None:
    profile = tree.availability_zone if tree else {}
    network_id: str | None = profile.get(constants.MANAGEMENT_NETWORK)
    return network_id


def words_of(fault: Any) -> str:
    """Return why Nova did not build a server, from its fault."""
    if isinstance(fault, dict):
        fault = fault.get("message")
    return str(fault or "").strip().removesuffix(".")


def _zone_metadata(
    tree: LoadBalancerTree | None, zone: str | None
) -> dict[str, Any] | None:
    """Return the zone profile with the distributor's zone in it."""
    metadata = dict(tree.availability_zone) if tree else {}
    if zone is not None:
        metadata[constants.COMPUTE_ZONE] = zone
    return metadata or None
