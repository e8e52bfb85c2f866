# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The daemon: polls, hands work out to threads, stops cleanly.

A lane is one kind of work, its queue, and the threads that it may use. A slow
key holds up one thread of its own kind and nobody else.

Layer: controller. It decides nothing. The poll is a constant number of
queries, however many load balancers there are.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from oslo_log import log as logging

from octavia_anycast import log_lines
from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.controller.engine.work_queue import (
    Backlog,
    Prompt,
    Reconciler,
    Result,
    WorkQueue,
)
from octavia_anycast.controller.meter import NO_METER, Ending, Meter
from octavia_anycast.model.errors import AnycastError

LOG = logging.getLogger(__name__)
REFRESH_SECONDS = 2.0
FAILED_WAIT_SECONDS = 2.0
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
    :param meter: is told of each reconcile
    """

    def __init__(
        self,
        reconciler: Reconciler,
        coordination: Coordination,
        workers: Executor,
        clock: Clock = time.monotonic,
        meter: Meter = NO_METER,
    ) -> None:
        self._reconciler = reconciler
        self._prompt = reconciler if isinstance(reconciler, Prompt) else None
        self._coordination = coordination
        self._workers = workers
        self._clock = clock
        self._meter = meter
        self._kind = reconciler.kind
        self._queue = WorkQueue(self._kind, coordination.owns)
        self._free = self._kind.threads
        self._guard = threading.Lock()
        self._is_closed = False
        self._notice_due = 0.0

    def close(self) -> None:
        """Begin no more work."""
        self._is_closed = True

    @property
    def label(self) -> str:
        """The kind of work, for metrics."""
        return self._kind.metric_label

    def backlog(self) -> Backlog:
        """Count what is to be done now."""
        return self._queue.backlog(self._clock())

    def wake(self, key: str, *, is_urgent: bool = True) -> None:
        """Look at this one at once, if it is ours."""
        if self._coordination.owns(key):
            self._queue.wake(key, self._clock(), is_urgent=is_urgent)

    def notice(self, wake: Callable[[str], None]) -> None:
        """Read what is pending, if that is due or if there is news.

        :param wake: has a load balancer looked at
        :raises AnycastError: the database does not answer.
        """
        now = self._clock()
        if now >= self._notice_due or self._has_news():
            self._queue.see(self._reconciler.pending(wake), now)
            self._notice_due = now + self._kind.notice

    def _has_news(self) -> bool:
        return self._prompt is not None and self._prompt.has_news()

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
                began = self._clock()
                ending = self._reconcile(key)
                took = self._clock() - began
            self._meter.reconciled(self.label, ending, took)
        finally:
            with self._guard:
                self._free += 1
            # Not at the next poll: that would be so many looks a poll.
            self.hand_out()

    def _reconcile(self, key: str) -> Ending:
        try:
            lock = self._coordination.lock(f"{self._kind.lock_prefix}{key}")
            with lock as is_held:
                if is_held:
                    result = self._reconciler.reconcile(key)
                    ending = _ending(result)
                else:
                    LOG.debug(
                        "Another process works on %s %s.",
                        self._kind.noun,
                        key,
                    )
                    result, ending = Result(), Ending.BUSY
        except Exception as e:  # noqa: BLE001 - the thread has to live
            self._postpone(key, e)
            is_ours = isinstance(e, AnycastError)
            return Ending.FAILED if is_ours else Ending.CRASHED
        self._queue.done(key, self._clock(), result)
        return ending

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


def _ending(result: Result) -> Ending:
    if result.is_gone:
        return Ending.GONE
    if result.is_settled:
        return Ending.SETTLED
    return Ending.ACTED if result.did_something else Ending.WAITING


class Daemon:
    """Runs every reconciler over what of it is this controller's.

    :param clusters: the load balancers, which others may wake
    :param others: all other kinds of work
    :param poll_interval: seconds
    :param meter: is told of each reconcile
    """

    def __init__(
        self,
        clusters: Reconciler,
        others: Sequence[Reconciler] = (),
        *,
        coordination: Coordination,
        workers: Executor,
        poll_interval: float,
        clock: Clock = time.monotonic,
        meter: Meter = NO_METER,
    ) -> None:
        self._coordination = coordination
        self._poll_interval = poll_interval
        self._clock = clock
        self._lanes = [
            Lane(reconciler, coordination, workers, clock, meter)
            for reconciler in (clusters, *others)
        ]
        self._clusters = self._lanes[0]
        self._stop = threading.Event()
        self._refresh_due = 0.0
        self._came_round_at = clock()

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._stop.set()
        for lane in self._lanes:
            lane.close()

    def is_stopping(self) -> bool:
        """Whether the loop is to end."""
        return self._stop.is_set()

    def idle_seconds(self) -> float:
        """For how long the loop has not come round."""
        return self._clock() - self._came_round_at

    def backlogs(self) -> dict[str, Backlog]:
        """Kind of work -> what is to be done now."""
        return {lane.label: lane.backlog() for lane in self._lanes}

    def wake(self, load_balancer_id: str) -> None:
        """Look at this load balancer at once, if it is ours."""
        self._clusters.wake(load_balancer_id)

    def look_at(self, load_balancer_id: str) -> None:
        """Look at it at once, but not before what users have changed.

        A fabric that goes down is news of each load balancer.
        """
        self._clusters.wake(load_balancer_id, is_urgent=False)

    def wake_at_once(self, load_balancer_id: str) -> None:
        """The same, without waiting for the next poll."""
        self.wake(load_balancer_id)
        self._clusters.hand_out()

    def run(self) -> None:
        """Run until :meth:`stop`; lives through every failure below."""
        wait = 0.0
        while not self._stop.wait(wait):
            is_done = attempt("The poll failed", self.poll)
            wait = self._poll_interval if is_done else FAILED_WAIT_SECONDS
            for lane in self._lanes:
                lane.hand_out()
            self._came_round_at = self._clock()
        LOG.info("Stopping; waiting for the work under way.")

    def poll(self) -> None:
        """Notice who came and went, and what is to be done.

        :raises AnycastError: the database does not answer.
        """
        now = self._clock()
        if now >= self._refresh_due:
            self._coordination.refresh()
            self._refresh_due = now + REFRESH_SECONDS
        for lane in self._lanes:
            lane.notice(self.wake)
