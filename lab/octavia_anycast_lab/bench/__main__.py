# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``python -m octavia_anycast_lab.bench``: what ``make bench`` runs.

A lab of its own is brought up, and removed at the end. A benchmark that
fails does not keep the others from running; the exit status then is 1. A
target that is missed is a figure, not a failure.
"""

import argparse
import collections.abc
import dataclasses
import functools
import sys

from octavia_anycast_lab import down, settings, up
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.bench import (
    api,
    change,
    create,
    memory,
    result,
    spread,
    startup,
    tenant_metrics,
    throughput,
    world,
)
from octavia_anycast_lab.bench.events import comparison, restore, spare
from octavia_anycast_lab.bench.rescue import rows as rescue
from octavia_anycast_lab.bench.scale import (
    event_cost,
    many,
    scrape,
    vips,
)
from octavia_anycast_lab.bench.simulated import (
    idle,
    thousand,
    three_controllers,
    zone_drain,
)
from octavia_anycast_lab.cli import EXPECTED
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.traffic import held

Measure = collections.abc.Callable[[world.World], tuple[result.Result, ...]]
IN_LAB: collections.abc.Mapping[str, Measure] = {
    "create": create.measure,
    "change": change.measure,
    "many": many.measure,
    "shares": spread.measure,
    "throughput": throughput.measure,
    "memory": memory.measure,
    "idle": idle.measure,
    "tenant-metrics": tenant_metrics.measure,
    "event-cost": event_cost.measure,
    "scrape": scrape.measure,
    "vips": vips.measure,
    "api-list": api.measure_lists,
    "api-distributor": api.measure_distributor,
    "api-lb-show": api.measure_show,
    **comparison.BENCHES,
    "rescue": rescue.measure,
    "restore": restore.measure,
    "spare": spare.measure,
    "thousand": thousand.measure,
    "shares-of-three": three_controllers.measure,
    "zone-drain": zone_drain.measure,
}
# It makes labs of its own, with no other one beside them.
DEMO = "demo"
_LAB = "bench"
RUNS_MAX = 100


@dataclasses.dataclass(slots=True)
class Session:
    """What came out so far: results, and names of what failed."""

    progress: Progress
    results: list[result.Result] = dataclasses.field(default_factory=list)
    failed: list[str] = dataclasses.field(default_factory=list)

    def run(
        self,
        name: str,
        measure: collections.abc.Callable[[], tuple[result.Result, ...]],
    ) -> None:
        """Run one; the results are kept at once, a failure is noted."""
        try:
            with self.progress.step(f"benchmark {name}"):
                found = measure()
        except (rest.ApiError, RuntimeError, *EXPECTED) as error:
            # The step has printed the first line.
            for line in str(error).splitlines()[1:]:
                self.progress.note(line)
            self.failed.append(name)
        else:
            self.results += found
            result.store(result.RESULTS, found)


def run_number(text: str) -> int:
    """How often each is run, 1 to ``RUNS_MAX``; errors are argparse's."""
    return _number(text, RUNS_MAX)


def held_number(text: str) -> int:
    """How many connections are held, 1 to 10,000; errors are argparse's."""
    return _number(text, held.FLOWS_MAX)


def _number(text: str, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not in 1..{most}")
    return int(text)


def main() -> None:
    """Run all benchmarks, or one."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--name", choices=sorted((*IN_LAB, DEMO)))
    parser.add_argument("--lab", default=_LAB)
    parser.add_argument("--runs", type=run_number, default=comparison.RUNS)
    parser.add_argument("--held", type=held_number, default=400)
    parser.add_argument(
        "--rows", nargs="+", choices=sorted(rescue.ROWS), default=[]
    )
    parser.add_argument("--keep-lab", action="store_true")
    options = parser.parse_args()
    names = [options.name] if options.name else [*IN_LAB, DEMO]
    session = Session(Progress())
    try:
        lab = settings.Lab(name=options.lab)
        up.require_machine()
        if names != [DEMO]:
            _in_lab(lab, names, session, options)
            if not options.keep_lab:
                down.down(lab, session.progress)
        if DEMO in names:
            session.run(DEMO, lambda: startup.measure(session.progress.note))
    except EXPECTED as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(
            "bench: interrupted; `octavia-anycast-lab --lab "
            f"{options.lab} down` removes its lab"
        )
    if session.results:
        print(f"\n{result.table(session.results)}\n")  # noqa: T201
        print(f"-> {result.RESULTS}")  # noqa: T201
    failed = ", ".join(session.failed)
    sys.exit(f"bench: failed: {failed}" if failed else 0)


def _in_lab(
    lab: settings.Lab,
    names: list[str],
    session: Session,
    options: argparse.Namespace,
) -> None:
    """Those which share a lab, in it."""
    plane = up.up(lab, session.progress)
    place = world.World(
        plane=plane,
        api=rest.Api(plane=plane),
        registry=registry_lib.Registry(lab.run_dir),
        say=session.progress.note,
        runs=options.runs,
        held=options.held,
        rows=tuple(options.rows),
    )
    place.prepare()
    for name in names:
        if name in IN_LAB:
            session.run(name, functools.partial(IN_LAB[name], place))


if __name__ == "__main__":
    main()
