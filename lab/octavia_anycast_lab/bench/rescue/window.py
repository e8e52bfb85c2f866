# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The window of failed new requests at a silent loss, with a fast BFD."""

import dataclasses

from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.events import acts, columns, event_run
from octavia_anycast_lab.bench.rescue import standing

BFD = {"min_tx_ms": 50, "min_rx_ms": 50, "multiplier": 3}
_SECONDS = 4.0
_RANK = 0.95
QUESTION = result.Question(
    name="rescue_silent_loss_window_p95",
    unit="s",
    expected="0.15-0.2 s: BFD detects in 0.1-0.15 s, routes move in 20 ms; "
    "the same without flow rescue, which has no part in it",
    target=result.Target(quantity="ours", limit=0.2),
)


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """As often as was asked for, with flow rescue and without."""
    before = result.load()
    costs: dict[bool, list[event_run.Cost]] = {True: [], False: []}
    with standing.standing(lab, columns.Peering.FRONT_END, BFD) as cluster:
        for _ in range(lab.runs):
            for is_on, found in costs.items():
                cluster.settle()
                standing.switch(lab, cluster.balancer, is_on=is_on)
                cost = event_run.measure(cluster, acts.silence, _SECONDS)
                word = "with" if is_on else "without"
                lab.say(f"window {word}: {cost.window_seconds:.3f} s")
                found.append(cost)
    run = result.Run(
        ours=_p95(costs[True]),
        peer=_p95(costs[False]),
        detail={
            "on": [dataclasses.asdict(cost) for cost in costs[True]],
            "off": [dataclasses.asdict(cost) for cost in costs[False]],
        },
    )
    return (QUESTION.answer([run], before),)


def _p95(costs: list[event_run.Cost]) -> float:
    return result.quantile([cost.window_seconds for cost in costs], _RANK)
