# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Processes that take the same locks, each by its node's member of etcd."""

import sys
from pathlib import Path

from octavia_anycast_lab.ha import etcd
from octavia_anycast_lab.ha.nodes import Node
from octavia_anycast_lab.host import process

LEASE_SECONDS = 4


class Contenders:
    """Those of one test; what they do is in one history."""

    def __init__(self, lab, history: Path) -> None:
        self._lab = lab
        self.history = history
        self.labels: list[str] = []

    def start(self, node: Node, *options: str) -> str:
        """Start one on a node; returns its label."""
        label = f"contender-{len(self.labels)}"
        self.labels.append(label)
        address = f"etcd3+http://{node.address}:{etcd.CLIENT_PORT}"
        process.spawn(
            self._lab.registry,
            label,
            [
                *(sys.executable, "-W", "ignore", "-m"),
                "octavia_anycast_lab.ha.contender",
                f"{address}?timeout={LEASE_SECONDS}",
                *(str(self.history), *options),
            ],
            namespace=node.namespace,
            log=node.log(label),
        )
        return label

    def send(self, label: str, number: int) -> None:
        """Send one of them a signal."""
        process.send(self._lab.registry, label, number)

    def is_stopped(self, label: str) -> bool:
        """Whether it has stopped itself."""
        pid = process.pid_of(self._lab.registry, label)
        text = Path(f"/proc/{pid}/stat").read_text() if pid else ""
        return text.rpartition(")")[2].split()[:1] == ["T"]

    def end(self) -> None:
        """End all of them."""
        for label in self.labels:
            process.kill(self._lab.registry, label)
