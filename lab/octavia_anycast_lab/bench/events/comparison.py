# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What events cost a client: our cluster beside ACTIVE_STANDBY, in one run.

Each event happens to both in turn, as often as was asked for. Expectations
were written before the first measurement.
"""

import collections.abc
import dataclasses
import functools

from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.events import acts, columns, event_run

RUNS = 5
# Long enough for the peer's timers: 3.7 s at VRRP's, 10 s for its script.
_VRRP_SECONDS = 6.0
_SCRIPT_SECONDS = 14.0
_SHORT_SECONDS = 3.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A row: ``limit`` is of the window, or of failed requests.

    ``share``: what part of the peer's window ours may be at most.
    """

    prepare: event_run.Prepare
    expected: str
    seconds: float
    limit: float
    counts_failures: bool = False
    share: float | None = None
    peering: columns.Peering = columns.Peering.MANAGEMENT
    peer: event_run.Prepare | None = None


EVENTS: collections.abc.Mapping[str, Event] = {
    "silent-loss": Event(
        prepare=acts.silence,
        peer=acts.silence,
        expected="0.3-0.4 s: BFD detects in 0.2-0.3 s, routes move in 20 ms; "
        "the peer 2.7-3.6 s: three advertisements are missed",
        seconds=_VRRP_SECONDS,
        limit=0.4,
        share=1 / 8,
    ),
    "front-end-loss": Event(
        prepare=acts.silence_front_end,
        peer=acts.silence_front_end,
        expected="0.6-1 s with peering over management: the gate asks the "
        "gateway; the peer 2.7-3.6 s",
        seconds=_VRRP_SECONDS,
        limit=1.0,
    ),
    "front-end-loss-bfd": Event(
        prepare=acts.silence_front_end,
        peer=acts.silence_front_end,
        expected="0.3-0.4 s with peering over the front end: BFD runs where "
        "the packets do; the peer 2.7-3.6 s",
        seconds=_VRRP_SECONDS,
        limit=0.4,
        peering=columns.Peering.FRONT_END,
    ),
    "haproxy-killed": Event(
        prepare=acts.kill_haproxy,
        peer=acts.kill_haproxy,
        expected="0.1-0.3 s: pidfd, a withdrawal, or systemd is quicker; the "
        "peer 0.3-1 s if systemd starts it again before its script looks "
        "(each 5 s, twice)",
        seconds=_SCRIPT_SECONDS,
        limit=0.3,
    ),
    "speaker-killed": Event(
        prepare=acts.kill_speaker,
        peer=acts.kill_speaker,
        expected="0 failed: the leaf moves flows to amphorae that serve, and "
        "this one goes on serving; the peer none either, or 3 s, as its "
        "MASTER keeps the VIP until the BACKUP takes it",
        seconds=_VRRP_SECONDS,
        limit=0.0,
        counts_failures=True,
    ),
    "agent-killed": Event(
        prepare=acts.kill_agent,
        peer=acts.kill_agent,
        expected="0 failed in both: no agent is on the data path",
        seconds=_SHORT_SECONDS,
        limit=0.0,
        counts_failures=True,
    ),
    "drain": Event(
        prepare=acts.drain,
        expected="0 failed; a third of the flows that another amphora gets "
        "are reset",
        seconds=_SHORT_SECONDS,
        limit=0.0,
        counts_failures=True,
    ),
    "scale-in": Event(
        prepare=acts.scale_in,
        expected="0 failed; flows that another amphora gets are reset",
        seconds=_SHORT_SECONDS,
        limit=0.0,
        counts_failures=True,
    ),
    "scale-out": Event(
        prepare=acts.scale_out,
        expected="0 failed; flows that another amphora gets are reset",
        seconds=_SHORT_SECONDS,
        limit=0.0,
        counts_failures=True,
    ),
    "failover": Event(
        prepare=acts.fail_over,
        peer=acts.fail_over,
        expected="0 failed: new before old, one at a time; the peer fails "
        "for 1-4 s, when its MASTER is deleted",
        seconds=_SHORT_SECONDS,
        limit=0.0,
        counts_failures=True,
    ),
    "control-plane-down": Event(
        prepare=acts.CONTROL_PLANE_DOWN,
        peer=acts.CONTROL_PLANE_DOWN,
        expected="0 failed in both: neither needs it to serve",
        seconds=0.0,
        limit=0.0,
        counts_failures=True,
    ),
}


def measure(name: str, lab: world.World) -> tuple[result.Result, ...]:
    """One event, several times in each column."""
    event = EVENTS[name]
    before = result.load()
    pairs = []
    standing = columns.standing(lab, peering=event.peering)
    with standing as (ours, peer):
        for turn in range(lab.runs):
            found = event_run.measure(ours, event.prepare, event.seconds)
            other = (
                event_run.measure(peer, event.peer, event.seconds)
                if event.peer
                else None
            )
            pairs.append((found, other))
            lab.say(f"run {turn + 1}: {_said(found)}; peer {_said(other)}")
    return answers(name, pairs, before)


Pair = tuple[event_run.Cost, event_run.Cost | None]


def answers(
    name: str, pairs: collections.abc.Sequence[Pair], load_before: float
) -> tuple[result.Result, ...]:
    """The results of a row: window or failures, share, broken flows."""
    event = EVENTS[name]
    kind = "failed" if event.counts_failures else "window"
    runs = [_run(kind, pair) for pair in pairs]
    questions = [
        result.Question(
            name=f"{name}_{kind}",
            unit="requests" if event.counts_failures else "s",
            expected=event.expected,
            target=result.Target(quantity="ours", limit=event.limit),
        )
    ]
    if event.share is not None:
        questions.append(
            result.Question(
                name=f"{name}_{kind}_share_of_peer",
                unit="s",
                expected=event.expected,
                target=result.Target(quantity="ratio", limit=event.share),
            )
        )
    found = [question.answer(runs, load_before) for question in questions]
    broken = result.Question(
        name=f"{name}_broken_of_{event_run.FLOWS}_flows",
        unit="flows",
        expected="a quarter of ours and those which are hashed anew; all of "
        "the peer's if its MASTER changes",
    )
    flows = [_run("broken_flows", pair) for pair in pairs]
    return (*found, broken.answer(flows, load_before))


def _run(kind: str, pair: Pair) -> result.Run:
    ours, peer = pair
    return result.Run(
        ours=_value(kind, ours),
        peer=None if peer is None else _value(kind, peer),
        detail={
            "ours": dataclasses.asdict(ours),
            "peer": None if peer is None else dataclasses.asdict(peer),
        },
    )


def _value(kind: str, cost: event_run.Cost) -> float:
    if kind == "window":
        return cost.window_seconds
    return float(cost.failed if kind == "failed" else cost.broken_flows)


def _said(cost: event_run.Cost | None) -> str:
    if cost is None:
        return "-"
    return (
        f"{cost.window_seconds:.2f} s, {cost.failed} of {cost.total} failed, "
        f"{cost.bad - cost.failed} lost a packet, "
        f"{cost.broken_flows} flows broken"
    )


BENCHES: collections.abc.Mapping[
    str,
    collections.abc.Callable[[world.World], tuple[result.Result, ...]],
] = {name: functools.partial(measure, name) for name in EVENTS}
