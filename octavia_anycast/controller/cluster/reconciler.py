# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The reconciler: observe, plan, apply, report, until nothing is to be done.

Layer: controller. Create, update, failover, scaling, replacement, deletion
and resync of one load balancer are this one loop.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from oslo_log import log as logging

from octavia_anycast import log_lines
from octavia_anycast.controller.amphora.drained_zones import planned
from octavia_anycast.controller.cluster import claims
from octavia_anycast.controller.cluster.apply import Outcome, run_phases
from octavia_anycast.controller.cluster.caches import TreeCache, wants_the_same
from octavia_anycast.controller.cluster.cluster_watch import (
    ClusterWatch,
    LookAt,
)
from octavia_anycast.controller.cluster.observe import Observation, Observer
from octavia_anycast.controller.cluster.report import Reporter
from octavia_anycast.controller.cluster.tasks import remove_load_balancer
from octavia_anycast.controller.engine.fence import Fence
from octavia_anycast.controller.engine.job import Job
from octavia_anycast.controller.engine.meanwhile import meanwhile
from octavia_anycast.controller.engine.work_queue import Kind, Result
from octavia_anycast.controller.ports import World
from octavia_anycast.db import epochs
from octavia_anycast.model.actions import Action
from octavia_anycast.model.cluster import ActionFailure
from octavia_anycast.model.errors import AnycastError, Permanent
from octavia_anycast.model.load_balancer import LoadBalancerTree
from octavia_anycast.planning.amphora.failures import retry_seconds
from octavia_anycast.planning.cluster.plan import plan
from octavia_anycast.planning.cluster.rest import digests_to_rest_on
from octavia_anycast.planning.cluster.status import is_settled

LOG = logging.getLogger(__name__)
ROUNDS_MAX = 20
IDLE_MAX_SECONDS = 3.0  # between two looks at one where something is awaited
FAILED_WAIT_SECONDS = 2.0
REST_LOOKS = 3
# A request's rows are there so long after its id, at the latest.
REQUEST_SHOWN_WITHIN = timedelta(seconds=10)


