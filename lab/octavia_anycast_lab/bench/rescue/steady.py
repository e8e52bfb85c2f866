# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What flow rescue costs while nothing changes: wrk with it and without."""

import collections.abc
import time

from octavia_anycast_lab.bench import result, throughput, world
from octavia_anycast_lab.bench.events import columns
from octavia_anycast_lab.bench.rescue import standing

_SECONDS = 5
# After a switch controller and agents have work, on the same processors.
_REST_SECONDS = 8.0
_NEW = ("--header", "Connection: close")
_TARGET = result.Target(quantity="ratio", limit=0.98, is_upper=False)
QUESTIONS: collections.abc.Mapping[
    result.Question, collections.abc.Sequence[str]
] = {
    result.Question(
        name="rescue_steady_keepalive",
        unit="requests/s",
        expected="ratio 0.98-1: 0.2 us a packet of an own connection",
        target=_TARGET,
    ): (),
    result.Question(
        name="rescue_steady_new",
        unit="connections/s",
        expected="ratio 0.98-1: 0.2 us for a SYN, and no search",
        target=_TARGET,
    ): _NEW,
}


def measure(cluster: columns.Cluster) -> tuple[result.Result, ...]:
    """Both questions in turns; whoever goes first changes."""
    before = result.load()
    cluster.settle()
    turns = [_turn(cluster, turn) for turn in range(cluster.lab.runs)]
    return tuple(
        question.answer([turn[question] for turn in turns], before)
        for question in QUESTIONS
    )


def _turn(
    cluster: columns.Cluster, turn: int
) -> dict[result.Question, result.Run]:
    rates: dict[bool, dict[result.Question, float]] = {}
    for is_on in (True, False) if turn % 2 == 0 else (False, True):
        standing.switch(cluster.lab, cluster.balancer, is_on=is_on)
        time.sleep(_REST_SECONDS)
        rates[is_on] = _rates(cluster.lab, str(cluster.vip))
    runs = {
        question: result.Run(
            ours=rates[True][question], peer=rates[False][question]
        )
        for question in QUESTIONS
    }
    for question, run in runs.items():
        cluster.lab.say(f"{question.name}: {run.ours:.0f}, {run.peer:.0f}")
    return runs


def _rates(lab: world.World, vip: str) -> dict[result.Question, float]:
    throughput.wrk(lab, vip, 1)
    return {
        question: throughput.wrk(lab, vip, _SECONDS, *options)
        for question, options in QUESTIONS.items()
    }
