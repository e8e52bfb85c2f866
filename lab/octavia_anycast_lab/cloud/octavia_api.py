# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's API process and the configuration all of Octavia shares."""

import os
from collections.abc import Mapping
from typing import Any

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import pki
from octavia_anycast_lab.cloud.service import Service

OWN_APPLICATION = "octavia_anycast.wsgi.api"
STOCK_APPLICATION = "octavia.wsgi.api"
APPLICATION_ENVIRONMENT = "OA_LAB_OCTAVIA_APPLICATION"
# Amphorae of a load balancer whose flavor names no size.
SIZE_ENVIRONMENT = "OA_LAB_CLUSTER_SIZE"
# Seconds between two looks at a load balancer that needs nothing.
RESYNC_ENVIRONMENT = "OA_LAB_RESYNC_INTERVAL"
COMPUTE_DRIVER = "octavia_anycast_lab"


def configure(plane: deployment.Deployment) -> Service:
    """Write Octavia's files; returns the API process to start."""
    pki.write_authorities(plane)
    (plane.config_dir / "certificate-store").mkdir(exist_ok=True)
    deployment.write_private(
        plane.config_dir / "octavia.conf",
        deployment.render(plane, "octavia.conf.j2", **_choices(plane)),
    )
    files = (
        plane.config_dir / "octavia.conf",
        *plane.added_config("octavia"),
    )
    return Service(
        label="octavia-api",
        application=f"{_application()}:application",
        port=deployment.OCTAVIA_PORT,
        program="octavia-api",
        arguments=tuple(
            word for path in files for word in ("--config-file", str(path))
        ),
    )


def write_networks(
    plane: deployment.Deployment, management: str, security_group: str
) -> None:
    """Write what only Neutron can tell: the ids of the management side."""
    deployment.write_private(
        plane.config_dir / "octavia-networks.conf",
        "[controller_worker]\n"
        f"amp_boot_network_list = {management}\n"
        f"amp_secgroup_list = {security_group}\n",
    )


def has_anycast() -> bool:
    """Whether the provider is installed and can be imported."""
    return deployment.has_entry_point(
        "octavia.api.drivers", "anycast"
    ) and deployment.is_importable("octavia_anycast.provider.driver")


def _application() -> str:
    """Ours, unless a developer asks for Octavia's own."""
    asked = os.environ.get(APPLICATION_ENVIRONMENT)
    if asked:
        return asked
    return (
        OWN_APPLICATION
        if deployment.is_importable(OWN_APPLICATION)
        else STOCK_APPLICATION
    )


def providers() -> dict[str, str]:
    """Name -> description of each provider that is enabled."""
    enabled = {
        "amphora": "Octavia's own amphora driver",
        "octavia": "Deprecated alias of the amphora driver",
    }
    if has_anycast():
        enabled["anycast"] = "Active-active amphorae announced by BGP"
    return enabled


def _choices(plane: deployment.Deployment) -> Mapping[str, Any]:
    """What depends on which parts are installed."""
    compute = (
        COMPUTE_DRIVER
        if deployment.has_entry_point(
            "octavia.compute.drivers", COMPUTE_DRIVER
        )
        and deployment.is_importable("octavia_anycast_lab.amphora.compute")
        else "compute_noop_driver"
    )
    return {
        "providers": ", ".join(f"{k}: {v}" for k, v in providers().items()),
        "default_provider": "anycast" if has_anycast() else "amphora",
        "compute_driver": compute,
        "heartbeat_interval_seconds": deployment.HEARTBEAT_INTERVAL_SECONDS,
        "heartbeat_timeout_seconds": deployment.HEARTBEAT_TIMEOUT_SECONDS,
        "anycast": _anycast_options(plane),
    }


def _anycast_options(plane: deployment.Deployment) -> dict[str, object]:
    """Our own section: a lab shows in seconds what takes minutes elsewhere."""
    heartbeat = f"{plane.address}:{deployment.ANYCAST_HEARTBEAT_PORT}"
    return {
        "coordination_url": f"file://{plane.state_dir}/coordination",
        "heartbeat_bind_ip": plane.address,
        "heartbeat_bind_port": deployment.ANYCAST_HEARTBEAT_PORT,
        "heartbeat_controllers": heartbeat,
        "heartbeat_interval": deployment.HEARTBEAT_INTERVAL_SECONDS,
        "metrics_bind_ip": plane.address,
        "metrics_bind_port": deployment.METRICS_PORT,
        "resync_interval": float(os.environ.get(RESYNC_ENVIRONMENT, "5")),
        "session_patience": 15,
        "picture": True,
        "agent_timeout": 2,
        "dead_after": 6,
        "gate_timeout": 30,
        "boot_timeout": 120,
        "orphan_after": 30,
        "sweep_interval": 10,
        **_default_size(),
    }


def _default_size() -> dict[str, object]:
    """The size that the environment asks for, if it asks for one."""
    asked = os.environ.get(SIZE_ENVIRONMENT)
    return {"cluster_size": int(asked)} if asked else {}
