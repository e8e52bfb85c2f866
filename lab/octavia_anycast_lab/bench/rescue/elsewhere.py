# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
r"""What it costs if all packets reach the amphora that has no socket.

    client -- leaf3 -- spines --+-- leaf1 -- amphora 1 (owner)
                                +-- leaf2 -- amphora 2

Two amphorae, one in each rack. The spines are told by a routing policy to
which leaf the VIP goes: connections are opened to the first amphora, then all
their packets go to the second, which hands them to the first.
"""

import collections.abc
import concurrent.futures
import contextlib
import statistics
import time

from octavia_anycast_lab import settings
from octavia_anycast_lab.bench import result, throughput, world
from octavia_anycast_lab.bench.rescue import standing
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.traffic import clients, http_probe, traffic_record

_SIZE = 2
_OWNER, _OTHER = (leaf.name for leaf in settings.RACK_LEAVES)
_TABLE = "77"
_WRK_SECONDS = 10
_LEAD_SECONDS = 0.5
_FLOWS = 200
_FLOW_INTERVAL_SECONDS = 1.0
_DIRECT_SECONDS = 6.0
_ELSEWHERE_SECONDS = 8.0
_P99 = 0.99
RATE = result.Question(
    name="rescue_all_elsewhere",
    unit="requests/s",
    expected="ratio 0.7-0.85: a packet to the VIP crosses one amphora and "
    "one tunnel more, answers go straight",
    target=result.Target(quantity="ratio", limit=0.7, is_upper=False),
)
FIRST = result.Question(
    name="rescue_first_probe_added_p99",
    unit="ms",
    expected="1-5 ms: a flood, an answer",
    target=result.Target(quantity="ours", limit=250.0),
)
LEARNED = result.Question(
    name="rescue_learned_added_p99",
    unit="ms",
    expected="0.1-1 ms: one hop more; the client itself is that exact",
    target=result.Target(quantity="ours", limit=1.0),
)
Steer = collections.abc.Callable[[str], None]


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Rate and latency in each run; without flow rescue all would break."""
    before = result.load()
    rates, firsts, learned = [], [], []
    with lab.serving(_SIZE, "bench-elsewhere") as balancer:
        standing.switch(lab, balancer, is_on=True)
        with _steering(lab, balancer) as steer:
            for turn in range(lab.runs):
                rates.append(_rate(lab, balancer, steer))
                first, later = _added(lab, balancer, steer)
                firsts.append(first)
                learned.append(later)
                lab.say(
                    f"run {turn + 1}: {rates[-1].ours:.0f} elsewhere, "
                    f"{rates[-1].peer:.0f} direct; added p99 "
                    f"{first.ours:.2f} ms first, {later.ours:.2f} ms learned"
                )
    return (
        RATE.answer(rates, before),
        FIRST.answer(firsts, before),
        LEARNED.answer(learned, before),
    )


def _rate(
    lab: world.World, balancer: world.LoadBalancer, steer: Steer
) -> result.Run:
    """Of connections that move half a second after they were opened."""
    vip = str(balancer.vips[0])
    steer(_OWNER)
    direct = throughput.wrk(lab, vip, _WRK_SECONDS)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(throughput.wrk, lab, vip, _WRK_SECONDS)
        time.sleep(_LEAD_SECONDS)
        steer(_OTHER)
        mixed = running.result()
    moved_seconds = _WRK_SECONDS - _LEAD_SECONDS
    moved = (mixed * _WRK_SECONDS - direct * _LEAD_SECONDS) / moved_seconds
    return result.Run(ours=moved, peer=direct)


def _added(
    lab: world.World, balancer: world.LoadBalancer, steer: Steer
) -> tuple[result.Run, result.Run]:
    """Latency of first and of later requests elsewhere, less that direct."""
    target = http_probe.Target(
        address=str(balancer.vips[0]), port=world.PORT, timeout_seconds=5.0
    )
    steer(_OWNER)
    generator = clients.start_keepalive(
        lab.lab,
        lab.registry,
        target,
        _FLOWS,
        interval_seconds=_FLOW_INTERVAL_SECONDS,
    )
    try:
        began = world.moment()
        time.sleep(_DIRECT_SECONDS)
        moved = world.moment()
        steer(_OTHER)
        time.sleep(_ELSEWHERE_SECONDS)
        records = generator.stop()
    finally:
        process.stop(lab.registry, generator.label)
    return added(records, began, moved)


def added(
    records: collections.abc.Iterable[traffic_record.Record],
    began: float,
    moved: float,
) -> tuple[result.Run, result.Run]:
    """Milliseconds added to first and to later requests (p99); pure.

    :raises RuntimeError: a connection broke.
    """
    direct: list[float] = []
    first: dict[int, float] = {}
    later: list[float] = []
    for record in records:
        if record.outcome is not traffic_record.Outcome.OK:
            raise RuntimeError(f"a connection broke: {record}")
        if record.flow is None or record.start < began:
            continue
        if record.start < moved:
            direct.append(record.duration_ms)
        elif record.flow not in first:
            first[record.flow] = record.duration_ms
        else:
            later.append(record.duration_ms)
    base = result.quantile(direct, _P99)
    detail = {
        "direct_p99_ms": base,
        "direct_median_ms": statistics.median(direct),
        "first_median_ms": statistics.median(first.values()),
        "learned_median_ms": statistics.median(later),
    }
    return (
        result.Run(
            ours=result.quantile(list(first.values()), _P99) - base,
            detail=detail,
        ),
        result.Run(ours=result.quantile(later, _P99) - base, detail=detail),
    )


@contextlib.contextmanager
def _steering(
    lab: world.World, balancer: world.LoadBalancer
) -> collections.abc.Iterator[Steer]:
    """A function that sends the VIPs to one leaf, for a block."""
    hops = {
        (spine.name, vip): {
            device: gateway
            for gateway, device in observe.fib(
                lab.lab, spine.name, f"{vip}/{vip.max_prefixlen}"
            )
        }
        for spine in settings.SPINES
        for vip in balancer.vips
    }

    def ip(spine: str, vip: settings.Address, *words: str) -> None:
        argv = ["ip", f"-{vip.version}", *words]
        netns.run(lab.lab.namespace(spine), argv)

    def steer(leaf: str) -> None:
        for (spine, vip), gateways in hops.items():
            gateway = gateways[leaf]
            family = ("inet6",) if vip.version == 4 and ":" in gateway else ()
            ip(
                spine,
                vip,
                *("route", "replace", str(vip), "table", _TABLE),
                *("via", *family, gateway, "dev", leaf),
            )

    rule = ("pref", _TABLE, "lookup", _TABLE)
    for spine, vip in hops:
        ip(spine, vip, "rule", "add", "to", str(vip), *rule)
    try:
        yield steer
    finally:
        for spine, vip in hops:
            ip(spine, vip, "rule", "del", "to", str(vip), *rule)
            ip(spine, vip, "route", "flush", "table", _TABLE)
