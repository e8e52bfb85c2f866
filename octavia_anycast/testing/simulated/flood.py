# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The searches of flow rescue after a change, for clusters of any size.

The rules of ``flow_rescue.bpf.c``: who floods when, what the budget refuses,
when a flow is given up. Packets take no time and none is lost; a client sends
again after 0.2 s, 0.4 s, ... as Linux does. The contract suite holds the real
program to the same formula with eight members (ADR 0121).
"""

import heapq
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_FLOOD_INTERVAL_SECONDS = 0.1
_RETRANSMISSION_SECONDS = 0.2
_FLOODS_MAX = 2


@dataclass(slots=True, kw_only=True)
class Budget:
    """The token bucket of one member; a token is one copy of a packet."""

    rate: int
    burst: int
    tokens: float = 0
    filled: float | None = None

    def take(self, count: int, now: float) -> bool:
        """Take so many tokens, or none."""
        if self.filled is None:
            self.tokens = self.burst
        else:
            more = (now - self.filled) * self.rate
            self.tokens = min(self.burst, self.tokens + more)
        self.filled = now
        if self.tokens < count:
            return False
        self.tokens -= count
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of the set of next hops.

    ``flows``: how many connections now meet a member without their socket;
    ``lost``: how many of them have no owner any more. Their clients send at a
    random moment of the first ``spread_seconds``.
    """

    members: int
    flows: int
    lost: int = 0
    spread_seconds: float = 5.0
    probe_rate: int = 20_000
    probe_burst: int = 4_000
    seed: int = 1


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What it cost. ``sent``, ``received``: (member, second) -> probes."""

    sent: Counter[tuple[int, int]] = field(default_factory=Counter)
    received: Counter[tuple[int, int]] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)  # seconds until rescued
    floods: Counter[int] = field(default_factory=Counter)  # flow -> floods
    given_up: int = 0
    refused: int = 0

    @property
    def probes(self) -> int:
        """All copies."""
        return sum(self.sent.values())


def simulate(change: Change) -> Outcome:
    """Carry a change out until each flow is rescued or given up."""
    chance = random.Random(change.seed)
    budgets = [
        Budget(rate=change.probe_rate, burst=change.probe_burst)
        for _ in range(change.members)
    ]
    outcome = Outcome()
    first_sent = [
        chance.uniform(0, change.spread_seconds) for _ in range(change.flows)
    ]
    at = [chance.randrange(change.members) for _ in range(change.flows)]
    flooded: dict[int, float] = {}
    events = [(when, flow, 0) for flow, when in enumerate(first_sent)]
    heapq.heapify(events)
    while events:
        now, flow, tries = heapq.heappop(events)
        again = now + _RETRANSMISSION_SECONDS * 2**tries
        if now - flooded.get(flow, -1) < _FLOOD_INTERVAL_SECONDS:
            pass
        elif outcome.floods[flow] >= _FLOODS_MAX:
            outcome.given_up += 1
            continue
        elif budgets[at[flow]].take(change.members - 1, now):
            flooded[flow] = now
            outcome.floods[flow] += 1
            for member in range(change.members):
                if member != at[flow]:
                    outcome.received[member, int(now)] += 1
            outcome.sent[at[flow], int(now)] += change.members - 1
            if flow >= change.lost:
                outcome.waits.append(now - first_sent[flow])
                continue
        else:
            outcome.refused += 1
        heapq.heappush(events, (again, flow, tries + 1))
    return outcome


def table() -> Iterator[str]:
    """The rows of ADR 0121."""
    for members, flows, lost in (
        (4, 10_000, 0),
        (8, 10_000, 0),
        (64, 10_000, 0),
        (64, 100_000, 0),
        (64, 100_000, 1_563),
    ):
        change = Change(members=members, flows=flows, lost=lost)
        outcome = simulate(change)
        waits = sorted(outcome.waits)
        yield ", ".join(
            str(value)
            for value in (
                members,
                flows,
                lost,
                outcome.probes,
                max(outcome.sent.values()),
                max(outcome.received.values()),
                outcome.refused,
                f"{waits[int(0.99 * len(waits))]:.2f}",
                f"{waits[-1]:.2f}",
                outcome.given_up,
            )
        )


if __name__ == "__main__":
    for row in table():
        print(row)  # noqa: T201
