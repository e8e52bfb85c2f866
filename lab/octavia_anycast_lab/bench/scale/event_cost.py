# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which share of a reconcile events take, with real agents and MariaDB.

A load balancer of four amphorae is made; then the lab's controller steps aside
for one that only looks (``event_looks``): in turn with nothing to tell, with
one event, and with all subjects of all amphorae changed. The share is what a
look takes longer than one without events, of what it takes.
"""

import collections.abc
import statistics

from octavia_anycast_lab.bench import result, world
from octavia_anycast_lab.bench.scale import (
    inside,
)

SIZE = 4
ROUNDS = 40
_LOOKS = "octavia_anycast_lab.bench.scale.event_looks"
NONE, ONE, ALL = "none", "one", "all"
_TARGET = result.Target(quantity="ours", limit=0.05)
Seconds = collections.abc.Mapping[str, list[float]]
QUESTIONS = {
    ONE: result.Question(
        name="events_share_of_a_reconcile_with_one",
        unit="share of a look",
        expected="0.03: an INSERT and an UPDATE, of some twenty statements "
        "and four agents' answers",
        target=_TARGET,
    ),
    ALL: result.Question(
        name="events_share_of_a_reconcile_with_all",
        unit="share of a look",
        expected="0.08: an INSERT of 16 rows and four UPDATEs",
    ),
}


def measure(lab: world.World) -> tuple[result.Result, ...]:
    """Look at one cluster again and again; there is no peer."""
    before = result.load()
    with lab.serving(SIZE, "bench-event-cost") as balancer:
        found = inside.run(
            lab, _LOOKS, load_balancer_id=balancer.id, rounds=ROUNDS
        )
    lab.say(
        ", ".join(
            f"{kind} {statistics.median(times) * 1000:.1f} ms"
            for kind, times in found.items()
        )
    )
    return answers(found, before)


def answers(found: Seconds, before: float) -> tuple[result.Result, ...]:
    """The shares, of medians.

    :param found: none, one, all -> seconds of each look
    """
    medians = {kind: statistics.median(x) for kind, x in found.items()}
    detail = {f"{kind}_seconds": value for kind, value in medians.items()}
    return tuple(
        question.answer(
            [
                result.Run(
                    ours=1 - medians[NONE] / medians[kind], detail=detail
                )
            ],
            before,
        )
        for kind, question in QUESTIONS.items()
    )
