# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A second controller, on demand, and which of the two is at work.

      controller --- coordination/ --- controller-2
       udp 5556  \\     (tooz)       /  udp 5557
       tcp 9180   \\                /   tcp 9181
                  \\               /
                    MariaDB, agents

Both share the database and tooz's directory. Amphorae that boot meanwhile
send their heartbeats to both in turn; older ones to the first alone. Who is
at work on a load balancer is read from the kernel: it knows which process
holds the lock of which file.
"""

import os
import pathlib
import typing

from octavia_anycast_lab import deployment
from octavia_anycast_lab.cloud import controller
from octavia_anycast_lab.host import process
from octavia_anycast_lab.registry import Registry

LABEL = "controller-2"
LABELS = (controller.LABEL, LABEL)
HEARTBEAT_PORT = deployment.ANYCAST_HEARTBEAT_PORT + 1
METRICS_PORT = deployment.METRICS_PORT + 1
_LOCKS = pathlib.Path("/proc/locks")
_LOCK_PREFIX = "octavia-anycast-"
_LOOK_SECONDS = 0.002


def start(plane: deployment.Deployment, registry: Registry) -> None:
    """Start it, unless it runs, and wait until it takes part."""
    ports = (deployment.ANYCAST_HEARTBEAT_PORT, HEARTBEAT_PORT)
    both = ", ".join(f"{plane.address}:{port}" for port in ports)
    another = controller.Another(
        label=LABEL,
        configuration=(
            f"[anycast]\nheartbeat_bind_port = {HEARTBEAT_PORT}\n"
            f"heartbeat_controllers = {both}\n"
            f"metrics_bind_port = {METRICS_PORT}\n"
        ),
        heartbeat_port=HEARTBEAT_PORT,
    )
    controller.start_beside(plane, registry, another)


def stop(registry: Registry) -> None:
    """Stop it, if it runs; what it was at is finished first."""
    controller.stop(registry, LABEL)


def holder(
    plane: deployment.Deployment, registry: Registry, load_balancer_id: str
) -> str | None:
    """Which of the controllers is at work on a load balancer just now.

    Its label; None if nobody is.
    """
    place = plane.state_dir / "coordination"
    try:
        found = (place / f"{_LOCK_PREFIX}{load_balancer_id}").stat()
    except FileNotFoundError:
        return None
    pids = holders(_LOCKS.read_text(), found.st_dev, found.st_ino)
    for label in LABELS:
        if controller.pid_of(registry, label) in pids:
            return label
    return None


def await_holder(
    plane: deployment.Deployment,
    registry: Registry,
    load_balancer_id: str,
    deadline_seconds: float = 30.0,
) -> str:
    """Wait until one of them is at work on it; its label.

    :raises TimeoutError: none was.
    """
    found: list[str] = []

    def look() -> bool:
        label = holder(plane, registry, load_balancer_id)
        found.extend(filter(None, (label,)))
        return bool(found)

    process.wait_until(
        look,
        deadline_seconds,
        f"a controller at work on {load_balancer_id}",
        _LOOK_SECONDS,
    )
    return found[0]


def holders(locks: str, device: int, inode: int) -> typing.AbstractSet[int]:
    """The processes that hold a lock of a file.

    ``locks``: the content of ``/proc/locks``, see proc(5). Who only waits
    for one (``->``) does not count.
    """
    number = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    rows = (line.split() for line in locks.splitlines())
    return {int(row[4]) for row in rows if row[1] != "->" and row[5] == number}
