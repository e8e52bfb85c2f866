# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Nova without its computes: the API, the conductor, the scheduler."""

import sys
from pathlib import Path

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import service
from octavia_anycast_lab.cloud.service import Service
from octavia_anycast_lab.host import process
from octavia_anycast_lab.registry import Registry
from octavia_anycast_lab.vm import settings

LABEL = "nova-api"
DAEMONS = ("nova-conductor", "nova-scheduler")


def configure(plane: deployment.Deployment) -> Service:
    """Write the file of all that has the database; returns the API."""
    (settings.home(plane.lab) / "nova" / "lock").mkdir(
        parents=True, exist_ok=True
    )
    deployment.write_private(
        plane.config_dir / "nova.conf",
        settings.render(plane, "nova.conf.j2", hypervisor=None),
    )
    paste = f"{sys.prefix}/etc/nova/api-paste.ini"
    return Service(
        label=LABEL,
        application="nova.wsgi.osapi_compute:application",
        port=settings.NOVA_PORT,
        program="nova-api",
        environment={
            "OS_NOVA_CONFIG_DIR": str(plane.config_dir),
            # The first one is where it looks for its pipelines.
            "OS_NOVA_CONFIG_FILES": f"{paste};nova.conf",
        },
    )


def start_daemons(plane: deployment.Deployment, registry: Registry) -> None:
    """Start the conductor and the scheduler, unless they run."""
    for name in DAEMONS:
        if process.is_alive(registry, name):
            continue
        service.clear_remains(plane, registry, name)
        process.spawn(
            registry,
            name,
            [
                str(Path(sys.executable).with_name(name)),
                *("--config-file", str(plane.config_dir / "nova.conf")),
            ],
            namespace=plane.namespace,
            env=service.environment(plane),
            log=plane.log(name),
        )
