# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Finds out which load balancers there are, and which to reconcile now.

A change of size does not lock the load balancer, so Octavia's row does not
become PENDING_UPDATE; ours says when it was changed. Amphorae that fall
silent, and what is asked for single ones, are found in our tables, too.

Layer: controller.
"""

import time
from collections.abc import Callable, Iterable, Mapping
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
MEMORY = timedelta(minutes=2)  # more than clocks of two machines differ
PENDING = "PENDING"


class _Watch(Protocol):
    """Finds load balancers to look at in our tables."""

    def news(self, session: Any, now: datetime) -> set[str]: ...


class ChangedClusters:
    """Remembers which changes it told of."""

    def __init__(self) -> None:
        self._told: dict[str, datetime] = {}

    def news(self, session: Any, now: datetime) -> set[str]:
        """The load balancers whose clusters were changed; one query."""
        changed = clusters.changed_since(session, now - MEMORY)
        news = {i for i, at in changed.items() if self._told.get(i) != at}
        self._told = changed
        return news


class Wishes:
    """Remembers which wishes for amphorae it told of."""

    def __init__(self) -> None:
        self._told: set[Wish] = set()

    def news(self, session: Any, now: datetime) -> set[str]:
        """The load balancers to look at; one query.

        A wish that is no longer there is news, too: a drain was undone.
        """
        wishes = amphorae.wishes(session)
        owners = {wish.load_balancer_id for wish in wishes ^ self._told}
        self._told = wishes
        return {owner for owner in owners if owner is not None}


class SilentAmphorae:
    """Remembers which silent amphorae it told of.

    :param silent_after: seconds after which one not heard of is silent
    """

    def __init__(self, silent_after: float) -> None:
        self._patience = timedelta(seconds=silent_after)
        self._told: dict[str, str | None] = {}

    def news(self, session: Any, now: datetime) -> set[str]:
        """The load balancers to look at; one query."""
        silent = amphorae.silent(session, now - self._patience)
        owners = {silent[i] for i in silent.keys() - self._told.keys()}
        self._told = silent
        return {owner for owner in owners if owner is not None}


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


class ClusterWatch:
    """What there is to be reconciled; one query, more with each scan.

    What users ask for in our tables is looked for more often than what is
    read of all load balancers.
    """

    def __init__(self, world: World) -> None:
        self._world = world
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
        self, watches: Iterable[_Watch], wake: Callable[[str], None]
    ) -> None:
        now = self._world.now()
        with self._world.database.transaction() as session:
            news = set().union(*(x.news(session, now) for x in watches))
        for load_balancer_id in news:
            wake(load_balancer_id)

    def _end_rests(
        self, statuses: Mapping[str, str], wake: Callable[[str], None]
    ) -> None:
        """Have those looked at that may not rest any more.

        A heartbeat is missing, or somebody wrote a status of Octavia's.
        """
        at_rest = self._world.at_rest
        ended = at_rest.overdue(self._world.now())
        ended |= at_rest.among(
            load_balancer_id
            for load_balancer_id, status in statuses.items()
            if self._statuses.get(load_balancer_id, status) != status
        )
        self._statuses = statuses
        for load_balancer_id in ended:
            wake(load_balancer_id)
