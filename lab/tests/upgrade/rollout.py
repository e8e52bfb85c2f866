# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How controllers of the last release give way to those of this one.

    One      a new one beside the old one, on one host with one MariaDB
    Three    node after node, with etcd and Galera on each

Old and new work side by side meanwhile, and each is killed in a change once:
another one, of the other release, ends it.
"""

import dataclasses
import typing
from collections.abc import Callable, Mapping

import three_nodes
from cluster_bench import Balancer, Bench
from octavia_anycast_lab.cloud import (
    control_plane,
    controller,
    second_controller,
)
from octavia_anycast_lab.ha import controllers
from octavia_anycast_lab.ha.nodes import Node

BESIDE_CHANGES = 3
Change = Callable[[Callable[[], None]], None]


def nothing() -> None:
    """Do nothing meanwhile."""


class Rollout(typing.Protocol):
    """What the story of an upgrade asks for."""

    def prepare(self) -> None:
        """Have the controllers of the last release, as they are to be."""

    def side_by_side(self, change: Change) -> None:
        """Change a load balancer under old and new ones."""

    def finish(self) -> None:
        """Leave new ones only."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """One controller; a second one of now stands beside it for a while."""

    bench: Bench

    def prepare(self) -> None:
        """It runs already."""

    def side_by_side(self, change: Change) -> None:
        bench = self.bench
        for label in (second_controller.LABEL, controller.LABEL):
            second_controller.start(bench.plane, bench.registry)
            for _ in range(BESIDE_CHANGES):
                change(nothing)

            def kill(label: str = label) -> None:
                controller.kill(bench.registry, label)

            change(kill)

    def finish(self) -> None:
        bench = self.bench
        controller.stop(bench.registry)
        control_plane.configure(bench.plane)
        controller.start(bench.plane, bench.registry)
        second_controller.stop(bench.registry)


class Three:
    """Three controllers, with the files that the operator guide prints.

    ``released``: variables with which a controller is of the last release.
    """

    def __init__(
        self, bench: Bench, balancer: Balancer, released: Mapping[str, str]
    ) -> None:
        self._bench = bench
        self._balancer = balancer
        self._released = released
        self._nodes: tuple[Node, ...] = ()

    def prepare(self) -> None:
        self._nodes = three_nodes.convert(
            self._bench, self._balancer, self._released
        )

    def side_by_side(self, change: Change) -> None:
        """One new beside two old, then two new beside one old."""
        registry = self._bench.registry
        control_plane.configure(self._bench.plane)
        first, second, third = self._nodes
        for node, victim in ((first, second), (second, first)):
            self._renew(node)
            for _ in range(BESIDE_CHANGES):
                change(nothing)
            change(lambda victim=victim: controllers.kill(victim, registry))
            is_old = victim is second
            self._start(victim, self._released if is_old else {})
        # Both new ones are gone: the last old one has to do it alone.
        for node in (first, second):
            controllers.kill(node, registry)
        change(nothing)
        for node in (first, second):
            self._start(node, {})
        change(lambda: controllers.kill(third, registry))

    def finish(self) -> None:
        self._renew(self._nodes[-1])

    def _renew(self, node: Node) -> None:
        controllers.stop(node, self._bench.registry)
        self._start(node, {})

    def _start(self, node: Node, environment: Mapping[str, str]) -> None:
        controllers.start(
            self._bench.plane,
            self._bench.registry,
            node,
            three_nodes.files(),
            environment,
        )
