# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""nova-compute of one rack, beside its libvirtd."""

import sys
from pathlib import Path

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import service
from octavia_anycast_lab.host import process
from octavia_anycast_lab.registry import Registry
from octavia_anycast_lab.vm import settings
from octavia_anycast_lab.vm.compute import libvirtd

PROGRAM = "nova-compute"


def label(hypervisor: settings.Hypervisor) -> str:
    """Its name in the lab's registry."""
    return f"{PROGRAM}-{hypervisor.rack}"


def start(
    plane: deployment.Deployment,
    registry: Registry,
    hypervisor: settings.Hypervisor,
) -> None:
    """Start it unless it runs; does not wait until Nova knows it.

    :raises ProcessError: its libvirtd does not run.
    """
    name = label(hypervisor)
    if process.is_alive(registry, name):
        return
    daemon = process.pid_of(registry, libvirtd.label(hypervisor))
    if daemon is None:
        raise process.ProcessError(
            f"{name}: {libvirtd.label(hypervisor)} does not run"
        )
    service.clear_remains(plane, registry, name)
    config = plane.config_dir / f"nova-{hypervisor.rack}.conf"
    deployment.write_private(
        config,
        settings.render(
            plane, "nova.conf.j2", hypervisor=hypervisor, config_file=config
        ),
    )
    place = settings.place(plane.lab, hypervisor)
    for folder in ("state", "instances", "lock"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    process.spawn(
        registry,
        name,
        [
            *libvirtd.inside(daemon),
            str(Path(sys.executable).with_name(PROGRAM)),
            *("--config-file", str(config)),
        ],
        namespace=plane.lab.namespace(hypervisor.role),
        env=service.environment(plane),
        log=plane.log(name),
    )
