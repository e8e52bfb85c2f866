# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Garbage to the VIP from outside: what its amphorae and clients notice.

The client beside it asks at a steady rate, before (idle) and meanwhile.

A control group has what its processes use. What the kernel does with packets
belongs to whoever was interrupted, so the whole machine's time is kept too.
"""

import collections.abc
import contextlib
import dataclasses
import os
import pathlib
import sys
import time

from octavia_anycast_lab import settings
from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.events import columns
from octavia_anycast_lab.bench.rescue import standing
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import cgroup, process
from octavia_anycast_lab.traffic import (
    clients,
    garbage,
    http_probe,
    traffic_record,
)

# A million for 10,000 held connections.
PER_HELD = 100
RATE_PER_SECOND = 20_000
_ASKED_PER_SECOND = 200.0
_IDLE_SECONDS = 10.0
_LOOK_SECONDS = 0.5
_LABEL = "traffic-garbage"
_MACHINE = "machine"
CPU = result.Question(
    name="rescue_garbage_cpu_over_idle",
    unit="times",
    expected="1.0-1.3 for the worst member: 5,000 packets a second of 0.3 us, "
    "and the budget of floods; without: 1.2-1.5, a reset for each",
    target=result.Target(quantity="ours", limit=2.0),
)
SESSIONS = result.Question(
    name="rescue_garbage_sessions_lost",
    unit="sessions",
    expected="0 of BGP, which BFD takes down with it",
    target=result.Target(quantity="ours", limit=0.0),
)
ANSWERED = result.Question(
    name="rescue_garbage_requests_answered",
    unit="share",
    expected="1: searches for owners of garbage take nobody's socket",
    target=result.Target(quantity="ours", limit=0.95, is_upper=False),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What so much garbage did.

    ``cpu``: instance id -> processor shares, idle and meanwhile; ``machine``:
    the same of the whole machine.
    """

    seconds: float
    machine: tuple[float, float]
    cpu: collections.abc.Mapping[str, tuple[float, float]]
    sessions_lost: int
    answered_share: float

    @property
    def cpu_over_idle(self) -> float:
        """Of the member for which that is largest."""
        return max(busy / idle for idle, busy in self.cpu.values())


def measure(cluster: columns.Cluster) -> tuple[result.Result, ...]:
    """Once in each run with flow rescue and once without."""
    before = result.load()
    pairs = []
    for _ in range(cluster.lab.runs):
        costs = []
        for is_on in (True, False):
            cluster.settle()
            standing.switch(cluster.lab, cluster.balancer, is_on=is_on)
            cost = _once(cluster)
            word = "with" if is_on else "without"
            cluster.lab.say(
                f"garbage {word}: {cost.cpu_over_idle:.2f} of idle, "
                f"{cost.sessions_lost} sessions lost, "
                f"{cost.answered_share:.4f} answered, {cost.seconds:.0f} s, "
                f"machine {cost.machine[0]:.2f}, then {cost.machine[1]:.2f}"
            )
            costs.append(cost)
        pairs.append((costs[0], costs[1]))
    return answers(pairs, before)


def answers(
    pairs: collections.abc.Sequence[tuple[Cost, Cost]], load_before: float
) -> tuple[result.Result, ...]:
    """One result for each question."""
    values: dict[result.Question, collections.abc.Callable[[Cost], float]] = {
        CPU: lambda cost: cost.cpu_over_idle,
        SESSIONS: lambda cost: float(cost.sessions_lost),
        ANSWERED: lambda cost: cost.answered_share,
    }
    return tuple(
        question.answer(
            [
                result.Run(
                    ours=value(ours),
                    peer=value(control),
                    detail={
                        "on": dataclasses.asdict(ours),
                        "off": dataclasses.asdict(control),
                    },
                )
                for ours, control in pairs
            ],
            load_before,
        )
        for question, value in values.items()
    )


def _once(cluster: columns.Cluster) -> Cost:
    lab = cluster.lab
    target = cluster.target
    with _asked(lab, target) as stream:
        idle_from = _Moment.take(cluster)
        time.sleep(_IDLE_SECONDS)
        busy_from = _Moment.take(cluster)
        up = least = len(_sessions(lab))
        _start(lab, target)
        try:
            while process.is_alive(lab.registry, _LABEL):
                least = min(least, len(_sessions(lab)))
                time.sleep(_LOOK_SECONDS)
        finally:
            process.stop(lab.registry, _LABEL)
        ended = _Moment.take(cluster)
        records = stream.stop()
    idle, busy = idle_from.until(busy_from), busy_from.until(ended)
    during = [r for r in records if r.start >= busy_from.wall]
    answered = traffic_record.summarize(during).ok
    return Cost(
        seconds=ended.wall - busy_from.wall,
        machine=(idle.pop(_MACHINE), busy.pop(_MACHINE)),
        cpu={name: (share, busy[name]) for name, share in idle.items()},
        sessions_lost=up - least,
        answered_share=answered / len(during),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """Processor seconds of each amphora and the machine, then (epoch)."""

    wall: float
    used: collections.abc.Mapping[str, float]

    @classmethod
    def take(cls, cluster: columns.Cluster) -> "_Moment":
        name = cluster.lab.lab.name
        return cls(
            wall=world.moment(),
            used={
                _MACHINE: _used_by_all(),
                **{
                    instance.id: _used(cgroup.path(name, instance.label))
                    for instance in cluster.amphorae().values()
                },
            },
        )

    def until(self, later: "_Moment") -> dict[str, float]:
        """Instance id -> processors used on average."""
        seconds = later.wall - self.wall
        return {
            name: (later.used[name] - used) / seconds
            for name, used in self.used.items()
        }


def _used(group: pathlib.Path) -> float:
    fields = dict(
        line.split() for line in (group / "cpu.stat").read_text().splitlines()
    )
    return int(fields["usage_usec"]) / 1e6


def _used_by_all() -> float:
    """All but idle and iowait, the fourth and fifth (proc(5))."""
    line = pathlib.Path("/proc/stat").read_text().partition("\n")[0]
    ticks = [int(word) for word in line.split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _sessions(lab: world.World) -> tuple[observe.Session, ...]:
    return observe.amphora_sessions(lab.lab)


@contextlib.contextmanager
def _asked(
    lab: world.World, target: http_probe.Target
) -> collections.abc.Iterator[clients.Generator]:
    stream = clients.start_stream(
        lab.lab, lab.registry, target, _ASKED_PER_SECOND, 600.0
    )
    try:
        yield stream
    finally:
        process.stop(lab.registry, stream.label)


def _start(lab: world.World, target: http_probe.Target) -> None:
    argv = [sys.executable, "-m", garbage.__name__, target.address]
    argv += [str(target.port), "--rate", str(RATE_PER_SECOND)]
    argv += ["--count", str(PER_HELD * lab.held)]
    process.spawn(
        lab.registry,
        _LABEL,
        argv,
        namespace=lab.lab.namespace(settings.CLIENT),
        log=lab.lab.log_dir / f"{_LABEL}.log",
    )
