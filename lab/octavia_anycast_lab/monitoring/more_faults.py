# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Faults that cost no client anything, so that no round of chaos makes them.

Alerts alone tell of them.
"""

import ipaddress
import shutil
import sys

from octavia_anycast_lab import deployment, settings
from octavia_anycast_lab.amphora import hypervisor
from octavia_anycast_lab.chaos.fault import (
    Fault,
    Scene,
    Toll,
    nothing,
    raises,
)
from octavia_anycast_lab.host import netns, process

_TABLE = "lab_blocked"
_STRANGER = "stranger"
_AWAY = "groups-away"
# It sends what is no heartbeat, four times a second, until it is stopped.
_SENDING = """
import socket, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    while True:
        sender.sendto(b"no heartbeat", (sys.argv[1], int(sys.argv[2])))
        time.sleep(0.25)
"""


def _drop(namespace: str, match: str) -> None:
    rules = f"""
    table inet {_TABLE} {{
      chain incoming {{
        type filter hook prerouting priority -500; policy accept;
        {match} drop
      }}
    }}
    """
    netns.run(namespace, ["nft", "-f", "-"], stdin=rules)


def _pass(namespace: str) -> None:
    netns.run(
        namespace, ["nft", "delete", "table", "inet", _TABLE], check=False
    )


def _block_heartbeats(scene: Scene) -> None:
    """No heartbeat reaches the controller; all agents answer."""
    port = deployment.ANYCAST_HEARTBEAT_PORT
    _drop(scene.plane.namespace, f"udp dport {port}")


def _pass_heartbeats(scene: Scene) -> None:
    _pass(scene.plane.namespace)


def _block_session(scene: Scene) -> None:
    """The leaf gets nothing more of the victim's BGP session."""
    (address,) = (
        ipaddress.ip_interface(text).ip
        for nic in scene.machines.get(scene.victim.id).nics
        if nic.wire.bridge == settings.MGMT_BRIDGE
        for text in nic.addresses
    )
    leaf = scene.lab.namespace(scene.leaf)
    _drop(leaf, f"ip saddr {address} tcp dport 179")


def _pass_session(scene: Scene) -> None:
    _pass(scene.lab.namespace(scene.leaf))


def _lose_coordination(scene: Scene) -> None:
    """Tooz's directory does not know the group of controllers any more."""
    place = scene.plane.state_dir / "coordination"
    (place / "groups").rename(place / _AWAY)


def _find_coordination(scene: Scene) -> None:
    place = scene.plane.state_dir / "coordination"
    if (place / _AWAY).exists():
        shutil.rmtree(place / "groups", ignore_errors=True)
        (place / _AWAY).rename(place / "groups")


def _send_rubbish(scene: Scene) -> None:
    process.spawn(
        scene.registry,
        _STRANGER,
        [
            *(sys.executable, "-c", _SENDING, scene.plane.address),
            str(deployment.ANYCAST_HEARTBEAT_PORT),
        ],
        namespace=scene.plane.namespace,
        log=scene.plane.log(_STRANGER),
    )


def _end_rubbish(scene: Scene) -> None:
    process.stop(scene.registry, _STRANGER)


def _kill(scene: Scene) -> None:
    scene.machines.kill(scene.victim.id, hypervisor.Loss.POWER)


MORE = {
    fault.name: fault
    for fault in (
        Fault(
            name="heartbeats-blocked",
            inject=_block_heartbeats,
            heal=_pass_heartbeats,
            toll=Toll.NOTHING,
            alarm=raises("AnycastHeartbeatsMissing"),
        ),
        Fault(
            name="session-blocked",
            inject=_block_session,
            heal=_pass_session,
            toll=Toll.ROUTES,
            alarm=raises(
                "AnycastSessionsDown",
                "AnycastClustersDegraded",
                "AnycastDistributorsNotOnline",
            ),
        ),
        Fault(
            name="coordination-down",
            inject=_lose_coordination,
            heal=_find_coordination,
            toll=Toll.NOTHING,
            alarm=raises("AnycastCheckFails"),
        ),
        Fault(
            name="boots-fail",
            inject=_kill,
            # Its replacement is booted once the cloud takes boots again.
            heal=nothing,
            toll=Toll.PACKETS,
            alarm=raises("AnycastBootsFail", is_cloud_full=True),
        ),
        Fault(
            name="strangers-send",
            inject=_send_rubbish,
            heal=_end_rubbish,
            toll=Toll.NOTHING,
            alarm=raises("AnycastHeartbeatsRefused"),
        ),
    )
}
