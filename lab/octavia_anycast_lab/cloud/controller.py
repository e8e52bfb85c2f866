# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-controller`` in the lab's control namespace.

Supervised: killed, it comes back within a second, as under systemd. There
is one; ``second_controller`` starts another one beside it.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import service
from octavia_anycast_lab.host import process
from octavia_anycast_lab.registry import Registry

LABEL = "controller"
SCRIPT = "octavia-anycast-controller"


def is_installed() -> bool:
    """Whether the distribution with the controller is in this venv."""
    return _script() is not None


def start(
    plane: deployment.Deployment,
    registry: Registry,
    also: Sequence[Path] = (),
    label: str = LABEL,
) -> None:
    """Start it under its supervisor, unless that runs.

    ``also``: further configuration files, which win. ``label``: which one.
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
        namespace=plane.namespace,
        env=service.environment(plane),
        log=plane.log(label),
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
