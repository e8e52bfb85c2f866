# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-controller`` in the lab's control namespace.

Supervised: killed, it comes back within a second, as under systemd. There
is one; ``second_controller`` starts another one beside it, and ``ha`` three on
nodes of their own.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import service
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.registry import Registry

LABEL = "controller"
SCRIPT = "octavia-anycast-controller"
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Another:
    """A controller beside the first one.

    ``configuration``: what its octavia.conf says beyond, or instead of, what
    the first one's says. ``namespace``: None: the control namespace.
    """

    label: str
    configuration: str
    heartbeat_port: int
    namespace: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def is_installed() -> bool:
    """Whether the distribution with the controller is in this venv."""
    return _script() is not None


def start(
    plane: deployment.Deployment,
    registry: Registry,
    also: Sequence[Path] = (),
    label: str = LABEL,
    namespace: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start it under its supervisor, unless that runs.

    ``also``: further configuration files, which win. ``label``: which one.
    ``namespace``: where, if not in the control namespace. ``environment``:
    variables beyond those of all services.
    """
    if process.is_alive(registry, label):
        return
    (plane.state_dir / "coordination").mkdir(parents=True, exist_ok=True)
    service.clear_remains(plane, registry, label)
    process.spawn(
        registry,
        label,
        [
            *(sys.executable, "-m", "octavia_anycast_lab.host.supervise"),
            str(_script()),
            *config_arguments(plane),
            *(word for path in also for word in ("--config-file", str(path))),
        ],
        namespace=namespace or plane.namespace,
        env={**service.environment(plane), **(environment or {})},
        log=plane.log(label),
    )


def start_beside(
    plane: deployment.Deployment, registry: Registry, another: Another
) -> None:
    """Start another controller, unless it runs; wait until it takes part."""
    configuration = plane.config_dir / f"{another.label}.conf"
    deployment.write_private(configuration, another.configuration)
    namespace = another.namespace or plane.namespace
    start(
        plane,
        registry,
        (configuration,),
        another.label,
        namespace,
        another.environment,
    )
    process.wait_until(
        # It listens once it has joined the group.
        lambda: netns.listens(namespace, another.heartbeat_port, "udp"),
        _START_SECONDS,
        another.label,
    )


def stop(registry: Registry, label: str = LABEL) -> None:
    """Stop the controller and its supervisor; amphorae go on serving."""
    process.stop(registry, label, 20.0)


def kill(registry: Registry, label: str = LABEL) -> None:
    """Kill both at once: nobody starts it again."""
    process.kill(registry, label)


def pid_of(registry: Registry, label: str = LABEL) -> int | None:
    """The controller itself, not its supervisor; None between two lives."""
    supervisor = process.pid_of(registry, label)
    if supervisor is None:
        return None
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children")
    pids = children.read_text().split()
    return int(pids[0]) if pids else None


def config_arguments(plane: deployment.Deployment) -> list[str]:
    """Which files the controller reads."""
    return [
        argument
        for path in plane.octavia_config_files
        if path.exists()
        for argument in ("--config-file", os.fspath(path))
    ]


def _script() -> Path | None:
    return deployment.installed_script(
        SCRIPT, "octavia_anycast.cmd.controller"
    )
