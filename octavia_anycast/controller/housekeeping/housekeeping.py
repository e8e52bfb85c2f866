# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Housekeeping: recurring chores, and how often each is due.

Several controllers, and operators with octavia-anycast-manage, may start the
same chore at the same time; its tooz lock lets one of them.

The purge removes records of what is long gone. Amphorae that were DELETED
stay for ``amphora_expiry_age``: the back-off counts their failures, and the
sweep knows by them that a server is ours. What other tables say of an amphora
goes with it; should something have written there after that, it goes now.
Events go by their age, and where one load balancer has too many; zone drains
and fleet changes by the same age, counted from their end.
Clusters are the sweep's business, as there is more to remove with one than
its row.

Layer: controller.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from oslo_log import log as logging

from octavia_anycast.controller.amphora.rotation import Rotation
from octavia_anycast.controller.engine.work_queue import Kind, Result
from octavia_anycast.controller.housekeeping.sweep import Sweep
from octavia_anycast.controller.ports import World
from octavia_anycast.db import housekeeping
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.fleet import changes, zone_drains
from octavia_anycast.db.monitoring import events
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.housekeeping import Outcome
from octavia_anycast.options import Settings

LOG = logging.getLogger(__name__)
AMPHORAE = "anycast_amphora"
EVENTS = "anycast_event"
ZONE_DRAINS = "anycast_zone_drain"
FLEET_CHANGES = "anycast_fleet_change"
# A certificate that could not be replaced is tried again after so long.
RETRY_SECONDS = 60.0
_UNDONE = (Outcome.BUSY, Outcome.FAILED, Outcome.SKIPPED)


class Chore(StrEnum):
    """The chores."""

    PURGE = "purge"
    CERTIFICATES = "certificates"
    SWEEP = "sweep"


def lock_name(chore: Chore) -> str:
    """The name of the lock under which a chore is done."""
    return f"housekeeping-{chore}"


@dataclass(slots=True)
class Purge:
    """Finds old records and removes them; table -> rows."""

    world: World

    def find(self) -> dict[str, int]:
        """Count them; nothing is touched.

        :raises Retryable: the database does not answer.
        """
        with self.world.database.transaction() as session:
            return {
                AMPHORAE: housekeeping.count_deleted(session, self._limit),
                **housekeeping.count_ownerless(session),
                ZONE_DRAINS: zone_drains.count_ended(session, self._told),
                FLEET_CHANGES: changes.count_ended(session, self._told),
                EVENTS: sum(
                    events.count(session, condition)
                    for condition in self._old_events(session)
                ),
            }

    def run(self) -> dict[str, int]:
        """Remove them.

        :raises Retryable: the database does not answer.
        """
        with self.world.database.transaction() as session:
            removed = {
                AMPHORAE: amphorae.purge(session, self._limit),
                **housekeeping.remove_ownerless(session),
                ZONE_DRAINS: zone_drains.purge(session, self._told),
                FLEET_CHANGES: changes.purge(session, self._told),
            }
        removed[EVENTS] = self._remove_events()
        for table, count in removed.items():
            if count:
                LOG.info("%d rows of %s were purged.", count, table)
        return removed

    def _remove_events(self) -> int:
        """Remove old events, some at a time: they may be many."""
        database, count = self.world.database, 0
        with database.transaction() as session:
            conditions = self._old_events(session)
        for condition in conditions:
            some = 1
            while some:
                with database.transaction() as session:
                    some = events.remove_some(session, condition)
                count += some
        return count

    def _old_events(self, session: Any) -> list[events.Condition]:
        settings = self.world.settings
        return events.to_purge(session, self._told, settings.event_count_max)

    @property
    def _told(self) -> datetime:
        """What happened before is told no longer."""
        age = self.world.settings.event_expiry_age
        return self.world.now() - timedelta(seconds=age)

    @property
    def _limit(self) -> datetime:
        age = self.world.settings.amphora_expiry_age
        return self.world.now() - timedelta(seconds=age)


@dataclass(frozen=True, slots=True)
class Recurring:
    """A reconciler of one key: a chore that is due again and again.

    ``key`` names the chore and its lock. ``interval``: seconds; ``retry``:
    until the next attempt after one that failed, if that is sooner.
    """

    key: str
    interval: float
    work: Callable[[], object]
    retry: float = math.inf

    @property
    def kind(self) -> Kind:
        """How it is queued; no other controller takes it from its owner."""
        again = min(self.retry, self.interval)
        return Kind(
            noun="chore",
            label=self.key,
            busy=again,
            busy_max=again,
            resync=self.interval,
            spread=0.0,
            failed=again,
            failed_max=again,
            steal_after=math.inf,
        )

    def pending(self, wake: Callable[[str], None]) -> Mapping[str, str]:
        """Name the chore, which is due as soon as the controller starts."""
        return {self.key: "due"}

    def reconcile(self, key: str) -> Result:
        self.work()
        return Result(is_settled=True)


def chores(
    settings: Settings, *, purge: Purge, rotation: Rotation, sweep: Sweep
) -> tuple[Recurring, ...]:
    """The chores of housekeeping, in the order of :class:`Chore`."""

    def rotate() -> None:
        undone = [x for x in rotation.run() if x.outcome in _UNDONE]
        if undone:
            raise Retryable(f"{len(undone)} certificates were not replaced")

    return (
        Recurring(lock_name(Chore.PURGE), settings.purge_interval, purge.run),
        Recurring(
            lock_name(Chore.CERTIFICATES),
            settings.cert_interval,
            rotate,
            RETRY_SECONDS,
        ),
        Recurring(lock_name(Chore.SWEEP), settings.sweep_interval, sweep.run),
    )
