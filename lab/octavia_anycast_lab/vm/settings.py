# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Names, addresses and places of the lab of virtual machines; no I/O.

Everything else is as in the lab of containers: ``octavia_anycast_lab
.settings``.
"""

import dataclasses
import ipaddress
import os
import pathlib

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.amphora import machine

DEFAULT_LAB = "oavm"
LAB_ENVIRONMENT = "OA_VM_LAB"
NOVA_PORT = 8774
PLACEMENT_PORT = 8778
GLANCE_PORT = 9292
RABBIT_PORT = 5672

FLAVOR = "amphora"
# Too small for HAProxy and the agents: a boot that cannot end well.
SMALL_FLAVOR = "anycast-tiny"
IMAGE_TAG = "amphora"
KEY_NAME = "amphora"
GUEST_USER = "debian"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Hypervisor:
    """The compute host of a rack: a network namespace with its bridges."""

    rack: str
    index: int

    @property
    def role(self) -> str:
        """Its namespace is that of this role: ``hv1`` for ``rack1``."""
        return f"hv{self.index}"

    @property
    def host(self) -> str:
        """Its name, for the system and for Nova."""
        return settings.hosts(self.rack)[0]

    @property
    def address(self) -> settings.Interface:
        """Its address in the management network."""
        return ipaddress.ip_interface(f"172.31.0.{100 + self.index}/22")


HYPERVISORS = tuple(
    Hypervisor(rack=str(leaf.rack), index=leaf.index)
    for leaf in settings.RACK_LEAVES
)


def hypervisor(rack: str) -> Hypervisor:
    """The compute host of a rack.

    :raises KeyError: there is none.
    """
    for found in HYPERVISORS:
        if found.rack == rack:
            return found
    raise KeyError(rack)


def lab(name: str | None = None) -> settings.Lab:
    """The lab named, else the one of ``OA_VM_LAB``, else the default."""
    return settings.Lab(
        name=name or os.environ.get(LAB_ENVIRONMENT, DEFAULT_LAB)
    )


def home(of: settings.Lab) -> pathlib.Path:
    """Images, disks and state, which are too large for the run_dir."""
    return machine.disks(of.name)


def place(of: settings.Lab, hypervisor: Hypervisor) -> pathlib.Path:
    """What one hypervisor keeps."""
    return home(of) / hypervisor.role


def guest_key(plane: deployment.Deployment) -> pathlib.Path:
    """The private key with which an operator logs into an amphora."""
    return plane.config_dir / "amphora-key"


def compute_url(plane: deployment.Deployment) -> str:
    """Nova."""
    return f"http://{plane.address}:{NOVA_PORT}/v2.1"


def placement_url(plane: deployment.Deployment) -> str:
    """Placement."""
    return f"http://{plane.address}:{PLACEMENT_PORT}"


def image_url(plane: deployment.Deployment) -> str:
    """Glance."""
    return f"http://{plane.address}:{GLANCE_PORT}"


def render(
    plane: deployment.Deployment, template: str, **context: object
) -> str:
    """Render one template of this package."""
    return deployment.render(
        plane,
        template,
        package="octavia_anycast_lab.vm",
        home=home(plane.lab),
        image_url=image_url(plane),
        rabbit_port=RABBIT_PORT,
        **context,
    )
