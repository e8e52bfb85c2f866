# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Let something happen to a column under load, and count what it cost.

New connections at a steady rate, and as many long-lived ones; both to the
IPv4 VIP, from the client behind leaf 3.
"""

import collections.abc
import dataclasses
import time

from octavia_anycast_lab.bench import world
from octavia_anycast_lab.bench.events import columns
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import clients, traffic_record

RATE_PER_SECOND = 400.0
FLOWS = 400
# Each long-lived connection asks that often: 400 requests a second more.
FLOW_INTERVAL_SECONDS = 1.0
_LONGEST_SECONDS = 600.0
_QUIET_SECONDS = 2.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What happens (it may take its time), and how it is undone."""

    do: collections.abc.Callable[[], None]
    undo: collections.abc.Callable[[], None] = lambda: None


Prepare = collections.abc.Callable[[columns.Column], Act]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an event cost; ``before``: what was bad without it.

    ``window_seconds`` goes from the first to the last request that failed or
    took more than 200 ms, of those which ended after the event began;
    ``failed`` counts those of them which were not answered as expected.
    """

    window_seconds: float
    total: int
    bad: int
    failed: int
    outcomes: collections.abc.Mapping[str, int]
    flows: int
    broken_flows: int
    before: int
    act_seconds: float


def measure(column: columns.Column, prepare: Prepare, seconds: float) -> Cost:
    """Once: settle, load, let it happen, wait ``seconds``, undo, settle."""
    column.settle()
    act = prepare(column)
    lab = column.lab
    stream = clients.start_stream(
        lab.lab,
        lab.registry,
        column.target,
        RATE_PER_SECOND,
        _LONGEST_SECONDS,
    )
    held = None
    try:
        held = clients.start_keepalive(
            lab.lab,
            lab.registry,
            column.target,
            FLOWS,
            _LONGEST_SECONDS,
            FLOW_INTERVAL_SECONDS,
        )
        time.sleep(_QUIET_SECONDS)
        began = world.moment()
        act.do()
        took = world.moment() - began
        time.sleep(seconds)
        new = stream.stop()
        # Ended by itself, if all of its connections are broken.
        process.stop(lab.registry, held.label, held.grace_seconds)
        cost = judge(new, held.records(), began, took)
    finally:
        for generator in (stream, held):
            if generator is not None:
                process.stop(lab.registry, generator.label)
        act.undo()
    column.settle()
    return cost


def judge(
    new: collections.abc.Sequence[traffic_record.Record],
    held: collections.abc.Sequence[traffic_record.Record],
    began: float,
    took: float,
) -> Cost:
    """What an event that began then (epoch) cost; pure."""
    after = [r for r in new if r.start + r.duration_ms / 1000 >= began]
    window = traffic_record.window(after)
    summary = traffic_record.summarize(r for r in after if r.is_bad)
    flows = traffic_record.summarize_flows(held)
    return Cost(
        window_seconds=window.seconds,
        total=window.total,
        bad=window.bad,
        failed=window.bad - summary.ok,
        outcomes=summary.outcomes,
        flows=flows.flows,
        broken_flows=len(flows.broken),
        before=traffic_record.window(new).bad - window.bad,
        act_seconds=took,
    )
