# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the tests of three nodes share."""

import collections.abc
import os

import guide_shell
import pytest
from cluster_bench import Balancer, Bench
from guide_shell import guide_blocks
from octavia_anycast_lab.chaos import two_controllers
from octavia_anycast_lab.chaos.fault import SPEAKERS, Scene
from octavia_anycast_lab.ha import controllers, galera, printed
from octavia_anycast_lab.ha.nodes import Node
from octavia_anycast_lab.host import process

GUIDE = guide_shell.ROOT / "doc/source/operator/high-availability.rst"
SCHEMA = "octavia"
SECONDS = 60.0
LONG_SECONDS = 300.0
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


def convert(
    bench: Bench,
    balancer: Balancer,
    environment: collections.abc.Mapping[str, str] | None = None,
) -> tuple[Node, ...]:
    """Have three controllers in this lab; it does not become another again.

    Amphorae send heartbeats to the controllers that they were made with, so
    the load balancer gets others.

    :param environment: with which the controllers are of the last release
    """
    made = controllers.convert(
        bench.plane, bench.registry, files(), environment
    )
    before = bench.instance_ids(balancer)
    two_controllers.fail_over(scene_of(bench, balancer))
    process.wait_until(
        lambda: not bench.instance_ids(balancer) & before,
        LONG_SECONDS,
        "amphorae that know three controllers",
        0.5,
    )
    if environment:
        bench.await_whole(balancer)  # by code of then nothing is planned here
    else:
        bench.await_converged(balancer)
    return made


def scene_of(bench: Bench, balancer: Balancer) -> Scene:
    """What a failover is asked of."""
    return Scene(
        plane=bench.plane,
        load_balancer_id=balancer.id,
        victim=bench.amphorae(balancer)[0].seen.instance,
        speaker=SPEAKERS["exabgp"],
    )
