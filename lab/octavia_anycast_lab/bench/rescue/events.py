# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How many held connections an event breaks that nothing had to break.

The same cluster, in turns: ``ours`` is with flow rescue, ``peer`` is without.
Expectations were written before the first measurement.
"""

import collections.abc
import dataclasses

from octavia_anycast_lab.bench import result
from octavia_anycast_lab.bench.events import columns
from octavia_anycast_lab.bench.rescue import changes, held_run, standing

# Each connection asks within five seconds; what is asked of a lost amphora
# is given up after three, and after as many of silence.
_SHORT_SECONDS = 7.0
_LOSS_SECONDS = 12.0
_BY_LOSS = 0.005
_QUARTER = "0; without: a quarter, as the next hops change"
_LOST = "0 but the lost one's; without: some of the others' too"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A row.

    :param share: of the held ones, how many may break with flow rescue that
        are not excused
    """

    prepare: held_run.Prepare
    expected: str
    seconds: float = _SHORT_SECONDS
    share: float = 0.0
    is_planned: bool = True


def _loss(prepare: held_run.Prepare) -> Event:
    return Event(
        prepare=prepare,
        expected=_LOST,
        seconds=_LOSS_SECONDS,
        share=_BY_LOSS,
        is_planned=False,
    )


EVENTS: collections.abc.Mapping[str, Event] = {
    "drain": Event(
        prepare=changes.DRAIN_AND_UNDO,
        expected="0; without: a quarter, and more as it comes back",
    ),
    "scale-out": Event(prepare=changes.SCALE_OUT, expected=_QUARTER),
    "scale-in": Event(prepare=changes.SCALE_IN, expected=_QUARTER),
    "failover-one": Event(prepare=changes.FAIL_OVER_ONE, expected=_QUARTER),
    "failover-all": Event(
        prepare=changes.fail_over_all,
        expected="0: HTTP is ended tidily, TCP lasts until the end of the "
        "drain of its amphora; without: all",
    ),
    "four-changes": Event(
        prepare=changes.FOUR_CHANGES, expected="0; without: a half"
    ),
    "silent-loss": _loss(changes.SILENT_LOSS),
    "haproxy-killed": _loss(changes.HAPROXY_KILLED),
    "power-off": _loss(changes.POWER_OFF),
    "leaf-lost": Event(
        prepare=changes.leaf_lost,
        expected="0 of the other rack's; without: a third of these or more",
        seconds=_LOSS_SECONDS,
        is_planned=False,
    ),
    "spine-lost": Event(
        prepare=changes.spine_lost,
        expected="0; without: 0 too if both spines hash alike, else a half",
        is_planned=False,
    ),
}
Pair = tuple[held_run.Cost, held_run.Cost]


def measure(cluster: columns.Cluster, name: str) -> tuple[result.Result, ...]:
    """One event as often as was asked for, with and without."""
    before = result.load()
    lab = cluster.lab
    pairs = [_pair(cluster, name) for _ in range(lab.runs)]
    return answers(name, pairs, lab.held, before)


def _pair(cluster: columns.Cluster, name: str) -> Pair:
    event = EVENTS[name]
    costs = []
    for is_on in (True, False):
        cluster.settle()
        standing.switch(cluster.lab, cluster.balancer, is_on=is_on)
        cost = held_run.measure(cluster, event.prepare, event.seconds)
        word = "with" if is_on else "without"
        cluster.lab.say(
            f"{name} {word}: {cost.broken} of {cost.held} connections broken"
            f" ({cost.excused} excused, {cost.before} before), "
            f"{cost.new.failed} of {cost.new.total} new requests failed"
        )
        costs.append(cost)
    ours, control = costs
    return ours, control


def answers(
    name: str,
    pairs: collections.abc.Sequence[Pair],
    held: int,
    load_before: float,
) -> tuple[result.Result, ...]:
    """The results of a row: broken connections, failed new requests."""
    event = EVENTS[name]
    zero = result.Target(quantity="ours", limit=0.0)
    broken = result.Question(
        name=f"rescue_{name}_broken_of_{held}",
        unit="connections",
        expected=event.expected,
        target=result.Target(quantity="ours", limit=event.share * held),
    )
    failed = result.Question(
        name=f"rescue_{name}_new_failed",
        unit="requests",
        expected="0 where it was planned; else those of the loss's window",
        target=zero if event.is_planned else None,
    )
    return (
        broken.answer([_run(pair, _broken) for pair in pairs], load_before),
        failed.answer([_run(pair, _failed) for pair in pairs], load_before),
    )


def _run(
    pair: Pair, value: collections.abc.Callable[[held_run.Cost], float]
) -> result.Run:
    ours, control = pair
    return result.Run(
        ours=value(ours),
        peer=value(control),
        detail={
            "on": dataclasses.asdict(ours),
            "off": dataclasses.asdict(control),
        },
    )


def _broken(cost: held_run.Cost) -> float:
    return float(cost.broken)


def _failed(cost: held_run.Cost) -> float:
    return float(cost.new.failed)
