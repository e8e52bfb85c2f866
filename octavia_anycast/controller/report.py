# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Report: statuses and statistics, written where they changed.

Layer: controller.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from oslo_log import log as logging

from octavia_anycast.controller.agent_reports import AgentReports
from octavia_anycast.controller.heartbeat_store import HeartbeatStore
from octavia_anycast.controller.observe import Observation
from octavia_anycast.controller.ports import World
from octavia_anycast.db import clusters, health
from octavia_anycast.model.heartbeat import Heartbeat
from octavia_anycast.planning.health import (
    active_connections,
    operating_statuses,
)
from octavia_anycast.planning.status import (
    Patience,
    ProvisioningVerdict,
    operating_verdict,
    provisioning_verdict,
)

LOG = logging.getLogger(__name__)
_LOAD_BALANCERS = "loadbalancers"


class Reporter:
    """Writes what a reconcile found out."""

    def __init__(self, world: World, store: HeartbeatStore) -> None:
        self._world = world
        self._store = store
        self._pending_since: dict[str, datetime] = {}
        self._active: dict[str, dict[str, int]] = {}
        self._agent_reports = AgentReports(world.settings.report_interval)
        # An answer says no more than a heartbeat of the same interval.
        self._beat = timedelta(seconds=world.settings.heartbeat_interval)

    def report(self, observation: Observation) -> bool:
        """Write provisioning and operating statuses and statistics.

        :returns: whether the tree's operating statuses are what they were
        """
        if observation.desired.is_deleted:
            return False
        changes, operating, reason = self._operating(observation)
        self._remember(observation, operating, reason)
        self._provision(observation, reason)
        return not changes

    def forget(self, load_balancer_id: str) -> None:
        """Forget a load balancer that is gone."""
        self._pending_since.pop(load_balancer_id, None)
        self._active.pop(load_balancer_id, None)
        self._agent_reports.forget(load_balancer_id)

    def _provision(self, observation: Observation, reason: str) -> None:
        tree = observation.tree
        if not tree.is_pending and tree.provisioning_status != "ERROR":
            self._pending_since.pop(tree.id, None)
            return
        verdict = self._verdict(observation)
        if verdict is ProvisioningVerdict.ACTIVE:
            if self._world.statuses.settle(tree):
                self._pending_since.pop(tree.id, None)
                LOG.info(
                    "Load balancer %s is ACTIVE (was %s).",
                    tree.id,
                    tree.provisioning_status,
                )
        elif (
            verdict is ProvisioningVerdict.ERROR
            and tree.is_pending
            and self._world.statuses.fail(tree)
        ):
            LOG.error(
                "Load balancer %s is shown as ERROR: its amphorae did not "
                "take the change in time. Work on it goes on. %s",
                tree.id,
                reason,
            )

    def _verdict(self, observation: Observation) -> ProvisioningVerdict:
        tree, settings = observation.tree, self._world.settings
        since = self._pending_since.setdefault(tree.id, observation.now)
        verdict = provisioning_verdict(
            observation.desired,
            observation.observed,
            observation.now,
            pending_since=since,
            patience=Patience(
                announce_wait=settings.announce_wait,
                error_after=settings.error_after,
            ),
        )
        is_prepared = observation.observed.prepared_revision == tree.revision
        if verdict is ProvisioningVerdict.ACTIVE and not is_prepared:
            return ProvisioningVerdict.PENDING
        return verdict

    def _operating(
        self, observation: Observation
    ) -> tuple[dict[tuple[str, str], str], str, str]:
        """Write them; what changed, and the cluster's with its reason."""
        tree = observation.tree
        verdict = operating_verdict(
            observation.desired, observation.observed, observation.now
        )
        beats = self._store.of(
            {
                amphora.record.id: amphora.record.applied_at
                for amphora in observation.observed.amphorae
            },
            tree.id,
            observation.now,
        )
        changes = operating_statuses(
            beats, tree.operating_statuses, disabled=tree.disabled_ids
        )
        if verdict.status != tree.operating_status:
            changes[_LOAD_BALANCERS, tree.id] = verdict.status
            LOG.info(
                "Load balancer %s is %s: %s.",
                tree.id,
                verdict.status,
                verdict.reason,
            )
        self._world.statuses.set_operating(tree, changes)
        self._count(tree.id, beats)
        return changes, verdict.status, verdict.reason

    def _count(
        self, load_balancer_id: str, beats: Sequence[Heartbeat]
    ) -> None:
        active = active_connections(beats)
        if active != self._active.get(load_balancer_id):
            self._world.statistics.set_active(active)
            self._active[load_balancer_id] = active

    def _remember(
        self, observation: Observation, operating: str, reason: str
    ) -> None:
        """Keep our own rows: what is shown, and who was heard of."""
        wanted = {
            "provisioning_status": observation.tree.provisioning_status,
            "operating_status": operating,
            "reason": reason,
        }
        changed = {
            name: value
            for name, value in wanted.items()
            if getattr(observation.cluster, name) != value
        }
        answered = [
            amphora.record.id
            for amphora in observation.observed.amphorae
            if amphora.report is not None
        ]
        news = self._agent_reports.news(observation)
        with self._world.database.transaction() as session:
            # In order, as the receiver of heartbeats: no deadlock.
            health.touch_all(
                session,
                answered,
                observation.now,
                fresh_since=observation.now - self._beat,
            )
            if changed:
                clusters.update(session, observation.tree.id, **changed)
            news.write(session)
        self._agent_reports.written(news, set(answered))
