# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A thousand clusters of four: what they cost, who looks after which.

They are made once, and measured as often as was asked for.

One controller with the real database and heartbeats and simulated agents in
its own process (``idle_controller``); and how two controllers divide a
thousand load balancers by tooz, which needs no agent at all.
"""

import contextlib
import dataclasses
import pathlib
import tempfile
import uuid

from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.simulated import (
    idle,
)
from octavia_anycast_lab.cloud import controller

COUNT = 1000
CONTROLLERS = 2
LOAD = idle.Load(
    count=COUNT,
    size=4,
    seconds=60.0,
    heartbeat_seconds=10,
    limit_seconds=1800.0,
    loses_one=True,
    are_copies=True,
)
CPU = result.Question(
    name="thousand_clusters_cpu",
    unit="share of one core",
    expected="0.17-0.25: 6 looks a second of 17-21 ms and what threads cost, "
    "400 heartbeats, polls",
    target=result.Target(quantity="ours", limit=0.25),
)
QUERIES = result.Question(
    name="thousand_clusters_queries",
    unit="queries/s",
    expected="150-180: 13 for each of 6 looks, 20 for each of 3 trees, a few "
    "for each half second of heartbeats and each poll",
    target=result.Target(quantity="ours", limit=250),
)
NOTICED = result.Question(
    name="thousand_clusters_dead_one_noticed",
    unit="s",
    expected="15-20: a heartbeat is late by 1.3 of 10 s, and dead_after",
    target=result.Target(quantity="ours", limit=18),
)
BEGUN = result.Question(
    name="thousand_clusters_change_begun_p95",
    unit="s",
    expected="0.3-0.7: up to a poll of 0.5 s, and a look",
    target=result.Target(quantity="ours", limit=1.0),
)
LOST = result.Question(
    name="thousand_clusters_heartbeats_lost",
    unit="datagrams",
    expected="0: a batch each half second, a buffer of 4 MiB",
    target=result.Target(quantity="ours", limit=0),
)
MEMORY = result.Question(
    name="thousand_clusters_memory",
    unit="MB",
    expected="350-450: 200 of Octavia, the last reports of 4,000, and the "
    "simulated amphorae, which are in the same process",
    target=result.Target(quantity="ours", limit=600),
)
SHARES = result.Question(
    name="two_controllers_largest_share_over_mean",
    unit="ratio",
    expected="1.02-1.06: a hash ring with 1,024 points for each member",
    target=result.Target(quantity="ours", limit=1.1),
)


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """The division first: it takes a second, the rest minutes."""
    before = result.load()
    shares = SHARES.answer(
        [divide(CONTROLLERS) for _ in range(lab.runs)], before
    )
    lab.say(f"two controllers: largest share {shares.ours:.3f} of the mean")
    controller.stop(lab.registry)
    try:
        found = idle.under(lab, dataclasses.replace(LOAD, runs=lab.runs))
    finally:
        controller.start(lab.plane, lab.registry)
    for run in found:
        run["begun_p95_seconds"] = result.quantile(
            run["changes"]["begun"], 0.95
        )
    figures = (
        (CPU, "cpu_share"),
        (QUERIES, "queries_per_second"),
        (NOTICED, "noticed_after_seconds"),
        (BEGUN, "begun_p95_seconds"),
        (LOST, "heartbeats_lost"),
        (MEMORY, "memory_mb"),
    )
    return (
        shares,
        *(
            question.answer(
                [result.Run(ours=run[key], detail=run) for run in found],
                before,
            )
            for question, key in figures
        ),
    )


def divide(controllers: int) -> result.Run:
    """New controllers, new load balancers: largest share over the mean."""
    ids = [str(uuid.uuid4()) for _ in range(COUNT)]
    with contextlib.ExitStack() as joined:
        home = pathlib.Path(
            joined.enter_context(tempfile.TemporaryDirectory())
        )
        members = [
            Coordination(f"file://{home}/coordination")
            for _ in range(controllers)
        ]
        for member in members:
            member.start()
            joined.callback(member.stop)
        for member in members:
            member.refresh()
        owned = [sum(map(member.owns, ids)) for member in members]
    if sum(owned) != COUNT:
        raise RuntimeError(f"{owned} do not make {COUNT}")
    return result.Run(
        ours=max(owned) * controllers / COUNT, detail={"owned": owned}
    )
