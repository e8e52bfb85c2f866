# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What ``/metrics`` and the picture cost with 1,000 clusters of four.

One is made and converges; the others are copies of its rows (``clones``), its
amphorae's reports with them. Then the text, and the picture's overview, are
made again and again by ``scrape_times``, with nobody else at work.
"""

from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.scale import (
    inside,
)

COUNT = 1000
SIZE = 4
ROUNDS = 20
INTERVAL_SECONDS = 15.0
_TIMES = "octavia_anycast_lab.bench.scale.scrape_times"
SECONDS = result.Question(
    name="scrape_of_1000_clusters",
    unit="s",
    expected="0.5: six queries, 4,000 reports of 3 kB",
    target=result.Target(quantity="ours", limit=1.0),
)
CPU = result.Question(
    name="scrape_cpu_of_1000_clusters",
    unit="share of one core, one scrape in 15 s",
    expected="0.02: almost all of it is the controller's own time",
    target=result.Target(quantity="ours", limit=0.02),
)

PICTURE_SECONDS = result.Question(
    name="picture_of_1000_clusters",
    unit="s",
    expected="0.4: rows of 1,000 clusters and of 4,000 amphorae, as lists",
    target=result.Target(quantity="ours", limit=0.5),
)
PICTURE_SIZE = result.Question(
    name="picture_size_of_1000_clusters",
    unit="kB, as the browser reads it",
    expected="270: 0.27 kB a cluster",
    target=result.Target(quantity="ours", limit=300.0),
)


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Make the text of a thousand clusters; there is no peer."""
    before = result.load()
    with lab.serving(SIZE, "bench-scrape") as balancer:
        found = inside.run(
            lab,
            _TIMES,
            load_balancer_id=balancer.id,
            count=COUNT,
            rounds=ROUNDS,
        )
    runs, pictures = found["scrapes"], found["pictures"]
    lab.say(f"{len(runs)} scrapes of {found['bytes'] / 1000:.0f} kB")
    return (
        SECONDS.answer(
            [result.Run(ours=run["seconds"], detail=run) for run in runs],
            before,
        ),
        CPU.answer(
            [
                result.Run(ours=run["cpu_seconds"] / INTERVAL_SECONDS)
                for run in runs
            ],
            before,
        ),
        PICTURE_SECONDS.answer(
            [result.Run(ours=run["seconds"], detail=run) for run in pictures],
            before,
        ),
        PICTURE_SIZE.answer(
            [result.Run(ours=run["bytes"] / 1000) for run in pictures],
            before,
        ),
    )
