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
from octavia_anycast_lab.cli import EXPECTED

Measure = collections.abc.Callable[
    [columns.Cluster], tuple[result.Result, ...]
]
Row = collections.abc.Callable[[], tuple[result.Result, ...]]
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
    """Each row, kept as soon as it is there; one that fails stops no other.

    :raises RuntimeError: a row failed; the results of the others are kept.
    """
    wanted = lab.rows or ROWS
    found: list[result.Result] = []
    failed: list[str] = []

    def run(name: str, row: Row) -> None:
        try:
            results = row()
        except (RuntimeError, *EXPECTED) as error:
            lab.say(f"{name} failed: {error}")
            failed.append(name)
        else:
            result.store(result.RESULTS, results)
            found.extend(results)

    if any(name in wanted for name in IN_CLUSTER):
        with standing.standing(lab) as cluster:
            for name, measure_in in IN_CLUSTER.items():
                if name in wanted:
                    run(name, functools.partial(measure_in, cluster))
    for name, measure_alone in ALONE.items():
        if name in wanted:
            run(name, functools.partial(measure_alone, lab))
    if failed:
        raise RuntimeError(f"rows failed: {', '.join(failed)}")
    return tuple(found)
