# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How evenly the fabric spreads 10,000 new connections over four amphorae."""

from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.traffic import (
    clients,
    flows,
    http_probe,
    traffic_record,
)

RUNS = 3
CLUSTER_SIZE = 4
CONNECTIONS = 10_000


def question(version: int) -> result.Question:
    """One for each IP version."""
    return result.Question(
        name=f"shares_v{version}",
        unit="largest/mean",
        expected="1.01-1.04: hashing 10,000 flows into four leaves a "
        "standard deviation of 1.7 % each",
        target=result.Target(quantity="ours", limit=1.1),
    )


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """The leaves count; both families in each run."""
    before = result.load()
    runs: dict[int, list[result.Run]] = {4: [], 6: []}
    with lab.serving(CLUSTER_SIZE, "bench-shares") as balancer:
        for turn in range(RUNS):
            for vip in balancer.vips:
                run = _once(lab, str(vip))
                runs[vip.version].append(run)
                lab.say(f"run {turn + 1}, IPv{vip.version}: {run.ours:.3f}")
    return tuple(
        question(version).answer(found, before)
        for version, found in runs.items()
    )


def _once(lab: world.World, vip: str) -> result.Run:
    flows.reset(lab.lab)
    target = http_probe.Target(address=vip, port=world.PORT)
    records = clients.shares(lab.lab, target, CONNECTIONS)
    counted = {
        str(count.next_hop): count.connections
        for count in flows.counts(lab.lab)
        if str(count.vip) == vip
    }
    values = list(counted.values()) + [0] * (CLUSTER_SIZE - len(counted))
    return result.Run(
        ours=flows.unevenness(values),
        detail={
            "connections": counted,
            "answered": traffic_record.summarize(records).ok,
        },
    )
