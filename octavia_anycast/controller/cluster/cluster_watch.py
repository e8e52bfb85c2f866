# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Finds out which load balancers there are, and which to reconcile now.

A change of size does not lock the load balancer, so Octavia's row does not
become PENDING_UPDATE; ours says when it was changed. Amphorae that fall
silent, and what is asked for single ones, are found in our tables, too.

Layer: controller.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.amphora.amphorae import Wish
from octavia_anycast.db.cluster import clusters

SCAN_SECONDS = 2.0
RECENT = timedelta(minutes=2)
PENDING = "PENDING"
LookAt = Callable[[str], None]


class ChangedClusters:
    """Remembers which changes it told of.

    A change shows by a time that is another one, whatever that is: it is of
    the clock of another host. At first what was changed lately is news; all
    others are looked at soon anyway.
    """

    def __init__(self) -> None:
        self._told: Mapping[str, datetime] | None = None
        self._found: Mapping[str, datetime] = {}

    def news(self, session: Any, now: datetime) -> set[str]:
        """The load balancers whose clusters were changed; one query.

        They are news until :meth:`remember` is called.
        """
        self._found = clusters.changes(session)
        if self._told is None:
            recent = now - RECENT
            return {i for i, at in self._found.items() if at >= recent}
        told = self._told
        return {i for i, at in self._found.items() if told.get(i) != at}

    def remember(self) -> None:
        """What was found last is told."""
        self._told = self._found


class AmphoraWatch:
    """Remembers which silent amphorae and which wishes it told of.

    :param silent_after: seconds after which one not heard of is silent
    """

    def __init__(self, silent_after: float) -> None:
        self._patience = timedelta(seconds=silent_after)
        # amphora_id -> load balancer, of the silent ones; and the wishes.
        self._told: tuple[dict[str, str | None], set[Wish]] = ({}, set())
        self._found = self._told

    def news(self, session: Any, now: datetime) -> set[str]:
        """The load balancers to look at; two queries.

        A wish that is no longer there is news, too: a drain was undone. They
        are news until :meth:`remember` is called.
        """
        silent = amphorae.silent(session, now - self._patience)
        wishes = amphorae.wishes(session)
        told_silent, told_wishes = self._told
        owners = {silent[i] for i in silent.keys() - told_silent.keys()}
        owners |= {wish.load_balancer_id for wish in wishes ^ told_wishes}
        self._found = silent, wishes
        return {owner for owner in owners if owner is not None}

    def remember(self) -> None:
        """What was found last is told."""
        self._told = self._found


class ClusterWatch:
    """What there is to be reconciled; one query, more with each scan.

    :param look_at: has one looked at, but not before what users changed
    """

    def __init__(self, world: World, look_at: LookAt | None = None) -> None:
        self._world = world
        self._look_at = look_at
        self._news = (
            ChangedClusters(),
            AmphoraWatch(world.settings.silent_after),
        )
        self._scan_due = 0.0
        self._known: dict[str, str] = {}
        self._statuses: Mapping[str, str] = {}

    def pending(self, wake: Callable[[str], None]) -> Mapping[str, str]:
        """load_balancer_id -> whether it is in PENDING_*.

        :param wake: has one looked at of which our tables have news
        """
        now = time.monotonic()
        if now >= self._scan_due:
            statuses = self._world.load_balancers.all_statuses()
            self._known = dict.fromkeys(statuses, "")
            self._tell_news(wake)
            self._end_rests(statuses, wake)
            self._scan_due = now + SCAN_SECONDS
        found = dict.fromkeys(self._world.load_balancers.pending_ids(), "")
        self._known |= found  # one that was made since the scan
        return self._known | dict.fromkeys(found, PENDING)

    def _tell_news(self, wake: Callable[[str], None]) -> None:
        now = self._world.now()
        with self._world.database.transaction() as session:
            news = set().union(*(x.news(session, now) for x in self._news))
        for load_balancer_id in news:
            wake(load_balancer_id)
        # Not earlier: where a query fails all of it is news the next time.
        for watched in self._news:
            watched.remember()

    def _end_rests(
        self, statuses: Mapping[str, str], wake: Callable[[str], None]
    ) -> None:
        """Have those looked at that may not rest any more.

        A heartbeat is missing, or somebody wrote a status of Octavia's. Where
        no heartbeats come for a while, all are missing at once.
        """
        at_rest = self._world.at_rest
        look_at = self._look_at or wake
        for load_balancer_id in at_rest.overdue(self._world.now()):
            look_at(load_balancer_id)
        changed = at_rest.among(
            load_balancer_id
            for load_balancer_id, status in statuses.items()
            if self._statuses.get(load_balancer_id, status) != status
        )
        for load_balancer_id in changed:
            wake(load_balancer_id)
        self._statuses = statuses