class ClusterReconciler:
    """Reconciles load balancers; the caller holds the lock of each.

    From the first read on the log lines bear the load balancer's project and
    request; the caller restores the thread's context (``log_lines.kept``).

    :param holds: whether a lock is surely still held, by its name
    """

    def __init__(
        self,
        world: World,
        reporter: Reporter,
        *,
        observe_executor: Executor,
        apply_executor: Executor,
        holds: Callable[[str], bool] = lambda name: True,
        look_at: LookAt | None = None,
    ) -> None:
        self._world = world
        self._holds = holds
        self._watch = ClusterWatch(world, look_at)
        self._observer = Observer(world, observe_executor)
        self._reporter = reporter
        self._apply_executor = apply_executor
        self._trees = TreeCache(world.load_balancers)
        # load_balancer_id -> request, and since when nothing is left of it
        self._carried_out: dict[str, tuple[str, datetime]] = {}

    @property
    def kind(self) -> Kind:
        settings = self._world.settings
        return Kind(
            noun="load balancer",
            threads=settings.workers,
            notice=0.0,
            busy=settings.poll_interval,
            busy_max=IDLE_MAX_SECONDS,
            resync=settings.resync_interval,
            failed=FAILED_WAIT_SECONDS,
        )

    def pending(self, wake: Callable[[str], None]) -> Mapping[str, str]:
        """load_balancer_id -> whether it is in PENDING_*."""
        return self._watch.pending(wake)

    def reconcile(self, load_balancer_id: str) -> Result:
        self._world.at_rest.end(load_balancer_id)
        return until_done(lambda: self._round(load_balancer_id))

    def _round(self, load_balancer_id: str) -> Result:
        kept = self._trees.get(load_balancer_id, self._world.now())
        if kept is not None:
            log_lines.bear(kept.project_id)
            result = self._look(kept, is_kept=True)
            if result is not None:
                return result
        tree = self._world.load_balancers.read(load_balancer_id)
        if tree is None:
            self._reporter.forget(load_balancer_id)
            self._observer.forget(load_balancer_id)
            self._carried_out.pop(load_balancer_id, None)
            return Result(is_gone=True, is_settled=True)
        log_lines.bear(tree.project_id)
        result = self._look(tree, is_kept=False)
        assert result is not None
        return result

    def _look(self, tree: LoadBalancerTree, *, is_kept: bool) -> Result | None:
        """Observe, report, plan and apply; None: the tree has to be read."""
        observation = self._observe(tree)
        if observation is None:
            self._trees.forget(tree.id)
            return None if is_kept else self._without_cluster(tree)
        self._fence(tree.id).require_lock()
        is_same = self._reporter.report(observation)
        actions = planned(self._world, partial(_plan, observation))
        claims.record(self._world, observation)
        if not actions:
            return self._leave(observation, is_same=is_same)
        self._trees.forget(tree.id)
        if is_kept:
            anew = self._read_anew(observation)
            if anew is None:
                return None
            observation = anew
        LOG.debug(
            "Load balancer %s: %s",
            tree.id,
            ", ".join(type(action).__name__ for action in actions),
        )
        fence = self._fence(tree.id)
        fence.begin(observation.cluster.epoch)
        with meanwhile(lambda: self._look_on(tree.id)):
            outcomes = run_phases(
                Job(
                    self._world,
                    observation.desired,
                    observation.observed,
                    observation.tree,
                    observation.cluster,
                    fence,
                ),
                actions,
                self._apply_executor,
            )
        fence.require()
        failures = self._reporter.record(observation, outcomes)
        return result_of(outcomes, failures, self._world.now())

    def _leave(self, observation: Observation, *, is_same: bool) -> Result:
        """Nothing is to be done; let it rest if all is as it was."""
        tree = observation.tree
        LOG.debug("Load balancer %s: nothing to do.", tree.id)
        self._reporter.record(observation, ())
        is_settled = self._is_settled(observation)
        if is_settled:
            self._forget_request(observation)
        if not is_settled or not is_same:
            self._trees.forget(tree.id)
            return Result(is_settled=is_settled)
        self._trees.keep(tree, observation.now)
        return Result(is_settled=True, rest_seconds=self._rest(observation))

    def _fence(self, load_balancer_id: str) -> Fence:
        return Fence(
            self._world.database,
            epochs.CLUSTER,
            load_balancer_id,
            what=f"load balancer {load_balancer_id}",
            holds=lambda: self._holds(load_balancer_id),
        )

    def _look_on(self, load_balancer_id: str) -> None:
        """Record who announces while a plan takes long to be carried out.

        What follows from it is the next plan's.
        """
        observed = self._observer.look_on(load_balancer_id)
        self._reporter.report_meanwhile(load_balancer_id, observed)

    def _forget_request(self, observation: Observation) -> None:
        """Forget a request that is carried out and that changed no status.

        Such as a new size or a drain. The API records a request a moment
        before Octavia's rows show it, so one look at rest is not enough.
        """
        load_balancer_id = observation.tree.id
        request_id = observation.cluster.request_id
        if not request_id:
            self._carried_out.pop(load_balancer_id, None)
            return
        first = (request_id, observation.now)
        seen_id, since = self._carried_out.get(load_balancer_id, first)
        if seen_id != request_id:
            since = observation.now
        self._carried_out[load_balancer_id] = request_id, since
        if observation.now - since >= REQUEST_SHOWN_WITHIN:
            self._reporter.forget_request(observation)

    def _rest(self, observation: Observation) -> float:
        """Let a load balancer rest, if it may; for how many seconds.

        The record of its rest is kept some resyncs longer. If it is still
        there then, another controller looks after the load balancer.
        """
        settings = self._world.settings
        if not settings.rest_interval or observation.cluster.request_id:
            return 0.0
        digests = digests_to_rest_on(observation.desired, observation.observed)
        if not digests:
            return 0.0
        begins = self._world.at_rest.begin(
            observation.tree.id,
            digests,
            observation.now,
            settings.rest_interval + REST_LOOKS * settings.resync_interval,
        )
        return settings.rest_interval if begins else 0.0

    def _observe(self, tree: LoadBalancerTree) -> Observation | None:
        """Observe; report a load balancer that cannot be observed.

        :raises AnycastError: it cannot be observed.
        """
        try:
            return self._observer.observe(tree)
        except AnycastError as e:
            self._reporter.report_unobserved(tree, e)
            raise

    def _read_anew(self, observation: Observation) -> Observation | None:
        """Replace the cached tree by that of now; None if they differ.

        The agents are not asked a second time, because a spare may be waiting.
        """
        kept = observation.tree
        tree = self._world.load_balancers.read(kept.id)
        if tree is None or not wants_the_same(tree, kept):
            return None
        return replace(observation, tree=tree)

    @staticmethod
    def _is_settled(observation: Observation) -> bool:
        if observation.tree.is_pending:
            return False
        return is_settled(
            observation.desired, observation.observed, observation.now
        )

    def _without_cluster(self, tree: LoadBalancerTree) -> Result:
        """Finish the deletion of a load balancer without a cluster row.

        A controller stopped after it deleted the row. If no deletion is under
        way, the provider driver never recorded the cluster: nothing is done.
        """
        if tree.is_being_deleted:
            try:
                remove_load_balancer(self._world, tree)
            except Permanent:
                # There is no row to remember it by: it is asked for again.
                self._world.statuses.fail(tree)
                raise
            return Result(is_gone=True, is_settled=True)
        if tree.is_pending and self._world.statuses.fail(tree):
            LOG.error("Load balancer %s has no cluster row.", tree.id)
        return Result(is_settled=True)


def _plan(
    observation: Observation, avoided_zones: frozenset[str]
) -> tuple[Action, ...]:
    desired = replace(observation.desired, avoided_zones=avoided_zones)
    return plan(desired, observation.observed, observation.now)


def until_done(look: Callable[[], Result]) -> Result:
    """Repeat rounds as long as they carry something out."""
    did_something = False
    for _ in range(ROUNDS_MAX):
        result = look()
        did_something = did_something or result.did_something
        if not result.did_something or result.retry_after_seconds:
            break
    return replace(result, did_something=did_something)


def result_of(
    outcomes: tuple[Outcome, ...],
    failures: tuple[ActionFailure, ...],
    now: datetime,
) -> Result:
    """Say when to come again after a plan was carried out."""
    least = max(
        (outcome.retry_after_seconds for outcome in outcomes), default=0.0
    )
    return Result(
        did_something=any(
            outcome.is_done or outcome.is_news for outcome in outcomes
        ),
        retry_after_seconds=retry_seconds(failures, now, least)
        if least
        else 0.0,
    )
