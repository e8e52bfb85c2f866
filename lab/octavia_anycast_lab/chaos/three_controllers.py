# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Faults of the control plane where there are three of everything (``ha``).

They take the place of those of one controller and one MariaDB; all others are
the same.
"""

import collections.abc
import zlib

from octavia_anycast_lab.chaos.catalog import FAULTS
from octavia_anycast_lab.chaos.fault import Fault, Scene, Step, Toll, quiet
from octavia_anycast_lab.ha import controllers, etcd, galera, nodes
from octavia_anycast_lab.ha.nodes import Node

# They are of one controller, or their cure starts one.
_OF_ONE = frozenset(
    (
        "controller-killed",
        "controller-down",
        "one-of-two-controllers-killed",
        "database-down",
        "api-down",
    )
)
# Longer than locks live: the others have taken over.
_SECONDS = 20.0
_ALARM = quiet("its alerts are tried with one controller")


def faults(files: controllers.Files) -> dict[str, Fault]:
    """Name -> fault, of all that there are with three controllers.

    :param files: what restarts are made with
    """
    others = {n: fault for n, fault in FAULTS.items() if n not in _OF_ONE}
    return others | {fault.name: fault for fault in _of_three(files)}


def _of_three(
    files: controllers.Files,
) -> collections.abc.Iterator[Fault]:
    def heal(scene: Scene) -> None:
        controllers.heal(scene.plane, scene.registry, files)

    for name, inject in (
        ("controller-killed", _kill_controller),
        ("controller-paused", _pause_controller),
        ("galera-node-killed", _kill_galera_node),
        ("etcd-leader-killed", _kill_etcd_leader),
        ("etcd-without-quorum", _kill_two_of_etcd),
        ("node-split-off", _split_off),
    ):
        yield _fault(f"{name}-of-three", inject, heal)


def _fault(name: str, inject: Step, heal: Step) -> Fault:
    return Fault(
        name=name,
        inject=inject,
        heal=heal,
        toll=Toll.NOTHING,
        alarm=_ALARM,
        seconds=_SECONDS,
    )


def _node(scene: Scene) -> Node:
    """One of the three; another one for another victim."""
    made = nodes.of(scene.lab)
    return made[zlib.crc32(scene.victim.id.encode()) % len(made)]


def _kill_controller(scene: Scene) -> None:
    controllers.kill(_node(scene), scene.registry)


def _pause_controller(scene: Scene) -> None:
    controllers.pause(_node(scene), scene.registry)


def _kill_galera_node(scene: Scene) -> None:
    galera.kill(_node(scene), scene.registry)


def _kill_etcd_leader(scene: Scene) -> None:
    etcd.kill(etcd.await_leader(nodes.of(scene.lab)), scene.registry)


def _kill_two_of_etcd(scene: Scene) -> None:
    for node in nodes.of(scene.lab)[:2]:
        etcd.kill(node, scene.registry)


def _split_off(scene: Scene) -> None:
    nodes.split_off(_node(scene))
