# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What 50 converged load balancers cost the controller, doing nothing.

The load balancers are made through the real API; the lab's controller steps
aside for one whose amphorae are fakes (``idle_controller``).
"""

import collections.abc
import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
import typing

from octavia_anycast_lab import deployment
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.cloud import controller, service
from octavia_anycast_lab.host import netns

COUNT = 50
SIZE = 2
_SECONDS = 60.0
_LIMIT_SECONDS = 600.0
_HEARTBEAT_SECONDS = 3
_QUERIES_SECONDS = 0.5
CPU = result.Question(
    name="idle_cpu_50_load_balancers",
    unit="share of one core",
    expected="0.05-0.15: five full looks a second, 33 heartbeats a second",
)
QUERIES = result.Question(
    name="idle_queries_50_load_balancers",
    unit="queries/0.5 s",
    expected="60-100: the polls three, the looks (2.5) about 20 each, a "
    "query a heartbeat (17)",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many clusters of what size, measured for how long.

    ``limit_seconds`` is for all of it, convergence too; ``runs``: how often
    it is measured. ``rest_seconds``: between two looks at one at rest.
    ``loses_one``: at the end of each an amphora dies, and how long nobody
    replaces it is measured. ``are_copies``: one is made through the API, the
    others of its rows.
    """

    count: int = COUNT
    size: int = SIZE
    seconds: float = _SECONDS
    heartbeat_seconds: int = _HEARTBEAT_SECONDS
    limit_seconds: float = _LIMIT_SECONDS
    runs: int = 1
    rest_seconds: float = 180.0
    loses_one: bool = False
    are_copies: bool = False


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """One long look; there is no peer."""
    before = result.load()
    controller.stop(lab.registry)
    try:
        (found,) = under(lab, Load())
    finally:
        controller.start(lab.plane, lab.registry)
    queries = found["queries_per_second"] * _QUERIES_SECONDS
    lab.say(f"CPU {found['cpu_share']:.3f}, {queries:.1f} queries in 0.5 s")
    return (
        CPU.answer(
            [result.Run(ours=found["cpu_share"], detail=found)], before
        ),
        QUERIES.answer([result.Run(ours=queries)], before),
    )


def under(lab: world.World, load: Load) -> list[dict[str, typing.Any]]:
    """What a controller on fake amphorae says of itself, run by run.

    :raises RuntimeError: they did not converge, or rules were violated.
    """
    with _balancers(lab, load) as made:
        lab.say(f"{len(made)} made; {load.count} load balancers converge")
        found = _run(lab, load)
    for run in found:
        if "error" in run or run["violations"]:
            raise RuntimeError(f"{run}")
    return found


@contextlib.contextmanager
def _balancers(
    lab: world.World, load: Load
) -> collections.abc.Iterator[list[world.LoadBalancer]]:
    """Make them; at the end only ask for their deletion."""
    made: list[world.LoadBalancer] = []
    try:
        for number in range(1 if load.are_copies else load.count):
            made.append(lab.create(load.size, f"bench-idle-{number}"))
        yield made
    finally:
        for balancer in made:
            lab.request_deletion(balancer)


def _run(lab: world.World, load: Load) -> list[dict[str, typing.Any]]:
    with tempfile.TemporaryDirectory(prefix="octavia-anycast-idle-") as home:
        output = pathlib.Path(home) / "result.json"
        enter = ["nsenter", f"--net={netns.path(lab.plane.namespace)}", "--"]
        module = [*enter, sys.executable, "-m"]
        beats = subprocess.Popen(
            [
                *(*module, "octavia_anycast_lab.bench.simulated.heartbeats"),
                *(f"{output}.ids", lab.plane.address),
                str(deployment.ANYCAST_HEARTBEAT_PORT),
                str(load.heartbeat_seconds),
            ],
            stdin=subprocess.PIPE,
        )
        try:
            assert beats.stdin is not None
            key = lab.plane.secrets.heartbeat_key
            beats.stdin.write(f"{key}\n".encode())
            beats.stdin.close()
            with lab.plane.log("idle-controller").open("ab") as log:
                subprocess.run(
                    [
                        *(
                            *module,
                            "octavia_anycast_lab.bench.simulated.idle_controller",
                        ),
                        *(str(output), json.dumps(dataclasses.asdict(load))),
                        *controller.config_arguments(lab.plane),
                    ],
                    env=service.environment(lab.plane),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    timeout=load.limit_seconds,
                    check=True,
                )
        finally:
            beats.kill()
            beats.wait()
        return list(json.loads(output.read_text("utf-8")))
