# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How long until a spare announces after another one vanished in silence.

Four amphorae with BIRD serve and a fifth stands by. ACTIVE_STANDBY has
nothing of the kind: its BACKUP serves from then on, and nobody stands by.
"""

import collections.abc
import contextlib
import ipaddress
import itertools
import time

from octavia_anycast_lab import settings
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.events import acts, columns
from octavia_anycast_lab.host import netns, process

QUESTION = result.Question(
    name="spare_joined",
    unit="s",
    expected="0.40-0.45 s: a knock each 0.1 s, 0.2 s of patience, 0.12 s of "
    "a look and a plan, and a call, BIRD and the leaf",
    target=result.Target(quantity="ours", limit=0.5),
)
LOOK_SECONDS = 0.01
_JOIN_SECONDS = 60.0
_READY_SECONDS = 180.0


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Several losses, each once the one that was lost is back."""
    before = result.load()
    runs = []
    with _spared(lab) as cluster:
        for turn in range(lab.runs):
            seconds = _joined(cluster)
            runs.append(result.Run(ours=seconds))
            lab.say(f"run {turn + 1}: the spare joined in {seconds:.2f} s")
    return (QUESTION.answer(runs, before),)


@contextlib.contextmanager
def _spared(lab: world.World) -> collections.abc.Iterator[columns.Cluster]:
    """A cluster of four and a spare, for a block."""
    with columns.distributor(lab) as distributor_id:
        made = lab.create(
            columns.SIZE, "bench-spare", distributor_id=distributor_id
        )
        try:
            lab.await_active(made)
            lab.api.request(
                "PUT",
                rest.LOAD_BALANCER,
                _path(made),
                {"cluster": {"spare_count": 1}},
            )
            yield columns.Cluster(lab=lab, balancer=made)
        finally:
            lab.delete(made)


def _path(balancer: world.LoadBalancer) -> str:
    return f"/v2/lbaas/loadbalancers/{balancer.id}/cluster"


def _joined(cluster: columns.Cluster) -> float:
    """Seconds from the silence of one to the route to another one."""
    _await_ready(cluster)
    act = acts.silence_one(cluster, _serving(cluster))
    before = _next_hops(cluster)
    try:
        act.do()
        began = time.monotonic()
        process.wait_until(
            lambda: bool(_next_hops(cluster) - before),
            _JOIN_SECONDS,
            "the route to the spare",
            LOOK_SECONDS,
        )
        return time.monotonic() - began
    finally:
        act.undo()


def _await_ready(cluster: columns.Cluster) -> None:
    """Wait until four announce and a fifth one could."""

    def is_ready() -> bool:
        shown = _shown(cluster)
        return (
            "1 of 1 spares ready" in shown["reason"]
            and shown["announcing_count"] == columns.SIZE
            and shown["amphora_count"] == columns.SIZE + 1
            and len(_next_hops(cluster)) == columns.SIZE
        )

    process.wait_until(is_ready, _READY_SECONDS, "a spare that is ready", 0.5)


def _shown(cluster: columns.Cluster) -> rest.Body:
    path = _path(cluster.balancer)
    return dict(cluster.lab.api.get(rest.LOAD_BALANCER, path)["cluster"])


def _serving(cluster: columns.Cluster) -> str:
    """The id of an amphora that is no spare."""
    shown = _shown(cluster)["amphorae"]
    return min(str(one["id"]) for one in shown if not one["spare"])


def _next_hops(cluster: columns.Cluster) -> set[settings.Address]:
    """Front ends to which the racks' leaves' kernels send the VIP."""
    return {
        hop
        for leaf in settings.RACK_LEAVES
        for hop in _hops_of(cluster, leaf.name)
        if hop in leaf.gateway_v4.network
    }


def _hops_of(
    cluster: columns.Cluster, leaf: str
) -> collections.abc.Iterator[settings.Address]:
    done = netns.run(
        cluster.lab.lab.namespace(leaf),
        ["ip", "-4", "route", "show", f"{cluster.vip}/32"],
    )
    words = done.stdout.split()
    for before, word in itertools.pairwise(words):
        if before == "via":
            yield ipaddress.ip_address(word)
