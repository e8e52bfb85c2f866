# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A lane: one kind of work, its queue, and the threads that it may use.

A slow key holds up one thread of its own kind and nobody else.

Layer: controller. It decides nothing: that is the reconciler's plan.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor

from oslo_log import log as logging

from octavia_anycast import log_lines
from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.controller.engine.work_queue import (
    Reconciler,
    Result,
    WorkQueue,
)
from octavia_anycast.model.errors import AnycastError

LOG = logging.getLogger(__name__)
Clock = Callable[[], float]


def attempt(what: str, work: Callable[[], object]) -> bool:
    """Run one round of a thread that must not end; whether it worked.

    :param what: the work, for the log
    """
    try:
        work()
    except AnycastError as e:
        LOG.warning("%s: %s", what, e)
    except Exception:
        LOG.exception("%s", what)
    else:
        return True
    return False


class Lane:
    """Has all keys of one kind reconciled, each under its lock.

    :param clock: seconds of a clock that only goes forward
    """

    def __init__(
        self,
        reconciler: Reconciler,
        coordination: Coordination,
        workers: Executor,
        clock: Clock = time.monotonic,
    ) -> None:
        self._reconciler = reconciler
        self._coordination = coordination
        self._workers = workers
        self._clock = clock
        self._kind = reconciler.kind
        self._queue = WorkQueue(self._kind, coordination.owns)
        self._free = self._kind.threads
        self._guard = threading.Lock()
        self._is_closed = False
        self._notice_due = 0.0

    def close(self) -> None:
        """Begin no more work."""
        self._is_closed = True

    def wake(self, key: str) -> None:
        """Look at this one at once, if it is ours."""
        if self._coordination.owns(key):
            self._queue.wake(key, self._clock())

    def notice(self, wake: Callable[[str], None]) -> None:
        """Read what is pending, if that is due.

        :param wake: has a load balancer looked at
        :raises AnycastError: the database does not answer.
        """
        now = self._clock()
        if now >= self._notice_due:
            self._queue.see(self._reconciler.pending(wake), now)
            self._notice_due = now + self._kind.notice

    def hand_out(self) -> None:
        """Give work to the free threads; any thread may call it."""
        if self._is_closed:
            return
        with self._guard:
            due = self._queue.take_due(self._clock(), self._free)
            self._free -= len(due)
        for key in due:
            self._workers.submit(self._work, key)

    def _work(self, key: str) -> None:
        try:
            with log_lines.kept():
                self._reconcile(key)
        finally:
            with self._guard:
                self._free += 1
            # Not at the next poll: that would be so many looks a poll.
            self.hand_out()

    def _reconcile(self, key: str) -> None:
        try:
            lock = self._coordination.lock(f"{self._kind.lock_prefix}{key}")
            with lock as is_held:
                if is_held:
                    result = self._reconciler.reconcile(key)
                else:
                    LOG.debug(
                        "Somebody else is at %s %s.", self._kind.noun, key
                    )
                    result = Result()
        except Exception as e:  # noqa: BLE001 - the thread has to live
            self._postpone(key, e)
        else:
            self._queue.done(key, self._clock(), result)

    def _postpone(self, key: str, error: Exception) -> None:
        """Have the key tried again later, and log why."""
        wait = self._queue.failed(key, self._clock(), error)
        log = LOG.warning if isinstance(error, AnycastError) else LOG.exception
        log(
            "The work on %s %s failed; again in %.0f s: %s",
            self._kind.noun,
            key,
            wait,
            error,
        )
