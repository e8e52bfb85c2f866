# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Bring the lab of virtual machines up, or a running one back to health.

MariaDB -> schemas, RabbitMQ -> all APIs, conductor, scheduler
        -> identity, networks
        -> hypervisors: bridges, libvirtd, L2 agent, nova-compute
        -> flavors, image, zones -> controller
"""

import itertools
import os
import shutil
from pathlib import Path

from octavia_anycast_lab import deployment
from octavia_anycast_lab import settings as lab_settings
from octavia_anycast_lab import up as lab_up
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cloud import control_plane
from octavia_anycast_lab.cloud.service import Service
from octavia_anycast_lab.host import process
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.registry import Registry
from octavia_anycast_lab.vm import settings
from octavia_anycast_lab.vm.api import image
from octavia_anycast_lab.vm.cloud import (
    kind,
    nova,
    rabbitmq,
    resources,
    schemas,
)
from octavia_anycast_lab.vm.compute import libvirtd, nova_compute
from octavia_anycast_lab.vm.network import agent, nft, racks

PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "virsh": "libvirt-clients",
    libvirtd.PROGRAM: "libvirt-daemon-system",
    rabbitmq.PROGRAM: "rabbitmq-server",
    "ssh-keygen": "openssh-client",
    "genisoimage": "genisoimage",
}
_SEED_MODULE = "octavia_anycast_lab.vm.api.seed"
_SEED_COMPUTE_MODULE = "octavia_anycast_lab.vm.api.seed_compute"


def require_machine() -> None:
    """See, before anything is touched, that this lab can be made here.

    :raises NotPossibleError: not root, or a program is missing.
    :raises ImageMissingError: there is no amphora image.
    """
    lab_up.require_machine()
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = {
        package
        for program, package in PROGRAMS.items()
        if shutil.which(program, path=path) is None
    }
    if missing:
        raise lab_up.NotPossibleError(
            f"Debian packages are missing: {' '.join(sorted(missing))} "
            "(`make vm-packages` installs them). Nothing was changed."
        )
    if not deployment.is_importable("nova"):
        raise lab_up.NotPossibleError(
            "Nova is not in this Python environment: `make vm-up` makes the "
            "one that has it. Nothing was changed."
        )
    if not nft.is_possible():
        raise lab_up.NotPossibleError(f"{nft.LACK} Nothing was changed.")
    image.require()


def up(lab: lab_settings.Lab, progress: Progress) -> deployment.Deployment:
    """Bring the whole lab up; on a healthy lab this changes nothing.

    :raises NotPossibleError: the machine lacks something.
    :raises ImageMissingError: there is no amphora image.
    :raises lock.BusyError: another command works on this lab.
    """
    require_machine()
    plane = lab_up.up(lab, progress, with_image=False, addition=ADDITION)
    with progress.step("a distributor, the default one"):
        distributors.ensure_default(rest.Api(plane=plane))
    return plane


def configure(plane: deployment.Deployment) -> tuple[Service, ...]:
    """Write what makes this lab one of virtual machines."""
    kind.configure(plane)
    return (
        resources.configure_placement(plane),
        resources.configure_glance(plane),
        nova.configure(plane),
    )


def labels() -> tuple[str, ...]:
    """The processes of this lab that are no API, as the registry has them."""
    of_racks = (
        (
            libvirtd.label(hypervisor),
            agent.label(hypervisor.rack),
            nova_compute.label(hypervisor),
        )
        for hypervisor in settings.HYPERVISORS
    )
    return (rabbitmq.LABEL, *nova.DAEMONS, *itertools.chain(*of_racks))


def _prepare(
    plane: deployment.Deployment, registry: Registry, progress: Progress
) -> None:
    rabbitmq.start(plane, registry)
    with progress.step("Nova's schemas, and placement's and Glance's"):
        schemas.prepare(plane, progress.note)
    with progress.step("RabbitMQ listens"):
        rabbitmq.await_listening(plane, registry)


def _complete(
    plane: deployment.Deployment, registry: Registry, progress: Progress
) -> None:
    with progress.step("hypervisors: bridges, libvirt, nova-compute"):
        nova.start_daemons(plane, registry)
        racks.up(plane.lab, registry)
        agent.start(plane.lab, registry)
        for hypervisor in settings.HYPERVISORS:
            if libvirtd.start(plane, registry, hypervisor):
                # It sees what its libvirtd saw, and waits for that one.
                process.stop(registry, nova_compute.label(hypervisor))
            nova_compute.start(plane, registry, hypervisor)
    if not _seeded(plane).exists():
        with progress.step("flavors, image, availability zones"):
            control_plane.await_seed(
                plane, control_plane.begin_seed(plane, _SEED_COMPUTE_MODULE)
            )
        _seeded(plane).touch()
    with progress.step("every process of Nova's lives"):
        dead = [n for n in labels() if not process.is_alive(registry, n)]
        if dead:
            raise process.ProcessError(f"ended: {', '.join(dead)}")


def _seeded(plane: deployment.Deployment) -> Path:
    return plane.state_dir / "vm-seeded"


ADDITION = control_plane.Addition(
    configure=configure,
    prepare=_prepare,
    complete=_complete,
    seed_module=_SEED_MODULE,
)
