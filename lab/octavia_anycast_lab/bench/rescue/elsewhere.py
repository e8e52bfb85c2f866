# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
r"""What it costs if all packets reach the amphora that has no socket.

    client -- leaf3 -- spines --+-- leaf1 -- amphora 1 (owner)
                                +-- leaf2 -- amphora 2

Two amphorae, one in each rack. The spines are told by a routing policy to
which leaf the VIP goes: connections are opened to the first amphora, then all
their packets go to the second, which hands them to the first, or resets them
if flow rescue is off.
"""

import collections.abc
import concurrent.futures
import contextlib
import dataclasses
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
_KNOWN_SECONDS = 30.0
_WRK_SECONDS = 10
_LEAD_SECONDS = 0.5
FLOWS = 200
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
BROKEN = result.Question(
    name=f"rescue_elsewhere_broken_of_{FLOWS}",
    unit="connections",
    expected="0; without: all",
    target=result.Target(quantity="ours", limit=0.0),
)
Steer = collections.abc.Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Requests of connections: directly from ``began``, then elsewhere."""

    records: collections.abc.Sequence[traffic_record.Record]
    began: float
    moved: float

    @property
    def broken(self) -> int:
        """How many connections broke."""
        return len(traffic_record.summarize_flows(self.records).broken)

    def added(self) -> tuple[result.Run, result.Run]:
        """Milliseconds added to first and to later requests elsewhere (p99).

        :raises ValueError: no request of one of the three kinds was answered.
        """
        direct: list[float] = []
        first: dict[int, float] = {}
        later: list[float] = []
        for record in self.records:
            is_ok = record.outcome is traffic_record.Outcome.OK
            if not is_ok or record.flow is None or record.start < self.began:
                continue
            if record.start < self.moved:
                direct.append(record.duration_ms)
            elif record.flow not in first:
                first[record.flow] = record.duration_ms
            else:
                later.append(record.duration_ms)
        kinds = {"direct": direct, "first": [*first.values()], "later": later}
        p99 = {name: result.quantile(ms, _P99) for name, ms in kinds.items()}
        detail = {
            "p99_ms": p99,
            "median_ms": {
                name: statistics.median(ms) for name, ms in kinds.items()
            },
        }
        return (
            result.Run(ours=p99["first"] - p99["direct"], detail=detail),
            result.Run(ours=p99["later"] - p99["direct"], detail=detail),
        )


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Rate, latency and broken connections in each run."""
    before = result.load()
    runs: dict[result.Question, list[result.Run]] = {
        question: [] for question in (RATE, FIRST, LEARNED, BROKEN)
    }
    with (
        lab.serving(_SIZE, "bench-elsewhere") as balancer,
        _steering(lab, balancer) as steer,
    ):
        for turn in range(lab.runs):
            standing.switch(lab, balancer, is_on=True)
            rate = _rate(lab, balancer, steer)
            moved = _move(lab, balancer, steer)
            standing.switch(lab, balancer, is_on=False)
            control = _move(lab, balancer, steer)
            first, learned = moved.added()
            broken = result.Run(
                ours=float(moved.broken), peer=float(control.broken)
            )
            for question, run in zip(
                runs, (rate, first, learned, broken), strict=True
            ):
                runs[question].append(run)
            lab.say(
                f"run {turn + 1}: {rate.ours:.0f} elsewhere, "
                f"{rate.peer:.0f} direct; added p99 {first.ours:.2f} ms "
                f"first, {learned.ours:.2f} ms learned; broken "
                f"{broken.ours:.0f}, without {broken.peer:.0f}"
            )
    return tuple(
        question.answer(found, before) for question, found in runs.items()
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


def _move(
    lab: world.World, balancer: world.LoadBalancer, steer: Steer
) -> Moved:
    """Let connections be opened to the owner, and go elsewhere later."""
    target = http_probe.Target(
        address=str(balancer.vips[0]), port=world.PORT, timeout_seconds=5.0
    )
    steer(_OWNER)
    generator = clients.start_keepalive(
        lab.lab,
        lab.registry,
        target,
        FLOWS,
        interval_seconds=_FLOW_INTERVAL_SECONDS,
    )
    try:
        began = world.moment()
        time.sleep(_DIRECT_SECONDS)
        moved = world.moment()
        steer(_OTHER)
        time.sleep(_ELSEWHERE_SECONDS)
        # Without flow rescue it has ended already: all of it broke.
        process.stop(lab.registry, generator.label, generator.grace_seconds)
        records = generator.records()
    finally:
        process.stop(lab.registry, generator.label)
    return Moved(records=records, began=began, moved=moved)


@contextlib.contextmanager
def _steering(
    lab: world.World, balancer: world.LoadBalancer
) -> collections.abc.Iterator[Steer]:
    """A function that sends the VIPs to one leaf, for a block."""
    hops: dict[tuple[str, settings.Address], dict[str, str]] = {}

    def is_known() -> bool:
        hops.update(_hops(lab, balancer))
        return all({_OWNER, _OTHER} <= set(found) for found in hops.values())

    process.wait_until(is_known, _KNOWN_SECONDS, "both leaves at the spines")

    def ip(
        spine: str, vip: settings.Address, *words: str, check: bool = True
    ) -> None:
        argv = ["ip", f"-{vip.version}", *words]
        netns.run(lab.lab.namespace(spine), argv, check=check)

    def steer(leaf: str) -> None:
        for (spine, vip), gateways in hops.items():
            gateway = gateways[leaf]
            ip(
                spine,
                vip,
                *("route", "replace", str(vip), "table", _TABLE),
                *("via", gateway, "dev", leaf, "onlink"),
            )

    rule = ("pref", _TABLE, "lookup", _TABLE)
    for spine, vip in hops:
        ip(spine, vip, "rule", "add", "to", str(vip), *rule)
    try:
        yield steer
    finally:
        for spine, vip in hops:
            ip(spine, vip, "rule", "del", "to", str(vip), *rule)
            ip(spine, vip, "route", "flush", "table", _TABLE, check=False)


def _hops(
    lab: world.World, balancer: world.LoadBalancer
) -> dict[tuple[str, settings.Address], dict[str, str]]:
    """Spine and VIP -> leaf (as its interface is called) -> gateway."""
    return {
        (spine.name, vip): {
            leaf: gateway
            for gateway, leaf in observe.fib(
                lab.lab, spine.name, f"{vip}/{vip.max_prefixlen}"
            )
        }
        for spine in settings.SPINES
        for vip in balancer.vips
    }
