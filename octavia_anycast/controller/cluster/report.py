# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Report: statuses and statistics, written where they changed.

Layer: controller.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from oslo_log import log as logging

from octavia_anycast.controller.amphora import event_log
from octavia_anycast.controller.amphora.agent_reports import AgentReports
from octavia_anycast.controller.cluster.apply import Outcome
from octavia_anycast.controller.cluster.observe import Observation
from octavia_anycast.controller.memory import HeartbeatStore, Told
from octavia_anycast.controller.notifier import Change
from octavia_anycast.controller.ports import World
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model.cluster import (
    ActionFailure,
    ClusterRecord,
    ObservedCluster,
)
from octavia_anycast.model.errors import AnycastError
from octavia_anycast.model.heartbeat import Heartbeat
from octavia_anycast.model.load_balancer import LoadBalancerTree
from octavia_anycast.model.monitoring.event import Owner
from octavia_anycast.planning.amphora.assessment import Cluster
from octavia_anycast.planning.amphora.failures import (
    OBSERVE,
    carried_on,
    is_refused,
    remarks,
    unobserved,
)
from octavia_anycast.planning.cluster.health import (
    active_connections,
    operating_statuses,
    worst_below,
)
from octavia_anycast.planning.cluster.status import (
    ProvisioningVerdict,
    operating_verdict,
    provisioning_verdict,
    shortened,
    unread_listeners,
    worse_of,
)
from octavia_anycast.planning.events import news_of, was_never_active

LOG = logging.getLogger(__name__)
_LOAD_BALANCERS = "loadbalancers"
_PENDING_CREATE = "PENDING_CREATE"


