# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Links of the victim: without carrier, swallowing, or one way only."""

import collections.abc
import json

from octavia_anycast_lab import faults, settings
from octavia_anycast_lab.amphora import hypervisor
from octavia_anycast_lab.chaos.fault import Scene
from octavia_anycast_lab.host import netns, process

FRONT = settings.FRONT_END_BRIDGE
MANAGEMENT = settings.MGMT_BRIDGE
_TABLE = "lab_one_way"
_CARRIER_SECONDS = 5.0


def _ports(scene: Scene, bridges: tuple[str, ...]) -> list[tuple[str, str]]:
    """Pairs (role, port of a bridge) of the victim's links to these."""
    prefix = scene.lab.namespace_prefix
    return [
        (nic.wire.namespace.removeprefix(prefix), nic.tap)
        for nic in scene.machines.get(scene.victim.id).nics
        if nic.wire.bridge in bridges
    ]


def take_down(bridges: tuple[str, ...], scene: Scene) -> None:
    """Take the carrier away."""
    for role, port in _ports(scene, bridges):
        faults.link_down(scene.lab, role, port)


def bring_up(bridges: tuple[str, ...], scene: Scene) -> None:
    """And give it back."""
    _mend(bridges, scene, faults.link_up)


def _mend(
    bridges: tuple[str, ...],
    scene: Scene,
    step: collections.abc.Callable[[settings.Lab, str, str], None],
) -> None:
    """Do that to each of the victim's ports; it may go meanwhile.

    Its ports go first, and what says that it was there goes last.
    """
    try:
        ports = _ports(scene, bridges)
    except hypervisor.InstanceNotFound:
        return
    for role, port in ports:
        try:
            step(scene.lab, role, port)
        except (netns.NamespaceError, TimeoutError):
            if _flags(scene.lab, role, port) is not None:
                raise


def _flags(lab: settings.Lab, role: str, port: str) -> set[str] | None:
    """The kernel's of an interface, such as UP; None if there is none."""
    done = netns.run(
        lab.namespace(role), ["ip", "-j", "link", "show", port], check=False
    )
    if done.returncode:
        return None
    return set(json.loads(done.stdout)[0]["flags"])


def silence(bridges: tuple[str, ...], scene: Scene) -> None:
    """Both ways, carrier kept; one without carrier is silent as it is."""
    for role, port in _ports(scene, bridges):
        if "UP" in (_flags(scene.lab, role, port) or {"UP"}):
            faults.silence_bridge_port(scene.lab, role, port)


def end_silence(bridges: tuple[str, ...], scene: Scene) -> None:
    """Forward again, whatever else was done to it."""
    _mend(bridges, scene, faults.link_up)
    _mend(bridges, scene, _forward)


def _forward(lab: settings.Lab, role: str, port: str) -> None:
    """The kernel takes no state of a port until its carrier was seen."""

    def is_done() -> bool:
        try:
            faults.end_bridge_port_silence(lab, role, port)
        except netns.NamespaceError:
            return False
        return True

    process.wait_until(is_done, _CARRIER_SECONDS, f"{port} forwards")


def drop_one_way(hook: str, match: str, scene: Scene) -> None:
    """Drop the front end's frames in one direction, in the leaf."""
    for role, port in _ports(scene, (FRONT,)):
        rules = f"""
        table bridge {_TABLE} {{
          chain one_way {{
            type filter hook {hook} priority 0; policy accept;
            {match} "{port}" drop
          }}
        }}
        """
        netns.run(scene.lab.namespace(role), ["nft", "-f", "-"], stdin=rules)


def pass_both_ways(scene: Scene) -> None:
    """End what ``drop_one_way`` began."""
    netns.run(
        scene.lab.namespace(scene.leaf),
        ["nft", "delete", "table", "bridge", _TABLE],
        check=False,
    )
