# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""All rows of ``make bench NAME=rescue``, or those of ``ROWS=``."""

import collections.abc
import functools

from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.events import columns
from octavia_anycast_lab.bench.rescue import (
    elsewhere,
    events,
    garbage,
    standing,
    steady,
    window,
)

Measure = collections.abc.Callable[
    [columns.Cluster], tuple[result.Result, ...]
]
# They share a cluster of four.
IN_CLUSTER: collections.abc.Mapping[str, Measure] = {
    **{
        name: functools.partial(events.measure, name=name)
        for name in events.EVENTS
    },
    "steady": steady.measure,
    "garbage": garbage.measure,
}
# They make a cluster of their own.
ALONE: collections.abc.Mapping[
    str,
    collections.abc.Callable[[world.World], tuple[result.Result, ...]],
] = {
    "elsewhere": elsewhere.measure,
    "window": window.measure,
}
ROWS = (*IN_CLUSTER, *ALONE)


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Each row, kept as soon as it is there."""
    wanted = lab.rows or ROWS
    found: list[result.Result] = []

    def keep(results: tuple[result.Result, ...]) -> None:
        result.store(result.RESULTS, results)
        found.extend(results)

    if any(name in wanted for name in IN_CLUSTER):
        with standing.standing(lab) as cluster:
            for name, in_cluster in IN_CLUSTER.items():
                if name in wanted:
                    keep(in_cluster(cluster))
    for name, alone in ALONE.items():
        if name in wanted:
            keep(alone(lab))
    return tuple(found)