class Reporter:
    """Writes what a reconcile found out."""

    def __init__(self, world: World, store: HeartbeatStore) -> None:
        self._world = world
        self._store = store
        self._active: dict[str, dict[str, int]] = {}
        self._count_due = datetime.min.replace(tzinfo=UTC)
        # load_balancer_id -> amphora_id -> what is wrong with its heartbeats
        self._troubles: dict[str, dict[str, str]] = {}
        self._agent_reports = AgentReports(world)

    def report(self, observation: Observation) -> bool:
        """Write provisioning and operating statuses and statistics.

        :returns: whether the tree's operating statuses are what they were
        """
        if observation.desired.is_deleted:
            self._report_deletion(observation)
            return False
        changes, operating, reason = self._operating(observation)
        self._remember(observation, operating, reason)
        self._tell_heartbeats(observation)
        self._provision(observation, reason)
        return not changes

    def report_meanwhile(
        self, load_balancer_id: str, observed: ObservedCluster
    ) -> None:
        """Write what the agents report, while a plan is carried out.

        And nothing that the plan writes, or that is judged by what it does.
        """
        self._agent_reports.record_answers(
            _owner(load_balancer_id), observed, self._world.now()
        )

    def forget(self, load_balancer_id: str) -> None:
        """Forget a load balancer that is gone."""
        self._active.pop(load_balancer_id, None)
        self._troubles.pop(load_balancer_id, None)
        self._agent_reports.forget(_owner(load_balancer_id))

    def forget_request(self, observation: Observation) -> None:
        """Forget the request that is carried out now.

        A request that came meanwhile is kept.
        """
        if not observation.cluster.request_id:
            return
        with self._world.database.transaction() as session:
            clusters.forget_request(
                session, observation.tree.id, observation.cluster.request_id
            )

    def record(
        self, observation: Observation, outcomes: tuple[Outcome, ...]
    ) -> tuple[ActionFailure, ...]:
        """Record which actions fail; forget those that work again."""
        before = observation.cluster.failures
        seen = observation.observed.failures
        done = {outcome.action for outcome in outcomes if outcome.is_done}
        found = carried_on(
            before,
            (
                *(f for f in seen if f.action == OBSERVE),
                *(f for f in before if f.is_aside and f.action not in done),
                *(f for outcome in outcomes for f in outcome.failures),
            ),
        )
        found = tuple(dict.fromkeys(found))
        if found != before:
            with self._world.database.transaction() as session:
                if clusters.get(session, observation.tree.id) is not None:
                    clusters.update(
                        session, observation.tree.id, failures=found
                    )
        return found

    def report_unobserved(
        self, tree: LoadBalancerTree, error: AnycastError
    ) -> None:
        """Show that a load balancer could not be observed.

        The statuses of its listeners, pools and members stay as they are.

        :raises Retryable: the database does not answer, either.
        """
        now = self._world.now()
        with self._world.database.transaction() as session:
            cluster = clusters.get(session, tree.id)
        if cluster is None:
            return
        failures = carried_on(cluster.failures, [unobserved(error, now)])
        since = _pending_since(cluster, tree, now)
        reason = "; ".join(shortened(text) for text in remarks(failures))
        self._keep(
            cluster,
            failures=failures,
            reason=reason,
            pending_since=since,
            provisioning_status=tree.provisioning_status,
        )
        patience = self._world.settings.patience
        is_late = (
            since is not None
            and (now - since).total_seconds() > patience.error_after
        )
        if is_late or is_refused(failures, now, patience):
            self._fail(tree, reason)

    def _report_deletion(self, observation: Observation) -> None:
        """Report what delays a deletion; show ERROR if it takes too long."""
        tree, cluster = observation.tree, observation.cluster
        reason = "; ".join(
            ["to be deleted"]
            + [
                shortened(text)
                for text in remarks(observation.observed.failures)
            ]
        )
        self._keep(
            cluster,
            reason=reason,
            provisioning_status=tree.provisioning_status,
            pending_since=_pending_since(cluster, tree, observation.now),
        )
        if self._verdict(observation) is ProvisioningVerdict.ERROR:
            self._fail(tree, reason)

    def _tell_heartbeats(self, observation: Observation) -> None:
        """Log once that heartbeats do not arrive, and that they do again."""
        before = self._troubles.get(observation.tree.id, {})
        after = {
            amphora.record.id: amphora.heartbeat_trouble
            for amphora in observation.observed.amphorae
            if amphora.heartbeat_trouble
            or (amphora.report is None and amphora.record.id in before)
        }
        for amphora_id in after.keys() - before.keys():
            LOG.warning(
                "Amphora %s of load balancer %s answers, but %s.",
                amphora_id,
                observation.tree.id,
                after[amphora_id],
            )
        present = {a.record.id for a in observation.observed.amphorae}
        for amphora_id in (before.keys() - after.keys()) & present:
            LOG.info(
                "Heartbeats of amphora %s of load balancer %s arrive again.",
                amphora_id,
                observation.tree.id,
            )
        self._troubles[observation.tree.id] = after

    def _provision(self, observation: Observation, reason: str) -> None:
        tree = observation.tree
        if not tree.is_pending and not tree.is_in_error:
            self._settle_late(observation)
            return
        verdict = self._verdict(observation)
        if verdict is ProvisioningVerdict.ACTIVE:
            if self._world.statuses.settle(tree, _waiting(observation)):
                # First of all: no later look sees that it was settled.
                self._world.notifier.changed(tree.id, _change(observation))
                self._set(
                    tree.id, provisioning_status="ACTIVE", pending_since=None
                )
                self.forget_request(observation)
                LOG.info(
                    "Load balancer %s is ACTIVE (was %s).",
                    tree.id,
                    tree.provisioning_status,
                )
        elif verdict is ProvisioningVerdict.ERROR:
            self._fail(tree, reason)

    def _fail(self, tree: LoadBalancerTree, reason: str) -> None:
        """Show a load balancer in PENDING_* as ERROR.

        A deletion is recorded first, because the work on it goes on.
        """
        if not tree.is_pending:
            return
        self._set(
            tree.id,
            provisioning_status="ERROR",
            is_deletion_wanted=tree.is_being_deleted,
        )
        if self._world.statuses.fail(tree):
            LOG.error(
                "Load balancer %s is shown as ERROR (was %s). Work on it "
                "goes on. %s",
                tree.id,
                tree.provisioning_status,
                reason,
            )

    def _settle_late(self, observation: Observation) -> None:
        tree, waiting = observation.tree, _waiting(observation)
        if all(pending.id in waiting for pending in tree.pending):
            return
        if self._verdict(observation) is ProvisioningVerdict.ACTIVE:
            self._world.statuses.settle(tree, waiting)

    def _keep(self, cluster: ClusterRecord, **wanted: Any) -> None:
        changed = _changes(cluster, **wanted)
        if changed:
            self._set(cluster.load_balancer_id, **changed)

    def _set(self, load_balancer_id: str, **changes: Any) -> None:
        with self._world.database.transaction() as session:
            clusters.update(session, load_balancer_id, **changes)

    def _verdict(self, observation: Observation) -> ProvisioningVerdict:
        since = _pending_since(
            observation.cluster, observation.tree, observation.now
        )
        return provisioning_verdict(
            observation.desired,
            observation.observed,
            observation.now,
            pending_since=since or observation.now,
            patience=self._world.settings.patience,
        )

    def _operating(
        self, observation: Observation
    ) -> tuple[dict[tuple[str, str], str], str, str]:
        """Write the operating statuses.

        :returns: what changed, the cluster's status, and its reason
        """
        tree = observation.tree
        verdict = operating_verdict(
            observation.desired,
            observation.observed,
            observation.now,
            was_online=tree.provisioning_status == "PENDING_UPDATE"
            and tree.operating_status != "OFFLINE",
        )
        told = self._told(observation)
        changes = operating_statuses(
            told.beats,
            tree,
            is_in_force=told.is_current
            and tree.provisioning_status == "ACTIVE",
        )
        status = worse_of(
            verdict.status, worst_below({**tree.operating_statuses, **changes})
        )
        if status != tree.operating_status:
            changes[_LOAD_BALANCERS, tree.id] = status
            LOG.info(
                "Load balancer %s is %s: %s.", tree.id, status, verdict.reason
            )
        self._world.statuses.set_operating(tree, changes)
        self._count(tree.id, told.beats)
        return changes, verdict.status, verdict.reason

    def _told(self, observation: Observation) -> Told:
        return self._store.of(
            {
                amphora.record.id: amphora.record.applied_at
                for amphora in observation.observed.amphorae
            },
            observation.tree.id,
            observation.now,
        )

    def _count(
        self, load_balancer_id: str, beats: Sequence[Heartbeat]
    ) -> None:
        active = active_connections(beats)
        if active != self._active.get(load_balancer_id):
            self._world.statistics.set_active(active)
            self._active[load_balancer_id] = active

    def count_at_rest(self) -> None:
        """Write the active connections of those that are not looked at.

        As often as those of all others, with a few statements for all.
        """
        now = self._world.now()
        if now < self._count_due:
            return
        interval = self._world.settings.resync_interval
        self._count_due = now + timedelta(seconds=interval)
        counts = {
            load_balancer_id: active_connections(self._store.again(ids, now))
            for load_balancer_id, ids in self._world.at_rest.amphorae().items()
        }
        changed = {
            load_balancer_id: active
            for load_balancer_id, active in counts.items()
            if active != self._active.get(load_balancer_id)
        }
        if changed:
            every = [*changed.values()]
            self._world.statistics.set_active(
                {i: count for active in every for i, count in active.items()}
            )
            self._active.update(changed)

    def _remember(
        self, observation: Observation, operating: str, reason: str
    ) -> None:
        """Record in our tables what is shown, and which agents answered.

        What differs from what was told is stored as events.
        """
        cluster, tree = observation.cluster, observation.tree
        changed = _changes(
            cluster,
            provisioning_status=tree.provisioning_status,
            operating_status=operating,
            reason=reason,
            pending_since=_pending_since(cluster, tree, observation.now),
            # A request, such as a failover, has it live on.
            is_deletion_wanted=False,
        )
        group = Cluster(
            observation.desired, observation.observed, observation.now
        )
        owner = Owner(
            distributor_id=cluster.distributor_id,
            load_balancer_id=tree.id,
            project_id=cluster.project_id,
        )
        news = news_of(owner, group, cluster, status=operating, reason=reason)
        if news.owner_told is not None:
            changed["told"] = news.owner_told

        def write(session: Any) -> None:
            if changed:
                clusters.update(session, tree.id, **changed)
            event_log.write(session, news)

        group = Cluster(
            observation.desired, observation.observed, observation.now
        )
        self._agent_reports.record(_owner(tree.id), group, write)
        event_log.tell(self._world, news.events)


def _pending_since(
    cluster: ClusterRecord, tree: LoadBalancerTree, now: datetime
) -> datetime | None:
    """Since when the request of now has been waiting; None: none waits.

    A load balancer in ERROR still waits.
    """
    if tree.is_in_error:
        return cluster.pending_since or now
    if not tree.is_pending:
        return None
    is_new = cluster.provisioning_status != tree.provisioning_status
    return now if is_new else cluster.pending_since or now


def _change(observation: Observation) -> Change:
    """What is done; a creation may have been shown as ERROR meanwhile."""
    is_new = (
        observation.tree.provisioning_status == _PENDING_CREATE
        or was_never_active(observation.cluster)
    )
    return Change.CREATE if is_new else Change.UPDATE


def _changes(cluster: ClusterRecord, **wanted: Any) -> dict[str, Any]:
    """What differs from the cluster's row."""
    return {
        name: value
        for name, value in wanted.items()
        if getattr(cluster, name) != value
    }


def _owner(load_balancer_id: str) -> str:
    return f"load balancer {load_balancer_id}"


def _waiting(observation: Observation) -> frozenset[str]:
    return unread_listeners(observation.desired, observation.observed)
