# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A file of the operator guide, printed for one host, as another one has it.

The guide prints the lines of its first host. Where a line names one host only,
each host has its own name and address there.
"""

import re

from octavia_anycast_lab.ha.nodes import Node, of

HOSTS = ("192.0.2.11", "192.0.2.12", "192.0.2.13")
_NAME = "node1"
_ADDRESS = re.compile("|".join(re.escape(host) for host in HOSTS))


def on(node: Node, text: str) -> str:
    """A printed file as it is on one node of the lab."""
    return "".join(
        _line(node, line) for line in text.splitlines(keepends=True)
    )


def _line(node: Node, line: str) -> str:
    if len(set(_ADDRESS.findall(line))) <= 1:
        return _ADDRESS.sub(node.address, line).replace(
            _NAME, f"node{node.number}"
        )
    nodes = dict(zip(HOSTS, of(node.lab), strict=True))
    return _ADDRESS.sub(lambda found: nodes[found[0]].address, line)
