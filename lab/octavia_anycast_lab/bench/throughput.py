# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""wrk on keep-alive: through the VIP against one amphora's own address.

HAProxy listens on the VIP only. So one amphora gets, for the time of the
benchmark, a second HAProxy of the same configuration on its front-end
address. It is alone in its cluster, so both have the same processor, and what
differs is the way: a routed VIP under flow rescue against an address.
"""

import collections.abc
import contextlib
import re

from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import cluster, hypervisor
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.host import netns

RUNS = 5
CLUSTER_SIZE = 1
_SECONDS = 5
_CONNECTIONS = 32
_INNER = "amphora-haproxy"
_PID_FILE = "/run/bench-haproxy.pid"
QUESTION = result.Question(
    name="throughput_keepalive",
    unit="requests/s",
    expected="ratio 0.98-1.02: flow rescue looks at each packet of the VIP "
    "for 0.2 us, a request takes 50 us",
    target=result.Target(quantity="ratio", limit=0.98, is_upper=False),
)


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Alternate VIP and front-end address."""
    before = result.load()
    runs = []
    there = {instance.id for instance in lab.instances()}
    with lab.serving(CLUSTER_SIZE, "bench-wrk") as balancer:
        one = cluster.amphorae(lab.plane, lab.api, there)[0]
        vip = str(balancer.vips[0])
        with _direct(lab, one, balancer) as address:
            wrk(lab, vip, 1)
            wrk(lab, address, 1)
            for turn in range(RUNS):
                # Whoever goes first meets the other's closing connections.
                order = (vip, address) if turn % 2 else (address, vip)
                rates = {to: wrk(lab, to, _SECONDS) for to in order}
                run = result.Run(ours=rates[vip], peer=rates[address])
                lab.say(f"run {turn + 1}: {run.ours:.0f}, {run.peer:.0f}")
                runs.append(run)
    return (QUESTION.answer(runs, before),)


@contextlib.contextmanager
def _direct(
    lab: world.World, amphora: cluster.Amphora, balancer: world.LoadBalancer
) -> collections.abc.Iterator[str]:
    """A second HAProxy in an amphora, on its front-end address."""
    machines = hypervisor.Hypervisor(lab.lab)
    address = amphora.address(4)
    home = f"/var/lib/octavia/{balancer.id}"
    binds = [f"s/bind {re.escape(str(balancer.vips[0]))}:/bind {address}:/"]
    binds += [f"/bind {re.escape(str(v))}:/d" for v in balancer.vips[1:]]
    script = "; ".join(
        [
            *binds,
            f"s#^\\( *\\)stats socket [^ ]*#\\1stats socket {home}/bench.s#",
            "/^ *pidfile /d",
        ]
    )
    steps = (
        f"sed -e '{script}' {home}/haproxy.cfg > /run/bench-haproxy.cfg",
        f"haproxy -D -f /run/bench-haproxy.cfg -p {_PID_FILE}"
        " -f /var/lib/octavia/haproxy-default-user-group.conf",
    )
    for step in steps:
        _inside(machines, amphora, step)
    try:
        yield address
    finally:
        _inside(machines, amphora, f"kill $(cat {_PID_FILE})")


def _inside(
    machines: hypervisor.Hypervisor, amphora: cluster.Amphora, line: str
) -> None:
    done = machines.execute(
        amphora.instance, ["sh", "-ec", line], namespace=_INNER
    )
    if done.returncode:
        raise RuntimeError(f"{line}: {done.stderr.strip()}")


def wrk(lab: world.World, address: str, seconds: int, *options: str) -> float:
    """Requests a second, with further options of wrk.

    :raises RuntimeError: answers other than 2xx or 3xx, or broken sockets.
    """
    done = netns.run(
        lab.lab.namespace(settings.CLIENT),
        [
            *("wrk", "--threads", "1", "--connections", str(_CONNECTIONS)),
            *("--duration", f"{seconds}s", *options, f"http://{address}/"),
        ],
        timeout_seconds=seconds + 30,
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"wrk to {address}: {done.stdout}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if found is None:
        raise RuntimeError(f"wrk said {done.stdout!r}")
    return float(found.group(1))
