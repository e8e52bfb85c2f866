# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the tests of three nodes share."""

import os

import guide_shell
import pytest
from guide_shell import guide_blocks
from octavia_anycast_lab.ha import controllers, galera, printed
from octavia_anycast_lab.ha.nodes import Node

GUIDE = guide_shell.ROOT / "doc/source/operator/high-availability.rst"
SCHEMA = "octavia"
SECONDS = 60.0
# Minutes, not seconds: `make test-ha` sets it.
long_only = pytest.mark.skipif(
    not os.environ.get("OA_HA"), reason="make test-ha runs it"
)


def url(node: Node) -> str:
    """Our tables on one node of Galera."""
    return galera.local_connection(node, SCHEMA)


def files() -> controllers.Files:
    """The files of the operator guide, as printed, on each node."""
    return controllers.Files(
        etcd=_file("ETCD_NAME="),
        galera=_file("wsrep_on"),
        octavia=_file("coordination_url"),
    )


def _file(word: str) -> controllers.Configuration:
    """The block of the guide that has this word in it."""
    (text,) = (
        block.text
        for block in guide_blocks.blocks(GUIDE, guide_shell.ROOT)
        if word in block.text
    )
    return lambda node: printed.on(node, text)
