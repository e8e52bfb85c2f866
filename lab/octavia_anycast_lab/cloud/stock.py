# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Stock Octavia beside ours: API and worker, and the health manager.

The peer of ``make bench``, and the proof that both live on one database:
unmodified, same drivers for network and compute, its own API port and
heartbeat port, its own amphora image (Octavia's agent alone).
"""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import octavia_api, service
from octavia_anycast_lab.host import process
from octavia_anycast_lab.registry import Registry

API_LABEL = "stock-octavia"
HEALTH_LABEL = "stock-health-manager"
CLOUD = "stock"
IMAGE_TAG = "amphora-stock"
PROVIDER = "amphora"


def configure(plane: deployment.Deployment, more: str = "") -> service.Service:
    """Write what differs from our octavia.conf; returns the API to start.

    ``more``: further sections of octavia.conf, which win.
    """
    differences = plane.config_dir / "octavia-stock.conf"
    deployment.write_private(
        differences,
        "[api_settings]\n"
        f"default_provider_driver = {PROVIDER}\n"
        f"api_base_uri = {plane.stock_url}\n"
        "[controller_worker]\n"
        f"amp_image_tag = {IMAGE_TAG}\n"
        f"{more}",
    )
    return dataclasses.replace(
        octavia_api.configure(plane),
        label=API_LABEL,
        application="octavia_anycast_lab.cloud.stock_application:application",
        port=deployment.STOCK_OCTAVIA_PORT,
        arguments=tuple(_config_arguments(plane)),
    )


def start(
    plane: deployment.Deployment, registry: Registry, more: str = ""
) -> None:
    """Start both processes and wait until the API answers.

    :raises ServiceError: it did not come up.
    """
    api = configure(plane, more)
    service.start(plane, registry, api)
    if not process.is_alive(registry, HEALTH_LABEL):
        service.clear_remains(plane, registry, HEALTH_LABEL)
        process.spawn(
            registry,
            HEALTH_LABEL,
            [
                str(Path(sys.executable).with_name("octavia-health-manager")),
                *_config_arguments(plane),
            ],
            namespace=plane.namespace,
            env=service.environment(plane),
            log=plane.log(HEALTH_LABEL),
        )
    service.await_answer(plane, registry, api)


def stop(plane: deployment.Deployment, registry: Registry) -> None:
    """Stop both, and the pools which the health manager leaves behind."""
    for label in (API_LABEL, HEALTH_LABEL):
        process.kill(registry, label)
        service.clear_remains(plane, registry, label)
        process.stop(registry, label)


@contextlib.contextmanager
def running(
    plane: deployment.Deployment, registry: Registry, more: str = ""
) -> Iterator[str]:
    """Stock Octavia for the time of a block; gives its endpoint."""
    start(plane, registry, more)
    try:
        yield plane.stock_url
    finally:
        stop(plane, registry)


def _config_arguments(plane: deployment.Deployment) -> list[str]:
    files = (
        *plane.octavia_config_files,
        plane.config_dir / "octavia-stock.conf",
    )
    return [word for path in files for word in ("--config-file", str(path))]
