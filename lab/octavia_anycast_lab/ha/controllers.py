# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A controller on each of the three nodes, with what is on that node.

              node ha1                node ha2                node ha3
        +----------------+      +----------------+      +----------------+
        |  controller    |      |  controller    |      |  controller    |
        |   |        |   |      |   |        |   |      |   |        |   |
        |  etcd   Galera |------|  etcd   Galera |------|  etcd   Galera |
        +----------------+      +----------------+      +----------------+

Heartbeats go to the three in turn. Keystone, Neutron and Octavia's API are in
the control namespace, and use the first node of Galera that is there.
"""

import collections.abc
import contextlib
import dataclasses
import os
import pathlib
import signal

from octavia_anycast_lab import deployment
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.cloud import controller, database
from octavia_anycast_lab.ha import etcd, front, galera, nodes
from octavia_anycast_lab.ha.nodes import Node
from octavia_anycast_lab.host import process

PROGRAM = "controller"
Configuration = collections.abc.Callable[[Node], str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What the files on a node say, beyond what the lab has to."""

    etcd: Configuration
    galera: Configuration
    octavia: Configuration


_STOP_SECONDS = 30.0
_OTHER_CLOCK = "*/faketime/libfaketimeMT.so.1"


def convert(
    plane: deployment.Deployment,
    registry: registry_lib.Registry,
    files: Files,
    environment: collections.abc.Mapping[str, str] | None = None,
) -> tuple[Node, ...]:
    """Make a lab that has one controller and one MariaDB one of three.

    What is in the database is kept. There is no way back but a new lab.

    :param environment: of the controllers, variables beyond those of all
    """
    made = nodes.of(plane.lab)
    nodes.build(plane.lab, registry)
    controller.stop(registry)
    etcd.start(made, registry, files.etcd)
    if not process.is_alive(registry, front.LABEL):
        process.stop(registry, database.LABEL, _STOP_SECONDS)
        galera.start(made, registry, files.galera, plane.database_dir)
        front.start(plane, registry, made)
    for node in made:
        start(plane, registry, node, files, environment)
    return made


def heal(
    plane: deployment.Deployment, registry: registry_lib.Registry, files: Files
) -> None:
    """Have all of it run again, whatever was done to it."""
    made = nodes.of(plane.lab)
    for node in made:
        nodes.rejoin(node)
        for program in (etcd.PROGRAM, galera.PROGRAM):
            with contextlib.suppress(process.ProcessError):
                process.send(registry, node.label(program), signal.SIGCONT)
    etcd.start(made, registry, files.etcd)
    if not any(galera.cluster_size(node) for node in made):
        galera.restart_all(made, registry)
    for node in made:
        galera.restart(node, registry)
    galera.await_synced(made)
    for node in made:
        with contextlib.suppress(process.ProcessError):
            resume(node, registry)
        start(plane, registry, node, files)


def is_any_alive(
    plane: deployment.Deployment, registry: registry_lib.Registry
) -> bool:
    """Whether one of the three runs."""
    return any(
        controller.pid_of(registry, node.label(PROGRAM)) is not None
        for node in nodes.of(plane.lab)
    )


def start(
    plane: deployment.Deployment,
    registry: registry_lib.Registry,
    node: Node,
    files: Files,
    environment: collections.abc.Mapping[str, str] | None = None,
) -> None:
    """Start the controller of a node, unless it runs; wait for it.

    :param environment: variables beyond those of all, see :func:`other_clock`
    """
    metrics = f"\n[anycast]\nmetrics_bind_ip = {node.address}\n"
    another = controller.Another(
        label=node.label(PROGRAM),
        configuration=files.octavia(node) + metrics,
        heartbeat_port=deployment.ANYCAST_HEARTBEAT_PORT,
        namespace=node.namespace,
        environment=environment or {},
    )
    controller.start_beside(plane, registry, another)


def other_clock(seconds: int) -> dict[str, str]:
    """The environment of a process whose clock is so far ahead.

    By libfaketime; what measures how long something takes is left alone.
    """
    (library,) = pathlib.Path("/usr/lib").glob(_OTHER_CLOCK)
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{seconds:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": str(pathlib.Path(__file__).parent / "clock"),
    }


def stop(node: Node, registry: registry_lib.Registry) -> None:
    """Stop the controller of a node; what it is at is finished first."""
    controller.stop(registry, node.label(PROGRAM))


def kill(node: Node, registry: registry_lib.Registry) -> None:
    """Kill it, and what would start it again."""
    controller.kill(registry, node.label(PROGRAM))


def pause(node: Node, registry: registry_lib.Registry) -> None:
    """Stop its process where it is, until :func:`resume`."""
    _signal(node, registry, signal.SIGSTOP)


def resume(node: Node, registry: registry_lib.Registry) -> None:
    """Let a paused one go on."""
    _signal(node, registry, signal.SIGCONT)


def _signal(
    node: Node, registry: registry_lib.Registry, number: signal.Signals
) -> None:
    pid = controller.pid_of(registry, node.label(PROGRAM))
    if pid is None:
        raise process.ProcessError(f"no controller runs on {node.name}")
    os.kill(pid, number)
