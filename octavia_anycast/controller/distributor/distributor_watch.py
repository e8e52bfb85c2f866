# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The watch over distributors: notices PENDING_*, has them brought on.

Every controller wakes its own load balancers when a distributor changes;
one, under the distributor's lock, looks how far the change has come.

Layer: controller. It decides nothing.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor

from oslo_log import log as logging

from octavia_anycast.controller.distributor.distributor_lifecycle import (
    DistributorLifecycle,
)
from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.db.distributor import lifecycle
from octavia_anycast.model.errors import AnycastError, Retryable

LOG = logging.getLogger(__name__)
STATUS_SECONDS = 5.0
ERROR_LOOK_SECONDS = 15.0
PENDING_LOOK_SECONDS = 0.9
STEAL_AFTER_SECONDS = 5.0
FAILED_WAIT_SECONDS = 5.0
STATUSES = "distributor-statuses"


class DistributorWatch:
    """Polled by the daemon; works in its threads."""

    def __init__(
        self,
        distributors: DistributorLifecycle,
        *,
        coordination: Coordination,
        workers: Executor,
        wake: Callable[[str], None],
    ) -> None:
        self._distributors = distributors
        self._coordination = coordination
        self._workers = workers
        self._wake = wake
        self._seen: dict[str, tuple[str, float]] = {}  # status, since
        self._due: dict[str, float] = {}
        self._running: set[str] = set()
        self._status_due = 0.0
        self._guard = threading.Lock()

    def poll(self, now: float) -> None:
        """Notice and hand out; one query, more if there is something.

        :param now: seconds of a clock that only goes forward
        :raises Retryable: the database did not answer.
        """
        found = self._distributors.pending()
        for distributor_id, status in found.items():
            before, since = self._seen.get(distributor_id, ("", now))
            if before != status:
                since = now
                self._begin(distributor_id, status, now)
            self._seen[distributor_id] = status, since
            is_left = now - since > STEAL_AFTER_SECONDS
            if is_left or self._coordination.owns(distributor_id):
                self._hand_out(distributor_id, status, now)
        for gone in set(self._seen) - set(found):
            del self._seen[gone]
            self._due.pop(gone, None)
        self._report(now)

    def _begin(self, distributor_id: str, status: str, now: float) -> None:
        self._due[distributor_id] = now
        if status == lifecycle.PENDING_UPDATE:
            for load_balancer_id in self._distributors.users(distributor_id):
                self._wake(load_balancer_id)

    def _hand_out(self, distributor_id: str, status: str, now: float) -> None:
        with self._guard:
            is_busy = distributor_id in self._running
            if is_busy or self._due.get(distributor_id, now) > now:
                return
            self._running.add(distributor_id)
        is_failed = status == lifecycle.ERROR
        wait = ERROR_LOOK_SECONDS if is_failed else PENDING_LOOK_SECONDS
        self._due[distributor_id] = now + wait
        self._workers.submit(self._work, distributor_id, now)

    def _work(self, distributor_id: str, now: float) -> None:
        try:
            with self._coordination.lock(distributor_id) as is_held:
                if is_held:
                    self._distributors.reconcile(distributor_id)
        except AnycastError as e:
            wait = FAILED_WAIT_SECONDS
            if isinstance(e, Retryable):
                wait = max(e.after_seconds, 1.0)
            LOG.warning("Distributor %s: %s", distributor_id, e)
            self._due[distributor_id] = now + wait
        except Exception:
            LOG.exception("Distributor %s", distributor_id)
            self._due[distributor_id] = now + FAILED_WAIT_SECONDS
        finally:
            with self._guard:
                self._running.discard(distributor_id)

    def _report(self, now: float) -> None:
        """Have the operating statuses written, by one controller."""
        if now < self._status_due:
            return
        self._status_due = now + STATUS_SECONDS
        if self._coordination.owns(STATUSES):
            self._workers.submit(self._write_statuses)

    def _write_statuses(self) -> None:
        try:
            with self._coordination.lock(STATUSES) as is_held:
                if is_held:
                    self._distributors.report()
        except AnycastError as e:
            LOG.warning("The statuses of distributors: %s", e)
        except Exception:
            LOG.exception("The statuses of distributors")
