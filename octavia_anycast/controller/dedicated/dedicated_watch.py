# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The watch over distributors' own amphorae: has them looked at when due.

At once after a change, often while something is under way, and at each
resync.

Layer: controller. It decides nothing.
"""

import threading
from concurrent.futures import Executor

from oslo_log import log as logging

from octavia_anycast.controller.dedicated.dedicated import DedicatedAmphorae
from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.model.errors import AnycastError

LOG = logging.getLogger(__name__)
BUSY_LOOK_SECONDS = 0.9
FAILED_WAIT_SECONDS = 5.0
STEAL_AFTER_SECONDS = 5.0


class DedicatedWatch:
    """Polled by the daemon; works in its threads."""

    def __init__(
        self,
        amphorae: DedicatedAmphorae,
        *,
        coordination: Coordination,
        workers: Executor,
        resync_interval: float,
    ) -> None:
        self._amphorae = amphorae
        self._coordination = coordination
        self._workers = workers
        self._resync = resync_interval
        self._marks: dict[str, str] = {}
        self._due: dict[str, float] = {}
        self._running: set[str] = set()
        self._guard = threading.Lock()

    def poll(self, now: float) -> None:
        """Notice and hand out; three queries, or ten if any is registered.

        :param now: seconds of a clock that only goes forward
        :raises Retryable: the database did not answer.
        """
        versions = self._amphorae.row_versions()
        with self._guard:
            for gone in set(self._due) - set(versions):
                del self._due[gone]
            for distributor_id, version in versions.items():
                if self._marks.get(distributor_id) != version:
                    self._due[distributor_id] = now
            self._marks = versions
            due = [
                distributor_id
                for distributor_id in versions
                if self._is_due(distributor_id, now)
            ]
            for distributor_id in due:
                self._running.add(distributor_id)
                self._due[distributor_id] = now + self._resync
        for distributor_id in due:
            self._workers.submit(self._work, distributor_id, now)

    def _is_due(self, distributor_id: str, now: float) -> bool:
        """Whether it is; another controller's, if that one is late."""
        if distributor_id in self._running:
            return False
        due = self._due.setdefault(distributor_id, now)
        if not self._coordination.owns(distributor_id):
            due += STEAL_AFTER_SECONDS + self._resync
        return due <= now

    def _work(self, distributor_id: str, now: float) -> None:
        wait = FAILED_WAIT_SECONDS
        try:
            with self._coordination.lock(
                f"dedicated-{distributor_id}"
            ) as held:
                if held:
                    found = self._amphorae.reconcile(distributor_id)
                    wait = (
                        self._resync
                        if found.is_settled
                        else max(BUSY_LOOK_SECONDS, found.retry_after_seconds)
                    )
        except AnycastError as e:
            LOG.warning("Distributor %s: %s", distributor_id, e)
        except Exception:
            LOG.exception("Distributor %s", distributor_id)
        finally:
            with self._guard:
                self._running.discard(distributor_id)
                if distributor_id in self._due:
                    # A change meanwhile has made it due already.
                    self._due[distributor_id] = min(
                        self._due[distributor_id], now + wait
                    )
