# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The files of Neutron and Octavia that make a lab one of this kind."""

from octavia_anycast_lab import deployment
from octavia_anycast_lab.vm import settings
from octavia_anycast_lab.vm.network import signals


def configure(plane: deployment.Deployment) -> None:
    """Write what Neutron and Octavia read after their own files."""
    for name in ("neutron", "octavia"):
        deployment.write_private(
            plane.config_dir / "kind" / f"{name}.conf",
            settings.render(
                plane,
                f"{name}.conf.j2",
                flavor=settings.FLAVOR,
                image_tag=settings.IMAGE_TAG,
                key_name=settings.KEY_NAME,
                signals=signals.directory(plane.lab),
            ),
        )
