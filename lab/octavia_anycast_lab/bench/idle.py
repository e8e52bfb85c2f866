# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What 50 converged load balancers cost the controller, doing nothing.

The load balancers are made through the real API; the lab's controller steps
aside for one whose amphorae are fakes (``idle_controller``).
"""

import collections.abc
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import typing

from octavia_anycast_lab import (
    controller,
    deployment,
    netns,
    service,
)
from octavia_anycast_lab.bench import result, world

COUNT = 50
SIZE = 2
_SECONDS = 60.0
_LIMIT_SECONDS = 600.0
_HEARTBEAT_SECONDS = 3
CPU = result.Question(
    name="idle_cpu_50_load_balancers",
    unit="share of one core",
    expected="0.05-0.15: five full looks a second, 33 heartbeats a second",
)
QUERIES = result.Question(
    name="idle_queries_50_load_balancers",
    unit="queries/poll",
    expected="60-100 in each 0.5 s: the poll itself one, the looks (2.5) "
    "about 20 each, a query a heartbeat (17)",
)


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """One long look; there is no peer."""
    before = result.load()
    controller.stop(lab.registry)
    try:
        with _balancers(lab):
            lab.say(f"{COUNT} load balancers are made; they converge")
            found = _run(lab)
    finally:
        controller.start(lab.plane, lab.registry)
    if "error" in found or found["violations"]:
        raise RuntimeError(f"{found}")
    per_poll = found["queries_per_second"] * found["poll_interval"]
    lab.say(f"CPU {found['cpu_share']:.3f}, {per_poll:.1f} queries a poll")
    return (
        CPU.answer(
            [result.Run(ours=found["cpu_share"], detail=found)], before
        ),
        QUERIES.answer([result.Run(ours=per_poll)], before),
    )


@contextlib.contextmanager
def _balancers(lab: world.World) -> collections.abc.Iterator[None]:
    """Make them; at the end only ask for their deletion."""
    made = []
    try:
        made = [lab.create(SIZE, f"bench-idle-{n}") for n in range(COUNT)]
        yield
    finally:
        for balancer in made:
            lab.request_deletion(balancer)


def _run(lab: world.World) -> dict[str, typing.Any]:
    with tempfile.TemporaryDirectory(prefix="octavia-anycast-idle-") as home:
        output = pathlib.Path(home) / "result.json"
        enter = ["nsenter", f"--net={netns.path(lab.plane.namespace)}", "--"]
        module = [*enter, sys.executable, "-m"]
        beats = subprocess.Popen(
            [
                *(*module, "octavia_anycast_lab.bench.heartbeats"),
                *(f"{output}.ids", lab.plane.address),
                str(deployment.ANYCAST_HEARTBEAT_PORT),
                str(_HEARTBEAT_SECONDS),
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
                            "octavia_anycast_lab.bench.idle_controller",
                        ),
                        *(str(output), str(_SECONDS), str(COUNT)),
                        *controller.config_arguments(lab.plane),
                    ],
                    env=service.environment(lab.plane),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    timeout=_LIMIT_SECONDS,
                    check=True,
                )
        finally:
            beats.kill()
            beats.wait()
        return dict(json.loads(output.read_text("utf-8")))
