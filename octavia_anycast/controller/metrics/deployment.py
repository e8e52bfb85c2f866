# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The whole deployment, read with a constant number of queries.

What a report says counts while it is fresh; after that nothing is known.

Layer: controller. It decides nothing: phases are of ``planning``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora.amphorae import replacements_under_way
from octavia_anycast.db.fleet import totals as fleet_totals
from octavia_anycast.db.fleet.totals import FleetTotals
from octavia_anycast.db.monitoring import totals
from octavia_anycast.db.monitoring.totals import ClusterTotals
from octavia_anycast.model.cluster import AmphoraStatus, ClusterPolicy
from octavia_anycast.planning.amphora.assessment import Phase
from octavia_anycast.planning.amphora.recorded import (
    CountedAmphora,
    ReportSummary,
    recorded_phase,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amphora:
    """An amphora, its phase, and what its last fresh report says."""

    row: CountedAmphora
    phase: Phase
    said: ReportSummary | None

    @property
    def is_in_use(self) -> bool:
        """Whether its sessions and paths count."""
        return self.row.status is AmphoraStatus.ALLOCATED

    @property
    def is_serving(self) -> bool:
        """Whether it serves a load balancer and is no spare."""
        return self._serves and self.row.spare_since is None

    @property
    def is_ready_spare(self) -> bool:
        """Whether it is a spare that could join."""
        return self._serves and self.row.spare_since is not None

    @property
    def is_announcing(self) -> bool:
        """Whether it announces each VIP of its load balancer."""
        return (
            self.row.load_balancer_id is not None
            and self.is_in_use
            and self.said is not None
            and self.said.is_announcing
        )

    @property
    def _serves(self) -> bool:
        return (
            self.row.load_balancer_id is not None
            and self.phase is Phase.SERVING
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What one round of queries found.

    ``load_balancers``: id -> provisioning status. ``clusters`` and
    ``distributors``: operating status -> those that have it.
    ``desired_sizes``: load_balancer_id -> amphorae; empty: nobody asks for
    it. ``replacements``: under way.
    """

    now: datetime
    policy: ClusterPolicy
    load_balancers: Mapping[str, str]
    clusters: Mapping[str, ClusterTotals]
    desired_sizes: Mapping[str, int]
    distributors: Mapping[str, int]
    peer_names: Mapping[str, str]
    amphorae: tuple[Amphora, ...]
    replacements: int
    fleet: FleetTotals

    @property
    def in_use(self) -> tuple[Amphora, ...]:
        """The amphorae whose sessions and paths count."""
        return tuple(x for x in self.amphorae if x.is_in_use)

    @property
    def rows(self) -> tuple[CountedAmphora, ...]:
        """The amphorae as they are recorded."""
        return tuple(x.row for x in self.amphorae)


def read(world: World) -> Deployment:
    """Read it; nine queries, ten with ``metrics_per_load_balancer``.

    One more while there are zone drains, two or three more while there is a
    fleet change; one less if no agent has reported anew.

    :raises Retryable: a database does not answer.
    """
    settings, now = world.settings, world.now()
    policy = settings.policy
    is_each = settings.metrics_per_load_balancer
    fresh_since = now - timedelta(seconds=settings.report_stale_after)
    booted_since = now - timedelta(seconds=policy.boot_timeout)
    statuses = world.load_balancers.all_statuses()
    with world.database.transaction() as session:
        rows = totals.counted_amphorae(session, summaries=world.summaries)
        return Deployment(
            now=now,
            policy=policy,
            load_balancers=statuses,
            clusters=totals.clusters(session),
            desired_sizes=totals.desired_sizes(session) if is_each else {},
            distributors=totals.distributors(session),
            peer_names=totals.peer_names(session),
            amphorae=_assessed(rows, policy, now, fresh_since),
            replacements=replacements_under_way(session, booted_since),
            fleet=fleet_totals.read(session, now),
        )


def _assessed(
    rows: Iterable[CountedAmphora],
    policy: ClusterPolicy,
    now: datetime,
    fresh_since: datetime,
) -> tuple[Amphora, ...]:
    found = []
    for row in rows:
        said = row.said_since(fresh_since)
        phase = recorded_phase(row, policy, now, said)
        found.append(Amphora(row=row, phase=phase, said=said))
    return tuple(found)
