# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Finds out which load balancers there are, and which to reconcile now.

A change of size does not lock the load balancer, so Octavia's row does not
become PENDING_UPDATE; ours says when it was changed. Amphorae that fall
silent, and what is asked for single ones, are found in our tables, too.

Layer: controller.
"""

import time
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Any, Protocol

from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.amphora.amphorae import Wish
from octavia_anycast.db.cluster import claims, clusters
from octavia_anycast.model.cluster import ClusterPolicy
from octavia_anycast.planning.amphora.claims import FRESH, next_in_turn

# A user's change is begun within a second.
ASKED_SECONDS = 0.5
SCAN_SECONDS = 2.0
RECENT = timedelta(minutes=2)
PENDING = "PENDING"
LookAt = Callable[[str], None]


class _Watch(Protocol):
    """Finds load balancers to look at in our tables."""

    def news(self, session: Any, now: datetime) -> set[str]: ...

    def remember(self) -> None: ...


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


class Wishes:
    """Remembers which wishes for amphorae it told of."""

    def __init__(self) -> None:
        self._told: Set[Wish] = frozenset()
        self._found: Set[Wish] = frozenset()

    def news(self, session: Any, now: datetime) -> set[str]:
        """The load balancers to look at; one query.

        A wish that is no longer there is news, too: a drain was undone. They
        are news until :meth:`remember` is called.
        """
        self._found = amphorae.wishes(session)
        differing = self._found ^ self._told
        owners = {wish.load_balancer_id for wish in differing}
        return {owner for owner in owners if owner is not None}

    def remember(self) -> None:
        """What was found last is told."""
        self._told = self._found


class SilentAmphorae:
    """Remembers which silent amphorae it told of.

    :param silent_after: seconds after which one not heard of is silent
    """

    def __init__(self, silent_after: float) -> None:
        self._patience = timedelta(seconds=silent_after)
        self._told: Mapping[str, str | None] = {}
        self._found = self._told

    def news(self, session: Any, now: datetime) -> set[str]:
        """The load balancers to look at; one query.

        They are news until :meth:`remember` is called.
        """
        self._found = amphorae.silent(session, now - self._patience)
        new = self._found.keys() - self._told.keys()
        owners = {self._found[amphora_id] for amphora_id in new}
        return {owner for owner in owners if owner is not None}

    def remember(self) -> None:
        """What was found last is told."""
        self._told = self._found


class NextReplacements:
    """Tells who is next where replacements are limited (ADR 0168).

    Each time, until they boot: of hundreds that wait, those whose turn it is
    are looked at first.
    """

    def __init__(self, policy: ClusterPolicy) -> None:
        self._limit = policy.replacement_limit
        self._boot_timeout = timedelta(seconds=policy.boot_timeout)

    def news(self, session: Any, now: datetime) -> set[str]:
        """The load balancers to look at; one query, two if any waits."""
        waiting = claims.fresh(session, now - FRESH)
        if not waiting:
            return set()
        under_way = amphorae.replacements_under_way(
            session, now - self._boot_timeout
        )
        return set(next_in_turn(waiting, self._limit - under_way, now))

    def remember(self) -> None:
        """They are told again while they wait."""


class ClusterWatch:
    """What there is to be reconciled; one query, more with each scan.

    What users ask for in our tables is looked for more often than what is
    read of all load balancers.

    :param look_at: has one looked at, but not before what users changed
    """

    def __init__(self, world: World, look_at: LookAt | None = None) -> None:
        self._world = world
        self._look_at = look_at
        self._asked = (ChangedClusters(), Wishes())
        self._scanned = (
            SilentAmphorae(world.settings.silent_after),
            NextReplacements(world.settings.policy),
        )
        self._asked_due = 0.0
        self._scan_due = 0.0
        self._known: dict[str, str] = {}
        self._statuses: Mapping[str, str] = {}

    def pending(self, wake: Callable[[str], None]) -> Mapping[str, str]:
        """load_balancer_id -> whether it is in PENDING_*.

        :param wake: has one looked at of which our tables have news
        """
        now = time.monotonic()
        if now >= self._asked_due:
            self._tell(self._asked, wake)
            self._asked_due = now + ASKED_SECONDS
        if now >= self._scan_due:
            statuses = self._world.load_balancers.all_statuses()
            self._known = dict.fromkeys(statuses, "")
            self._tell(self._scanned, wake)
            self._end_rests(statuses, wake)
            self._scan_due = now + SCAN_SECONDS
        found = dict.fromkeys(self._world.load_balancers.pending_ids(), "")
        self._known |= found  # one that was made since the scan
        return self._known | dict.fromkeys(found, PENDING)

    def _tell(
        self, watches: Sequence[_Watch], wake: Callable[[str], None]
    ) -> None:
        now = self._world.now()
        with self._world.database.transaction() as session:
            news = set().union(*(x.news(session, now) for x in watches))
        for load_balancer_id in news:
            wake(load_balancer_id)
        # Not earlier: where a query fails all of it is news the next time.
        for watch in watches:
            watch.remember()

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
