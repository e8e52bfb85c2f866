# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Be inside: the control namespace with credentials, a router, an amphora."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.amphora import hypervisor, machine
from octavia_anycast_lab.cloud import controller, service
from octavia_anycast_lab.fabric import frr, topology
from octavia_anycast_lab.host import netns

_GREETING = """\
Lab {name}: this shell is in its control namespace.
  openstack loadbalancer list        # as the operator
  OS_CLOUD=demo openstack ...        # as a tenant
  $MANAGE status                     # octavia-anycast-manage, configured
"""
_MANAGE = "octavia-anycast-manage"


def environment(
    plane: deployment.Deployment, cloud: str = "admin"
) -> Mapping[str, str]:
    """What the unmodified openstack client needs."""
    return {
        **service.clean_environment(),
        "OS_CLIENT_CONFIG_FILE": str(plane.config_dir / "clouds.yaml"),
        "OS_CLOUD": os.environ.get("OS_CLOUD", cloud),
        settings.LAB_ENVIRONMENT: plane.lab.name,
        "MANAGE": " ".join([_MANAGE, *controller.config_arguments(plane)]),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def command_line(
    plane: deployment.Deployment, command: Sequence[str]
) -> list[str]:
    """The command as it runs inside the control namespace."""
    return ["nsenter", f"--net={netns.path(plane.namespace)}", "--", *command]


def enter(plane: deployment.Deployment, command: Sequence[str]) -> None:
    """Become an interactive shell, or the command, there; no return."""
    variables = dict(environment(plane))
    if not command:
        sys.stdout.write(_GREETING.format(name=plane.lab.name))
        sys.stdout.flush()
        variables["debian_chroot"] = f"lab {plane.lab.name}"
        command = ["bash"]
    argv = command_line(plane, command)
    os.execvpe(argv[0], argv, variables)


def enter_place(lab: settings.Lab, word: str, command: Sequence[str]) -> None:
    """Become a shell, or the command, in a node or an amphora; no return.

    In a router ``vtysh`` asks that router.

    :raises LookupError: nothing of the lab is called so.
    """
    if word in topology.ROLES:
        inside = ["nsenter", f"--net={netns.path(lab.namespace(word))}"]
    else:
        machines = hypervisor.Hypervisor(lab)
        instance = machine.named(machines.instances(), word)
        leader = machines.leader(instance)
        if leader is None:
            raise LookupError(f"{instance.label} has no power")
        word = instance.label
        inside = ["nsenter", f"--target={leader}", "--all"]
    argv = [*inside, "--", *(command or ["bash"])]
    os.execvpe(argv[0], argv, _environment_at(lab, word))


def _environment_at(lab: settings.Lab, place: str) -> dict[str, str]:
    variables = {
        **service.clean_environment(),
        "debian_chroot": f"lab {lab.name}: {place}",
    }
    if "TERM" in os.environ:
        variables["TERM"] = os.environ["TERM"]
    if place in topology.ROUTER_NAMES:
        path = f"{frr.commands(lab, place)}:{os.environ['PATH']}"
        variables["PATH"] = path
    return variables
