# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Carries out fleet changes: marks in the rows of amphorae, step by step.

One controller at a time works on a change, under its lock; all that it knows
is in the rows, so another one goes on where it stopped. A look at each
cluster carries the marks out.

Layer: controller. What is marked, and when it halts, is decided in
planning/fleet.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from oslo_log import log as logging

from octavia_anycast.controller.engine.work_queue import Kind, Result
from octavia_anycast.controller.fleet import told
from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.fleet import changes
from octavia_anycast.model.cluster import ComputeState
from octavia_anycast.model.fleet.change import (
    ChangeKind,
    ChangeState,
    FleetChange,
)
from octavia_anycast.model.housekeeping import Outcome, Rotated
from octavia_anycast.planning.fleet.change import (
    Step,
    advance,
    after_renewals,
)
from octavia_anycast.planning.fleet.reach import (
    Fleet,
)

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
# So many servers are looked up in one look, to learn their images.
LOOKED_UP_AT_ONCE = 20
# One that could not be reached is passed over for so long.
PASSED_OVER = timedelta(minutes=1)
# One that does not run gets a certificate when it boots again.
_OVER = (Outcome.DONE, Outcome.SKIPPED)


class FleetChanges:
    """Reconciles fleet changes; the caller holds the lock of each.

    :param rotate: gives the agent of an amphora a new certificate
    """

    def __init__(self, world: World, rotate: Callable[[str], Rotated]) -> None:
        self._world = world
        self._rotate = rotate
        self._wake: Callable[[str], None] = lambda _: None
        # Of what is looked up: the last one, and why some were not learned.
        self._looked_up = ""
        self._unlearned: dict[str, str] = {}
        # amphora_id -> until when it is passed over.
        self._unreached: dict[str, datetime] = {}

    @property
    def kind(self) -> Kind:
        return Kind(
            noun="fleet change",
            lock_prefix="fleet-change-",
            notice=2.0,
            busy=LOOK_SECONDS,
            busy_max=LOOK_SECONDS,
            resync=LOOK_SECONDS,
        )

    def pending(self, wake: Callable[[str], None]) -> Mapping[str, str]:
        """Fleet change -> its state, of those with something to do."""
        self._wake = wake
        with self._world.database.transaction() as session:
            found = changes.unfinished(session)
        return {id_: state.value for id_, state in found.items()}

    def reconcile(self, key: str) -> Result:
        """Make the next step, and tell of what it is now."""
        told.fleet_change(self._world, key)
        result = self._advance(key)
        told.fleet_change(self._world, key)
        return result

    def _advance(self, key: str) -> Result:
        with self._world.database.transaction() as session:
            before = changes.find_locked(session, key)
        if before is None:
            return Result(is_gone=True, is_settled=True)
        is_image = before.kind is ChangeKind.IMAGE
        if (
            is_image
            and before.state is ChangeState.RUNNING
            and self._learn_images(key)
        ):
            return Result(did_something=True)
        if before.kind is ChangeKind.CERTIFICATE:
            return Result(did_something=self._renew(key))
        marked = self._step(key)
        for load_balancer_id in marked:
            self._wake(load_balancer_id)
        return Result(did_something=bool(marked))

    def _renew(self, key: str) -> bool:
        """Give some agents new certificates; whether any got one.

        No transaction is open meanwhile. An agent that got one before this
        process died gets another one.
        """
        now, policy = self._world.now(), self._world.settings.policy
        with self._world.database.transaction() as session:
            before = changes.find_locked(session, key)
            if before is None:
                return False
            fleet = changes.without_health(session, before, now)
            unreached = (i for i, at in self._unreached.items() if at > now)
            fleet = replace(fleet, silent=fleet.silent.union(unreached))
            step = advance(before, fleet, policy, now)
            if step.change != before:
                changes.store(session, step.change)
        self._tell(before, step, {})
        done = [self._rotate(amphora_id) for amphora_id in step.renewals]
        if not done:
            return False
        self._pass_over(done, now)
        with self._world.database.transaction() as session:
            current = changes.find_locked(session, key)
            if current is None:
                return False
            over = [x.amphora_id for x in done if x.outcome in _OVER]
            changes.mark_renewed(session, over, current)
            after = after_renewals(
                current,
                _failures(done),
                now,
                renewed=sum(x.outcome is Outcome.DONE for x in done),
            )
            if after != current:
                changes.store(session, after)
        if after.state is not current.state:
            self._tell(current, Step(change=after), {})
        return bool(over)

    def _pass_over(self, done: list[Rotated], now: datetime) -> None:
        """Let others go before those whose agents did not answer."""
        self._unreached = {
            id_: at for id_, at in self._unreached.items() if at > now
        }
        for one in done:
            if one.outcome is Outcome.SILENT:
                self._unreached[one.amphora_id] = now + PASSED_OVER
                LOG.info(
                    "Amphora %s of load balancer %s gets no new certificate "
                    "yet: %s",
                    one.amphora_id,
                    one.load_balancer_id,
                    one.detail,
                )

    def _learn_images(self, key: str) -> bool:
        """Look some amphorae up that an older release booted.

        Those whose image the compute service does not tell are passed over:
        they are held, and the change says so.

        :returns: whether any was learned
        """
        with self._world.database.transaction() as session:
            unknown = changes.unknown_images(session)
        last = self._looked_up
        turns = sorted(unknown, key=lambda id_: (id_ <= last, id_))
        learned = False
        for amphora_id in turns[:LOOKED_UP_AT_ONCE]:
            self._looked_up = amphora_id
            found = self._world.compute.look(unknown[amphora_id], None)
            is_mute = found.state in (
                ComputeState.UNKNOWN,
                ComputeState.STOPPED,
            )
            if is_mute and not found.image_id:
                fault = found.fault or "its server does not run"
                self._unlearned[amphora_id] = fault
                continue
            with self._world.database.transaction() as session:
                # Of a volume or a server that is gone none is known: never
                # the one that boots now.
                amphorae.update(
                    session, amphora_id, image_id=found.image_id or ""
                )
            learned = True
        if not learned:
            self._say_held(key, unknown)
        return learned

    def _say_held(self, key: str, unknown: Collection[str]) -> None:
        """Have the change say which images are not known."""
        faults = self._unlearned
        self._unlearned = {i: why for i, why in faults.items() if i in unknown}
        reason = ""
        for amphora_id, why in sorted(self._unlearned.items())[:1]:
            reason = (
                f"{len(unknown)} amphorae are held, whose images are not "
                f"known; one is {amphora_id}: {why}"
            )
        with self._world.database.transaction() as session:
            current = changes.find_locked(session, key)
            if (
                current is not None
                and current.state is ChangeState.RUNNING
                and current.reason != reason
            ):
                changes.store(session, replace(current, reason=reason))

    def _step(self, key: str) -> list[str]:
        """Make a step in one transaction; whose amphorae were marked."""
        now, policy = self._world.now(), self._world.settings.policy
        with self._world.database.transaction() as session:
            before = changes.find_locked(session, key)
            if before is None:
                return []
            fleet = changes.fleet(session, before)
            step = advance(before, fleet, policy, now)
            new = set(step.change.baselines) - set(before.baselines)
            if new:
                # What their listeners counted so far is read only now.
                health = changes.health_of(session, new)
                fleet = replace(fleet, health={**fleet.health, **health})
                step = advance(before, fleet, policy, now)
            owners = _owners(step, fleet)
            for load_balancer_id in sorted(set(owners.values())):
                clusters.lock(session, load_balancer_id)
            for amphora_id, marks in sorted(step.marks.items()):
                amphorae.update(session, amphora_id, **marks)
            if step.change != before:
                changes.store(session, step.change)
        self._tell(before, step, owners)
        return sorted(set(owners.values()))

    @staticmethod
    def _tell(
        before: FleetChange, step: Step, owners: Mapping[str, str]
    ) -> None:
        for amphora_id, marks in sorted(step.marks.items()):
            LOG.info(
                "Amphora %s of load balancer %s, by fleet change %s: %s.",
                amphora_id,
                owners.get(amphora_id),
                before.id,
                _words(marks),
            )
        if step.change.state is not before.state:
            LOG.info(
                "Fleet change %s is %s: %s.",
                before.id,
                step.change.state.value,
                step.change.reason,
            )


def _failures(done: list[Rotated]) -> list[str]:
    return [
        f"amphora {one.amphora_id} of load balancer {one.load_balancer_id} "
        f"got no new certificate: {one.detail}"
        for one in done
        if one.outcome is Outcome.FAILED
    ]


def _owners(step: Step, fleet: Fleet) -> dict[str, str]:
    """amphora_id -> load balancer, of those that are marked."""
    return {
        one.id: one.load_balancer_id or ""
        for one in fleet.amphorae
        if one.id in step.marks
    }


def _words(marks: Mapping[str, Any]) -> str:
    if marks.get("failover_wanted"):
        return "another one is to take its place"
    if marks.get("stand_in_wanted"):
        return "it is to drain when a new one serves"
    return "it is to stay"
