# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A change of a listener on its way to four amphorae, and to one.

It has arrived when the configuration file of HAProxy holds it in each
amphora: looked up on the instances' disks, from outside.
"""

import pathlib
import statistics
import time

from octavia_anycast_lab.amphora import machine
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.bench import result, world

RUNS = 5
_DEADLINE_SECONDS = 60.0
_LOOK_SECONDS = 0.01
_FIRST_LIMIT = 1001
QUESTION = result.Question(
    name="listener_change_4_against_1",
    unit="s",
    expected="0.6-1.2 s against 0.5-1 s: half of the poll interval (0.25 s) "
    "plus a push, in parallel",
    target=result.Target(quantity="ratio", limit=1.5),
)


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Alternate between a cluster of four and one of one."""
    before = result.load()
    runs = []
    there = {instance.id for instance in lab.instances()}
    with lab.serving(4, "bench-change-4") as four:
        disks_of_four = _configurations(lab, four, there)
        there |= {instance.id for instance in lab.instances()}
        with lab.serving(1, "bench-change-1") as one:
            disks_of_one = _configurations(lab, one, there)
            for turn in range(RUNS):
                limit = _FIRST_LIMIT + turn
                ours = _change(lab, four, disks_of_four, limit)
                peer = _change(lab, one, disks_of_one, limit)
                lab.say(f"run {turn + 1}: {ours:.2f} s, one {peer:.2f} s")
                runs.append(result.Run(ours=ours, peer=peer))
    lab.say(f"median of four {statistics.median(r.ours for r in runs):.2f} s")
    return (QUESTION.answer(runs, before),)


def _configurations(
    lab: world.World, balancer: world.LoadBalancer, others: set[str]
) -> tuple[pathlib.Path, ...]:
    return tuple(
        _configuration(instance, balancer)
        for instance in lab.instances()
        if instance.id not in others
    )


def _configuration(
    instance: machine.Instance, balancer: world.LoadBalancer
) -> pathlib.Path:
    upper = pathlib.Path(instance.disk) / "upper"
    return upper / "var/lib/octavia" / balancer.id / "haproxy.cfg"


def _change(
    lab: world.World,
    balancer: world.LoadBalancer,
    configurations: tuple[pathlib.Path, ...],
    limit: int,
) -> float:
    """Set the listener's connection limit; seconds until all have it."""
    lab.await_active(balancer)
    listeners = lab.status(balancer)["listeners"]
    path = f"/v2/lbaas/listeners/{listeners[0]['id']}"
    body = {"listener": {"connection_limit": limit}}
    began = time.monotonic()
    lab.api.request("PUT", rest.LOAD_BALANCER, path, body)
    wanted = f"maxconn {limit}"
    missing = set(configurations)
    while missing:
        missing = {p for p in missing if wanted not in p.read_text("utf-8")}
        if time.monotonic() - began > _DEADLINE_SECONDS:
            raise TimeoutError(f"{wanted} is not in {len(missing)} amphorae")
        time.sleep(_LOOK_SECONDS)
    return time.monotonic() - began
