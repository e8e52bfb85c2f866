# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Looks at one load balancer, with and without something to tell.

The controller's own reconciler, real rows, real agents (``inside``). What a
look finds is the same each time; before it, the marks of what was told last
are set to something else, so that it is told again.
"""

import collections.abc
import json
import pathlib
import sys
import time

import sqlalchemy

from octavia_anycast.cmd import controller
from octavia_anycast.controller.cluster.reconciler import ClusterReconciler
from octavia_anycast.controller.cluster.report import Reporter
from octavia_anycast.controller.memory import HeartbeatStore
from octavia_anycast.controller.ports import World
from octavia_anycast.db import models
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.log_lines import CarryingExecutor
from octavia_anycast.model.monitoring.event import Mark
from octavia_anycast.planning.events import SESSION
from octavia_anycast_lab.bench.scale.event_cost import ALL, NONE, ONE

# subject -> a state in which a serving amphora is not
_OTHERWISE = {"gate": "closed", "paths": "withdrawn", "phase": "booting"}
_STALE_SECONDS = 60.0
_THREADS = 8


def forged(
    told: collections.abc.Mapping[str, Mark], *, is_all: bool
) -> dict[str, Mark]:
    """The marks of an amphora, so that the next look tells of something.

    :param is_all: of all subjects; else of its gate alone
    """
    made = dict(told)
    for subject in told:
        if subject == "gate" or (is_all and subject in _OTHERWISE):
            made[subject] = Mark(_OTHERWISE[subject])
        elif is_all and subject.startswith(SESSION):
            made[subject] = Mark("down")
    return made


class Looks:
    """Looks of one kind and another, and how long each takes."""

    def __init__(
        self, world: World, load_balancer_id: str, rounds: int
    ) -> None:
        self._world = world
        self._id = load_balancer_id
        self._rounds = rounds
        self.seconds: dict[str, list[float]] = {NONE: [], ONE: [], ALL: []}

    def make(self, reconciler: ClusterReconciler) -> None:
        """Make them in turn.

        :raises RuntimeError: one told of more or less than it should.
        """
        for _ in range(3):  # what is told once, and what is read once
            reconciler.reconcile(self._id)
        for _ in range(self._rounds):
            for kind, seconds in self.seconds.items():
                wanted = 0 if kind == NONE else self._forge(kind == ALL)
                before = self._count()
                began = time.perf_counter()
                reconciler.reconcile(self._id)
                seconds.append(time.perf_counter() - began)
                made = self._count() - before
                if made != wanted:
                    raise RuntimeError(f"{kind}: {made} events, not {wanted}")

    def _forge(self, is_all: bool) -> int:
        """Set the marks; returns how many events that is to make."""
        count = 0
        with self._world.database.transaction() as session:
            found = amphorae.list_for(session, self._id)
            for record in found if is_all else found[:1]:
                told = record.told or {}
                made = forged(told, is_all=is_all)
                amphorae.update(session, record.id, told=made)
                count += sum(
                    made[subject] != told[subject] for subject in told
                )
        return count

    def _count(self) -> int:
        with self._world.database.transaction() as session:
            rows = sqlalchemy.select(sqlalchemy.func.count()).where(
                models.Event.load_balancer_id == self._id
            )
            return int(session.scalar(rows) or 0)


def main(output: str, order: str, arguments: list[str]) -> None:
    """Look, and write what it took."""
    settings = controller.configure(arguments)
    world = controller.make_world(settings)
    looks = Looks(world, **json.loads(order))
    reporter = Reporter(world, HeartbeatStore(stale_after=_STALE_SECONDS))
    with (
        CarryingExecutor(_THREADS, "observe") as observers,
        CarryingExecutor(_THREADS, "apply") as appliers,
    ):
        looks.make(
            ClusterReconciler(
                world,
                reporter,
                observe_executor=observers,
                apply_executor=appliers,
            )
        )
    pathlib.Path(output).write_text(json.dumps(looks.seconds), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
