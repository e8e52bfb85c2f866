# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Neutron as IPAM, ports and security groups: no agents, no message bus."""

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud.service import Service


def configure(plane: deployment.Deployment) -> Service:
    """Write Neutron's file; returns what to start."""
    (plane.state_dir / "neutron" / "lock").mkdir(parents=True, exist_ok=True)
    deployment.write_private(
        plane.config_dir / "neutron.conf",
        deployment.render(plane, "neutron.conf.j2"),
    )
    files = (
        plane.config_dir / "neutron.conf",
        *plane.added_config("neutron"),
    )
    return Service(
        label="neutron",
        application="octavia_anycast_lab.cloud.neutron_api:application",
        port=deployment.NEUTRON_PORT,
        program="neutron-api",
        environment={
            "OS_NEUTRON_CONFIG_DIR": str(plane.config_dir),
            "OS_NEUTRON_CONFIG_FILES": ";".join(
                str(path.relative_to(plane.config_dir)) for path in files
            ),
        },
    )
