# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Glance with a file store, and placement: their files, their processes."""

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud.service import Service
from octavia_anycast_lab.vm import settings

PLACEMENT = "placement"
GLANCE = "glance"


def configure_placement(plane: deployment.Deployment) -> Service:
    """Write placement's file; returns what to start."""
    place = plane.config_dir / PLACEMENT
    deployment.write_private(
        place / "placement.conf", settings.render(plane, "placement.conf.j2")
    )
    return Service(
        label=PLACEMENT,
        application="placement.wsgi.api:application",
        port=settings.PLACEMENT_PORT,
        program="placement-api",
        environment={"OS_PLACEMENT_CONFIG_DIR": str(place)},
        threads=4,
    )


def configure_glance(plane: deployment.Deployment) -> Service:
    """Write Glance's file; returns what to start."""
    place = plane.config_dir / GLANCE
    for store in ("images", "staging", "tasks"):
        folder = settings.home(plane.lab) / GLANCE / store
        folder.mkdir(parents=True, exist_ok=True)
    deployment.write_private(
        place / "glance-api.conf", settings.render(plane, "glance-api.conf.j2")
    )
    return Service(
        label=GLANCE,
        application="glance.wsgi.api:application",
        port=settings.GLANCE_PORT,
        program="glance-api",
        environment={"OS_GLANCE_CONFIG_DIR": str(place)},
        threads=4,
    )
