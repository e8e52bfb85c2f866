# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``python -m octavia_anycast_lab.bench``: what ``make bench`` runs.

A lab of its own is brought up, and removed at the end. A benchmark that
fails does not keep the others from running; the exit status then is 1. A
target that is missed is a figure, not a failure.
"""

import argparse
import collections.abc
import sys

from octavia_anycast_lab import down, rest, settings, up
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.bench import (
    change,
    create,
    idle,
    memory,
    result,
    spread,
    startup,
    throughput,
    world,
)
from octavia_anycast_lab.cli import EXPECTED
from octavia_anycast_lab.progress import Progress

Measure = collections.abc.Callable[[world.World], tuple[result.Result, ...]]
BENCHMARKS: collections.abc.Mapping[str, Measure] = {
    "create": create.measure,
    "change": change.measure,
    "shares": spread.measure,
    "throughput": throughput.measure,
    "memory": memory.measure,
    "idle": idle.measure,
    "demo": startup.measure,
}
_LAB = "bench"


def main() -> None:
    """Run all benchmarks, or one."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--name", choices=sorted(BENCHMARKS))
    parser.add_argument("--lab", default=_LAB)
    parser.add_argument("--keep-lab", action="store_true")
    options = parser.parse_args()
    names = [options.name] if options.name else list(BENCHMARKS)
    progress = Progress()
    lab = settings.Lab(name=options.lab)
    try:
        results, failed = _run(lab, names, progress)
        if not options.keep_lab:
            down.down(lab, progress)
    except EXPECTED as error:
        sys.exit(f"bench: {error}")
    if results:
        result.store(result.RESULTS, results)
        print(f"\n{result.table(results)}\n\n-> {result.RESULTS}")  # noqa: T201
    sys.exit(f"bench: failed: {', '.join(failed)}" if failed else 0)


def _run(
    lab: settings.Lab, names: list[str], progress: Progress
) -> tuple[list[result.Result], list[str]]:
    plane = up.up(lab, progress)
    place = world.World(
        plane=plane,
        api=rest.Api(plane=plane),
        registry=registry_lib.Registry(lab.run_dir),
        say=progress.note,
    )
    place.prepare()
    results: list[result.Result] = []
    failed = []
    for name in names:
        try:
            with progress.step(f"benchmark {name}"):
                results += BENCHMARKS[name](place)
        except (rest.ApiError, RuntimeError, *EXPECTED):
            failed.append(name)
    return results, failed


if __name__ == "__main__":
    main()
