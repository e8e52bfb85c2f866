# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How long a tenant's scrape of a whole cluster takes: eight amphorae.

From the client through the fabric; whichever amphora is asked asks the seven
others. Scrapes are further apart than an answer is kept.
"""

import re
import time

from octavia_anycast_lab import settings
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.host import netns, process

CLUSTER_SIZE = 8
SCRAPES = 100
_PORT = 8088
_APART_SECONDS = 0.6
_PATIENCE_SECONDS = 60.0
_ANSWERED = re.compile(r"^octavia_amphora_answered\{.*\} ([01])$", re.M)
_LINES = "octavia_"
QUESTION = result.Question(
    name="tenant_scrape_p95",
    unit="ms",
    expected="60-150 ms: seven handshakes of 2 ms each side, 8 x 300 lines, "
    "on two cores that all eight amphorae share",
    target=result.Target(quantity="ours", limit=300.0),
)


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """The 95th percentile of a hundred scrapes."""
    before = result.load()
    stats = {"name": "stats", "protocol": "PROMETHEUS", "protocol_port": _PORT}
    balancer = lab.create(
        CLUSTER_SIZE, "bench-metrics", listeners=[lab.listener(), stats]
    )
    try:
        lab.await_active(balancer)
        lab.await_announced(balancer, CLUSTER_SIZE)
        vip = str(balancer.vips[0])
        process.wait_until(
            lambda: _scrape(lab, vip)[1] == [1] * CLUSTER_SIZE,
            _PATIENCE_SECONDS,
            f"{CLUSTER_SIZE} amphorae in a scrape",
        )
        run = _measured(lab, vip)
    finally:
        lab.delete(balancer)
    return (QUESTION.answer([run], before),)


def _measured(lab: world.World, vip: str) -> result.Run:
    seconds, unanswered, lines = [], 0, 0
    for _ in range(SCRAPES):
        time.sleep(_APART_SECONDS)
        took, answered, lines = _scrape(lab, vip)
        seconds.append(took)
        unanswered += answered.count(0)
    return result.Run(
        ours=round(1000 * result.quantile(seconds, 0.95), 1),
        detail={
            "median_ms": round(1000 * result.quantile(seconds, 0.5), 1),
            "scrapes": SCRAPES,
            "unanswered": unanswered,
            "lines": lines,
        },
    )


def _scrape(lab: world.World, vip: str) -> tuple[float, list[int], int]:
    """Scrape once: seconds, 0 or 1 for each amphora, lines."""
    done = netns.run(
        lab.lab.namespace(settings.CLIENT),
        [
            *("curl", "--silent", "--max-time", "10", "-w", "%{time_total}"),
            f"http://{vip}:{_PORT}/metrics",
        ],
        check=False,
    )
    body, _, took = done.stdout.rpartition("\n")
    answered = [int(digit) for digit in _ANSWERED.findall(f"{body}\n")]
    return float(took or 10), answered, body.count(f"\n{_LINES}")
