# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Carries out zone drains: marks in the rows of amphorae, and their end.

One zone drain at a time has one controller, under its lock; what is done is
in the rows, cluster by cluster, so another controller goes on where the last
one stopped. The marks are those of any drain (ADR 0078): the look at each
cluster, and that at a distributor with amphorae of its own, carries them out,
and keeps in service whoever cannot be missed.

Layer: controller. What is marked is decided in planning/fleet.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from oslo_log import log as logging

from octavia_anycast.controller.engine.work_queue import Kind, Result
from octavia_anycast.controller.fleet import told
from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.fleet import zone_drains
from octavia_anycast.model.fleet.zone_drain import Holder, ZoneDrain
from octavia_anycast.planning.fleet.zone_drain import (
    RETURN_SECONDS,
    given_back,
    marks,
    time_is_over,
)

LOG = logging.getLogger(__name__)
# Until the next look: for amphorae that came there, and for its end.
LOOK_SECONDS = 2.0


class ZoneDrains:
    """Reconciles zone drains; the caller holds the lock of each."""

    def __init__(
        self, world: World, wake: Callable[[str], None] = lambda _: None
    ) -> None:
        self._world = world
        self._wake = wake

    @property
    def kind(self) -> Kind:
        return Kind(
            noun="zone drain",
            lock_prefix="zone-drain-",
            notice=2.0,
            busy=LOOK_SECONDS,
            busy_max=LOOK_SECONDS,
            resync=LOOK_SECONDS,
        )

    def pending(self, wake: Callable[[str], None]) -> Mapping[str, str]:
        """zone drain -> whether it is to end, of those that have not ended.

        With those whose end was not told of; one query.
        """
        self._wake = wake
        now = self._world.now()
        with self._world.database.transaction() as session:
            found = zone_drains.unfinished(session)
        return {
            drain.id: "over" if drain.is_over(now) else "on" for drain in found
        }

    def reconcile(self, key: str) -> Result:
        """Mark who came to the place, or take all marks back."""
        now = self._world.now()
        with self._world.database.transaction() as session:
            drain = zone_drains.find(session, key)
        if drain is None:
            return Result(is_gone=True, is_settled=True)
        if drain.is_over(now):
            result = self._end(drain)
        else:
            result = Result(did_something=self._mark_new(drain))
        told.zone_drain(self._world, key)
        return result

    def _mark_new(self, drain: ZoneDrain) -> bool:
        """Mark cluster by cluster; whether any amphora was."""
        with self._world.database.transaction() as session:
            found = zone_drains.unmarked(session, drain.place)
            avoided = zone_drains.avoided(session)
        marked = [
            holder
            for holder, ids in found.items()
            if self._mark(drain, holder, ids, avoided)
        ]
        if drain.marked_at is None:
            with self._world.database.transaction() as session:
                zone_drains.record_marked(session, drain.id, self._world.now())
        for holder in marked:
            self._wake_holder(holder)
        return bool(marked)

    def _wake_holder(self, holder: Holder) -> None:
        """A distributor's own are looked at in a moment anyway."""
        if holder.load_balancer_id:
            self._wake(holder.load_balancer_id)

    def _mark(
        self,
        drain: ZoneDrain,
        holder: Holder,
        in_place: frozenset[str],
        avoided: frozenset[str],
    ) -> bool:
        limits, now = self._world.settings.drain_limits, self._world.now()
        with self._world.database.transaction() as session:
            if not zone_drains.hold(session, holder):
                return False
            current = zone_drains.lock(session, drain.id)
            if current is None or current.is_over(now):
                return False  # another controller ends it
            is_everywhere = zone_drains.is_everywhere(session, drain.place)
            wanted = {
                amphora_id: changes
                for cluster in zone_drains.standing(
                    session, [holder], limits, now
                )
                for amphora_id, changes in marks(
                    drain,
                    cluster,
                    in_place,
                    limits,
                    now,
                    avoided=avoided,
                    is_everywhere=is_everywhere,
                ).items()
            }
            for amphora_id, changes in wanted.items():
                amphorae.update(session, amphora_id, **changes)
        for amphora_id, changes in wanted.items():
            LOG.info(
                "Amphora %s of %s is to drain with the %s, by zone drain "
                "%s%s.",
                amphora_id,
                holder,
                drain.place,
                drain.id,
                ", when a stand-in serves"
                if changes["stand_in_wanted"]
                else "",
            )
        return bool(wanted)

    def _end(self, drain: ZoneDrain) -> Result:
        """Have all its amphorae announce again; when they do, let them go."""
        now, database = self._world.now(), self._world.database
        with database.transaction() as session:
            zone_drains.lock(session, drain.id)
            zone_drains.begin_end(session, drain.id, time_is_over(drain), now)
            drain = zone_drains.get(session, drain.id)
            found = zone_drains.amphorae_of(session, [drain.id])
        holders = {Holder.of(record) for record in found.get(drain.id, ())}
        left = [h for h in sorted(holders) if not self._give_back(drain, h)]
        if left:
            return Result()
        with database.transaction() as session:
            is_news = zone_drains.finish(session, drain.id, now)
        if is_news:
            LOG.info(
                "Zone drain %s of the %s has ended: %s.",
                drain.id,
                drain.place,
                drain.end_reason,
            )
        return Result(is_gone=True, is_settled=True, did_something=is_news)

    def _give_back(self, drain: ZoneDrain, holder: Holder) -> bool:
        """Go on with the end in one cluster; whether it is over there."""
        now = self._world.now()
        since = drain.end_wanted_at or now
        is_late = now >= since + timedelta(seconds=RETURN_SECONDS)
        limits = self._world.settings.drain_limits
        is_over, is_news = True, False
        with self._world.database.transaction() as session:
            zone_drains.hold(session, holder)
            standing = zone_drains.standing(session, [holder], limits, now)
            for cluster in standing:
                wanted = given_back(drain, cluster, is_late=is_late)
                for amphora_id, changes in wanted.changes.items():
                    amphorae.update(session, amphora_id, **changes)
                is_over = wanted.is_over
                is_news = bool(wanted.changes)
        if is_news:
            self._wake_holder(holder)
        return is_over
