# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Be inside the lab's control namespace, with credentials set."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from octavia_anycast_lab import deployment, netns, service, settings

_GREETING = """\
Lab {name}: this shell is in its control namespace.
  openstack loadbalancer list        as the operator
  OS_CLOUD=demo openstack ...        as a tenant
"""


def environment(
    plane: deployment.Deployment, cloud: str = "admin"
) -> Mapping[str, str]:
    """What the unmodified openstack client needs."""
    return {
        **service.clean_environment(),
        "OS_CLIENT_CONFIG_FILE": str(plane.config_dir / "clouds.yaml"),
        "OS_CLOUD": os.environ.get("OS_CLOUD", cloud),
        settings.LAB_ENVIRONMENT: plane.lab.name,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def command_line(
    plane: deployment.Deployment, command: Sequence[str]
) -> list[str]:
    """The command as it runs inside the control namespace."""
    return ["nsenter", f"--net={netns.path(plane.namespace)}", "--", *command]


def enter(plane: deployment.Deployment, command: Sequence[str]) -> None:
    """Become an interactive shell, or the command, inside; no return."""
    variables = dict(environment(plane))
    if not command:
        sys.stdout.write(_GREETING.format(name=plane.lab.name))
        sys.stdout.flush()
        variables["debian_chroot"] = f"lab {plane.lab.name}"
        command = ["bash"]
    argv = command_line(plane, command)
    os.execvpe(argv[0], argv, variables)
