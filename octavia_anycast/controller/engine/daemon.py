# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The daemon: polls, hands work out to threads, stops cleanly.

Layer: controller. It decides nothing. The poll is a constant number of
queries, however many load balancers there are.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor

from oslo_log import log as logging

from octavia_anycast.controller.engine.coordination import Coordination
from octavia_anycast.controller.engine.lane import Clock, Lane, attempt
from octavia_anycast.controller.engine.work_queue import Reconciler

LOG = logging.getLogger(__name__)
REFRESH_SECONDS = 2.0
FAILED_WAIT_SECONDS = 2.0


class Daemon:
    """Runs every reconciler over what of it is this controller's.

    :param clusters: the load balancers, which others may wake
    :param others: all other kinds of work
    :param poll_interval: seconds
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
    ) -> None:
        self._coordination = coordination
        self._poll_interval = poll_interval
        self._clock = clock
        self._lanes = [
            Lane(reconciler, coordination, workers, clock)
            for reconciler in (clusters, *others)
        ]
        self._clusters = self._lanes[0]
        self._stop = threading.Event()
        self._refresh_due = 0.0

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._stop.set()
        for lane in self._lanes:
            lane.close()

    def is_stopping(self) -> bool:
        """Whether the loop is to end."""
        return self._stop.is_set()

    def wake(self, load_balancer_id: str) -> None:
        """Look at this load balancer at once, if it is ours."""
        self._clusters.wake(load_balancer_id)

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
