# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Makes ``/metrics`` and the picture of many clusters, and times both.

It runs as ``inside`` says. The clock of the world stands still at the moment
when the rows are copied, so that no report is too old meanwhile.
"""

import dataclasses
import json
import pathlib
import sys
import time
import typing

from octavia_anycast.cmd import controller
from octavia_anycast.controller.metrics.exposition import Exposition
from octavia_anycast.controller.metrics.process import ProcessMetrics
from octavia_anycast.controller.picture.document import packed
from octavia_anycast.controller.picture.overview import Overview
from octavia_anycast.controller.ports import World
from octavia_anycast.octavia_adapter.load_balancer.shown import ShownRows
from octavia_anycast.testing.fakes.fake_cloud import FakeCloud
from octavia_anycast_lab.bench.simulated import (
    clones,
)

_PATIENCE_SECONDS = 60.0


def timed(
    world: World, load_balancer_id: str, count: int, rounds: int
) -> dict[str, typing.Any]:
    """Copy the load balancer until there are so many, and scrape.

    :raises RuntimeError: not all of them are in the text.
    """
    moment = world.now()
    world = dataclasses.replace(world, now=lambda: moment)
    copies = clones.Clones(world, FakeCloud(world.database), load_balancer_id)
    try:
        copies.make(count - 1)
        return _scraped(world, count, rounds)
    finally:
        copies.remove()


def _scraped(world: World, count: int, rounds: int) -> dict[str, typing.Any]:
    exposition = Exposition(
        world,
        ProcessMetrics(),
        backlogs=dict,
        troubles=dict,
        clock=time.monotonic,
        patience=_PATIENCE_SECONDS,
    )
    scrapes = []
    text = exposition.text()  # its queries are compiled once
    for _ in range(rounds):
        began, before = time.perf_counter(), time.process_time()
        text = exposition.text()
        scrapes.append(
            {
                "seconds": time.perf_counter() - began,
                "cpu_seconds": time.process_time() - before,
            }
        )
    there = list(world.load_balancers.all_statuses().values()).count("ACTIVE")
    line = f'balancers{{provisioning_status="ACTIVE"}} {there:.1f}'
    if there < count or line.encode() not in text.plain:
        raise RuntimeError(f"the text has not the {count} load balancers")
    return {
        "scrapes": scrapes,
        "bytes": len(text.plain),
        "pictures": _pictures(world, count, rounds),
    }


def _pictures(
    world: World, count: int, rounds: int
) -> list[dict[str, typing.Any]]:
    overview = Overview(world, ShownRows())
    packed(overview.make())  # as above
    found = []
    for _ in range(rounds):
        began, before = time.perf_counter(), time.process_time()
        document = overview.make()
        size = len(packed(document).plain)
        found.append(
            {
                "seconds": time.perf_counter() - began,
                "cpu_seconds": time.process_time() - before,
                "bytes": size,
            }
        )
    if len(document["clusters"]) < count:
        raise RuntimeError(f"the picture has not the {count} clusters")
    return found


def main(output: str, order: str, arguments: list[str]) -> None:
    """Scrape, and write what it took."""
    world = controller.make_world(controller.configure(arguments))
    found = timed(world, **json.loads(order))
    pathlib.Path(output).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
