# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The daemon: polls, distributes load balancers over threads, stops cleanly.

Layer: controller. It decides nothing about load balancers; a slow one holds
up one worker thread and nobody else. The poll is a constant number of
queries, however many load balancers there are.
"""

import threading
import time
from concurrent.futures import Executor

from oslo_log import log as logging

from octavia_anycast import log_lines
from octavia_anycast.controller.amphora.amphora_watch import AmphoraWatch
from octavia_anycast.controller.cluster.cluster_watch import ClusterWatch
from octavia_anycast.controller.cluster.reconciler import Reconciler
from octavia_anycast.controller.dedicated.dedicated import DedicatedAmphorae
from octavia_anycast.controller.dedicated.dedicated_watch import DedicatedWatch
from octavia_anycast.controller.distributor.distributor_lifecycle import (
    DistributorLifecycle,
)
from octavia_anycast.controller.distributor.distributor_watch import (
    DistributorWatch,
)
from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.controller.engine.work_queue import WorkQueue
from octavia_anycast.controller.heartbeat.heartbeat_store import HeartbeatStore
from octavia_anycast.controller.housekeeping.housekeeping import (
    Chore,
    Housekeeping,
)
from octavia_anycast.controller.ports import World
from octavia_anycast.model.errors import AnycastError, Retryable

LOG = logging.getLogger(__name__)
SCAN_SECONDS = 2.0
OTHERS_SECONDS = 0.5  # between two polls of distributors: several queries
STEAL_AFTER_SECONDS = 5.0
ERROR_WAIT_SECONDS = 2.0
ERROR_WAIT_MAX_SECONDS = 15.0


class Daemon:
    """Runs the reconciler over all load balancers of this controller."""

    def __init__(
        self,
        world: World,
        *,
        reconciler: Reconciler,
        coordination: Coordination,
        store: HeartbeatStore,
        housekeeping: Housekeeping,
        distributors: DistributorLifecycle,
        dedicated: DedicatedAmphorae,
        workers: Executor,
    ) -> None:
        self._world = world
        self._reconciler = reconciler
        self._coordination = coordination
        self._store = store
        self._housekeeping = housekeeping
        self._workers = workers
        settings = world.settings
        self._work_queue = WorkQueue(
            poll_interval=settings.poll_interval,
            resync_interval=settings.resync_interval,
        )
        self._distributors = DistributorWatch(
            distributors,
            coordination=coordination,
            workers=workers,
            wake=self.wake,
        )
        self._dedicated = DedicatedWatch(
            dedicated,
            coordination=coordination,
            workers=workers,
            resync_interval=settings.resync_interval,
        )
        self._clusters = ClusterWatch()
        self._amphorae = AmphoraWatch(settings.heartbeat_interval)
        self._stop = threading.Event()
        self._pending: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._free_workers = settings.workers
        self._count_lock = threading.Lock()

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._stop.set()

    def is_stopping(self) -> bool:
        """Whether the loop is to end."""
        return self._stop.is_set()

    def wake(self, load_balancer_id: str) -> None:
        """Look at this load balancer at once, if it is ours."""
        if self._coordination.owns(load_balancer_id):
            self._work_queue.wake(load_balancer_id, time.monotonic())

    def wake_at_once(self, load_balancer_id: str) -> None:
        """The same, without waiting for the next poll."""
        self.wake(load_balancer_id)
        self._hand_out()

    def run(self) -> None:
        """Run until :meth:`stop`; lives through every failure below."""
        scan_due = others_due = 0.0
        wait = 0.0
        while not self._stop.wait(wait):
            started = time.monotonic()
            wait = self._world.settings.poll_interval
            try:
                if started >= scan_due:
                    self._scan()
                    scan_due = started + SCAN_SECONDS
                self._poll()
                if started >= others_due:
                    self._distributors.poll(started)
                    self._dedicated.poll(started)
                    self._start_chores(started)
                    others_due = started + OTHERS_SECONDS
            except AnycastError as e:
                LOG.warning("The poll failed: %s", e)
                wait = ERROR_WAIT_SECONDS
            except Exception:
                LOG.exception("The poll failed.")
                wait = ERROR_WAIT_SECONDS
            self._hand_out()
        LOG.info("Stopping; waiting for the load balancers under way.")

    def _poll(self) -> None:
        """Notice load balancers that got PENDING_*: one query."""
        now = time.monotonic()
        pending = self._world.load_balancers.pending_ids()
        self._pending = {i: self._pending.get(i, now) for i in pending}
        for load_balancer_id, since in self._pending.items():
            is_new = since == now
            is_left = now - since > STEAL_AFTER_SECONDS
            is_ours = self._coordination.owns(load_balancer_id)
            if is_new and is_ours:
                self._work_queue.wake(load_balancer_id, now)
            elif is_left and not is_ours:
                # Its own controller does not get to it; the lock decides.
                self._work_queue.wake(load_balancer_id, now)

    def _scan(self) -> None:
        """Notice what exists, what is gone, who fell silent, what is asked."""
        self._coordination.refresh()
        now = time.monotonic()
        statuses = self._world.load_balancers.all_statuses()
        ours = {i for i in statuses if self._coordination.owns(i)}
        self._work_queue.keep(ours | set(self._pending), now)
        self._notice_news()
        self._store.prune(self._world.now())

    def _notice_news(self) -> None:
        """Wake the load balancers of which our tables have news."""
        now = self._world.now()
        with self._world.database.transaction() as session:
            news = self._amphorae.news(session, now)
            news.update(self._clusters.news(session, now))
        for load_balancer_id in news:
            self.wake(load_balancer_id)

    def _hand_out(self) -> None:
        """Give work to the free workers; any thread may call it."""
        if self._stop.is_set():
            return
        with self._count_lock:
            due = self._work_queue.take_due(
                time.monotonic(), self._free_workers
            )
            self._free_workers -= len(due)
        for load_balancer_id in due:
            self._workers.submit(self._work, load_balancer_id)

    def _work(self, load_balancer_id: str) -> None:
        try:
            with log_lines.kept():
                self._reconcile(load_balancer_id)
        except Exception as e:  # noqa: BLE001 - the worker has to live
            self._postpone(load_balancer_id, e)
        finally:
            with self._count_lock:
                self._free_workers += 1
            # Not at the next poll: that would be so many looks a poll.
            self._hand_out()

    def _reconcile(self, load_balancer_id: str) -> None:
        with self._coordination.lock(load_balancer_id) as is_held:
            if not is_held:
                LOG.debug("%s is being worked on.", load_balancer_id)
                self._done(load_balancer_id, is_settled=False)
                return
            result = self._reconciler.reconcile(load_balancer_id)
        self._failures.pop(load_balancer_id, None)
        if result.is_gone:
            self._work_queue.forget(load_balancer_id)
            return
        self._done(
            load_balancer_id,
            is_settled=result.is_settled,
            did_something=result.did_something,
            retry_after=result.retry_after_seconds,
        )

    def _postpone(self, load_balancer_id: str, error: Exception) -> None:
        count = self._failures.get(load_balancer_id, 0) + 1
        self._failures[load_balancer_id] = count
        first = (
            error.after_seconds
            if isinstance(error, Retryable)
            else ERROR_WAIT_SECONDS
        )
        wait = min(first * 2 ** min(count - 1, 10), ERROR_WAIT_MAX_SECONDS)
        text = "Load balancer %s could not be reconciled; again in %.0f s: %s"
        arguments = (load_balancer_id, wait, error)
        if isinstance(error, AnycastError):
            LOG.warning(text, *arguments)
        else:
            LOG.exception(text, *arguments)
        self._done(load_balancer_id, is_settled=False, retry_after=wait)

    def _done(
        self,
        load_balancer_id: str,
        *,
        is_settled: bool,
        did_something: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        self._work_queue.done(
            load_balancer_id,
            time.monotonic(),
            is_settled=is_settled,
            did_something=did_something,
            retry_after=retry_after,
        )

    def _start_chores(self, now: float) -> None:
        for chore in self._housekeeping.take_due(now, self._coordination.owns):
            self._workers.submit(self._do_chore, chore, now)

    def _do_chore(self, chore: Chore, now: float) -> None:
        try:
            self._housekeeping.run(chore, now)
        except AnycastError as e:
            LOG.warning("Housekeeping, %s: %s", chore, e)
        except Exception:
            LOG.exception("Housekeeping, %s, failed.", chore)
