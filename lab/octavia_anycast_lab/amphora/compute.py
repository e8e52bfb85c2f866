# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's compute driver of the lab: containers in the place of Nova.

It behaves as Octavia's Nova driver does, errors included; ports are real
Neutron ports, owned by the instance (``device_id``) while they are plugged.
Availability zones are racks. Loaded by Octavia's API, its stock worker and
our controller alike, each in a process of its own.
"""

import collections.abc
import dataclasses
import datetime
import pathlib
import typing
import uuid

from octavia.common import clients, constants, data_models, exceptions
from octavia.compute import compute_base
from openstack import exceptions as sdk_exceptions
from oslo_config import cfg
from oslo_log import log as logging

from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import hypervisor, image, machine, wiring

LOG = logging.getLogger(__name__)
CONF = cfg.CONF

FLAVORS = ("lab",)
SHUTOFF = "SHUTOFF"
# What Nova's default quota allows for injected files.
FILES_LIMIT = 5
FILE_BYTES_LIMIT = 10240

FileContent = str | bytes | typing.IO[typing.Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What Nova answers to an attachment, as far as Octavia reads it."""

    net_id: str
    port_id: str
    fixed_ips: list[dict[str, str]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServerGroup:
    """A server group; on one machine it has no effect."""

    id: str


class LabComputeDriver(compute_base.ComputeBase):
    """Boots amphorae in the lab which ``OA_LAB`` names."""

    def __init__(self) -> None:
        super().__init__()
        self._lab = settings.Lab.from_environment()
        self._hypervisor = hypervisor.Hypervisor(self._lab)

    @property
    def _network(self) -> typing.Any:
        return clients.NeutronAuth.get_neutron_client().network

    def build(
        self,
        name: str = "amphora_name",
        amphora_flavor: str | None = None,
        image_tag: str | None = None,
        image_owner: str | None = None,
        key_name: str | None = None,
        sec_groups: list[str] | None = None,
        network_ids: list[str] | None = None,
        port_ids: list[str] | None = None,
        config_drive_files: (
            collections.abc.Mapping[str, FileContent] | None
        ) = None,
        user_data: str | None = None,
        server_group_id: str | None = None,
        availability_zone: collections.abc.Mapping[str, str] | None = None,
    ) -> str:
        """Boot an instance; see the base class.

        Files come by ``config_drive_files`` only; ``user_data`` is not read,
        as there is no cloud-init in a container.
        """
        zone = (availability_zone or {}).get(
            constants.COMPUTE_ZONE, CONF.nova.availability_zone
        )
        instance_id = str(uuid.uuid4())
        try:
            self._require_room()
            self.validate_availability_zone(zone)
            self._create(
                instance_id, name, zone, image_tag, config_drive_files or {}
            )
            for network_id in network_ids or []:
                self._plug_new(instance_id, network_id, sec_groups or [])
            for port_id in port_ids or []:
                self.attach_network_or_port(instance_id, port_id=port_id)
            self._hypervisor.boot(instance_id)
        except Exception as error:
            LOG.exception("Instance %s (%s) not built", name, instance_id)
            self._discard(instance_id)
            raise exceptions.ComputeBuildException(fault=error) from error
        LOG.info("Instance %s (%s) boots in %s", name, instance_id, zone)
        return instance_id

    def _require_room(self) -> None:
        """Refuse the boot as a cloud that is full does, if a test says so.

        :raises RuntimeError: with the words of the refusal.
        """
        refusal = self._lab.boot_refusal
        if refusal.exists():
            raise RuntimeError(refusal.read_text("utf-8"))

    def delete(self, compute_id: str) -> None:
        """Delete an instance, whatever is left of it."""
        try:
            self._delete(compute_id)
        except Exception as error:
            LOG.exception("Instance %s not deleted", compute_id)
            raise exceptions.ComputeDeleteException(
                compute_msg=str(error)
            ) from error

    def status(self, compute_id: str) -> str:
        """UP if it has power, else DOWN."""
        try:
            instance = self._hypervisor.get(compute_id)
        except hypervisor.InstanceNotFound:
            raise exceptions.ComputeStatusException() from None
        if self._hypervisor.is_running(instance):
            return str(constants.UP)
        return str(constants.DOWN)

    def get_amphora(
        self, compute_id: str, management_network_id: str | None = None
    ) -> tuple[typing.Any, str | None]:
        """An amphora object as Octavia wants it, and no fault.

        :raises octavia.common.exceptions.NotFound: no such instance.
        """
        instance = self._instance(compute_id)
        running = self._hypervisor.is_running(instance)
        amphora = data_models.Amphora(
            compute_id=compute_id,
            status=constants.ACTIVE if running else SHUTOFF,
            lb_network_ip=_management_address(instance, management_network_id),
            cached_zone=instance.zone,
            image_id=pathlib.Path(instance.layers[0]).parent.name,
            compute_flavor=FLAVORS[0],
        )
        return amphora, None

    def find_servers(self, name: str) -> list[str]:
        """Ids of the instances of that name, as Nova's list would find."""
        return [i.id for i in self._hypervisor.instances() if i.name == name]

    def list_servers(
        self,
    ) -> list[tuple[str, str, datetime.datetime | None]]:
        """Id, name and age of each instance, as Nova's list would say."""
        return [
            (i.id, i.name, _made_at(pathlib.Path(i.disk)))
            for i in self._hypervisor.instances()
        ]

    def host_of(self, compute_id: str) -> str:
        """The compute host of an instance, as Nova tells administrators.

        :raises octavia.common.exceptions.NotFound: no such instance.
        """
        return self._instance(compute_id).host

    def create_server_group(self, name: str, policy: str) -> ServerGroup:
        """A group; all instances of a lab are on one machine anyhow."""
        return ServerGroup(id=str(uuid.uuid5(uuid.NAMESPACE_OID, name)))

    def delete_server_group(self, server_group_id: str) -> None:
        """Nothing is kept of a group."""

    def attach_network_or_port(
        self,
        compute_id: str,
        network_id: str | None = None,
        ip_address: str | None = None,
        port_id: str | None = None,
    ) -> Interface:
        """Hot-plug a port, made here if only a network is given.

        :raises octavia.common.exceptions.NotFound: instance, network, port.
        :raises octavia.common.exceptions.ComputePortInUseException: another
            instance has the port.
        """
        instance = self._instance(compute_id)
        if port_id is None:
            return self._plug_new(compute_id, network_id, [], ip_address)
        try:
            port = self._network.get_port(port_id)
        except sdk_exceptions.NotFoundException as error:
            raise exceptions.NotFound(resource="Port", id=port_id) from error
        if port.device_id and port.device_id != compute_id:
            raise exceptions.ComputePortInUseException(port=port_id)
        self._network.update_port(
            port_id,
            device_id=compute_id,
            device_owner=f"compute:{instance.zone}",
        )
        try:
            return self._plug(instance, port, is_owned=False)
        except Exception as error:
            self._release(port_id)
            raise exceptions.ComputeUnknownException(exc=str(error)) from error

    def detach_port(self, compute_id: str, port_id: str) -> None:
        """Unplug a port; as Nova's driver, it reports failure in the log."""
        try:
            nic = self._hypervisor.get(compute_id).nic(port_id)
            self._hypervisor.detach(compute_id, port_id)
            if nic is not None:
                self._free(nic)
        except Exception:
            LOG.exception("Port %s stays on %s", port_id, compute_id)

    def validate_flavor(self, flavor_id: str) -> None:
        """There is one size of container."""
        if flavor_id not in FLAVORS:
            raise exceptions.InvalidSubresource(
                resource="Nova flavor", id=flavor_id
            )

    def validate_availability_zone(self, availability_zone: str) -> None:
        """A zone is a rack."""
        try:
            settings.rack_leaf(availability_zone)
        except KeyError:
            raise exceptions.InvalidSubresource(
                resource="Nova availability zone", id=availability_zone
            ) from None

    # -- private -----------------------------------------------------------

    def _instance(self, compute_id: str) -> machine.Instance:
        try:
            return self._hypervisor.get(compute_id)
        except hypervisor.InstanceNotFound:
            raise exceptions.NotFound(
                resource="Instance", id=compute_id
            ) from None

    def _create(
        self,
        instance_id: str,
        name: str,
        zone: str,
        image_tag: str | None,
        files: collections.abc.Mapping[str, FileContent],
    ) -> None:
        """Put the instance on disk, before it has any port."""
        flavour = image.Flavour(image_tag or image.Flavour.ANYCAST)
        if not image.is_published(self._lab):
            image.publish(self._lab)
        layers = image.published(self._lab, flavour).layers
        instance = machine.Instance(
            id=instance_id,
            name=name,
            zone=zone,
            layers=tuple(str(layer) for layer in layers),
            disk=str(self._hypervisor.disk_of(instance_id)),
        )
        self._hypervisor.create(
            hypervisor.Order(instance=instance, files=_injected(files))
        )

    def _plug_new(
        self,
        instance_id: str,
        network_id: str | None,
        security_groups: list[str],
        ip_address: str | None = None,
    ) -> Interface:
        instance = self._instance(instance_id)
        attributes: dict[str, typing.Any] = {
            "network_id": network_id,
            "device_id": instance_id,
            "device_owner": f"compute:{instance.zone}",
        }
        if security_groups:
            attributes["security_group_ids"] = security_groups
        if ip_address:
            attributes["fixed_ips"] = [{"ip_address": ip_address}]
        try:
            port = self._network.create_port(**attributes)
        except sdk_exceptions.NotFoundException as error:
            raise exceptions.NotFound(
                resource="Network", id=network_id
            ) from error
        return self._plug(instance, port, is_owned=True)

    def _plug(
        self, instance: machine.Instance, port: typing.Any, *, is_owned: bool
    ) -> Interface:
        """Lay the cable; an instance without power gets addresses too."""
        nic = machine.Nic(
            port_id=port.id,
            network_id=port.network_id,
            mac=port.mac_address,
            interface="",
            wire=wiring.wire_of(self._lab, port.network_id, instance.zone),
            addresses=self._addresses(port) if is_owned else (),
            is_owned=is_owned,
        )
        self._hypervisor.attach(instance.id, nic)
        return Interface(
            net_id=port.network_id,
            port_id=port.id,
            fixed_ips=[
                {key: ip[key] for key in ("subnet_id", "ip_address")}
                for ip in port.fixed_ips
            ],
        )

    def _addresses(self, port: typing.Any) -> tuple[str, ...]:
        found = []
        for fixed_ip in port.fixed_ips:
            subnet = self._network.get_subnet(fixed_ip["subnet_id"])
            length = subnet.cidr.rpartition("/")[2]
            found.append(f"{fixed_ip['ip_address']}/{length}")
        return tuple(found)

    def _delete(self, compute_id: str) -> None:
        try:
            instance = self._hypervisor.get(compute_id)
        except hypervisor.InstanceNotFound:
            LOG.warning("Instance %s is gone already", compute_id)
            return
        # Its ports first: they are known as long as the instance is.
        self._hypervisor.kill(compute_id)
        for nic in instance.nics:
            self._free(nic)
        for port in self._network.ports(device_id=compute_id):
            self._network.delete_port(port.id, ignore_missing=True)
        self._hypervisor.delete(compute_id)

    def _discard(self, instance_id: str) -> None:
        """Clean up after a failed build, as far as possible."""
        try:
            self._delete(instance_id)
        except Exception:
            LOG.exception("Instance %s left behind", instance_id)

    def _free(self, nic: machine.Nic) -> None:
        if nic.is_owned:
            self._network.delete_port(nic.port_id, ignore_missing=True)
        else:
            self._release(nic.port_id)

    def _release(self, port_id: str) -> None:
        """Give a port back to whoever made it."""
        try:
            self._network.update_port(port_id, device_id="", device_owner="")
        except sdk_exceptions.NotFoundException:
            LOG.debug("Port %s is gone already", port_id)


def _injected(
    files: collections.abc.Mapping[str, FileContent],
) -> dict[str, bytes]:
    """The files of a configuration drive, within Nova's limits.

    :raises ValueError: too many, or one is too large.
    """
    if len(files) > FILES_LIMIT:
        raise ValueError(f"{len(files)} files: Nova allows {FILES_LIMIT}")
    found = {}
    for path, given in files.items():
        content = given if isinstance(given, str | bytes) else given.read()
        data = content.encode() if isinstance(content, str) else content
        if len(data) > FILE_BYTES_LIMIT:
            raise ValueError(f"{path}: {len(data)} bytes, Nova allows 10 KiB")
        found[path] = data
    return found


def _made_at(disk: pathlib.Path) -> datetime.datetime | None:
    """When a disk was made; nothing is put beside its parts later."""
    try:
        seconds = disk.stat().st_mtime
    except FileNotFoundError:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _management_address(
    instance: machine.Instance, management_network_id: str | None
) -> str | None:
    networks = (
        [management_network_id]
        if management_network_id
        else CONF.controller_worker.amp_boot_network_list
    )
    for nic in instance.nics:
        if nic.addresses and (not networks or nic.network_id in networks):
            return nic.addresses[0].partition("/")[0]
    return None
