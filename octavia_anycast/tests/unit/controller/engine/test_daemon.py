# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Who works on what, and when; without its loop, so nothing polls."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from octavia_anycast.controller.engine.daemon import Daemon
from octavia_anycast.controller.engine.work_queue import (
    Backlog,
    Kind,
    Result,
)
from octavia_anycast.model.errors import Retryable

DEADLINE_SECONDS = 10
WORKERS = 2


class Everything:
    """All load balancers are ours, and nobody else works on them."""

    def owns(self, name):
        return True

    @contextmanager
    def lock(self, name):
        yield True


class Reconciler:
    """Counts; may be held up."""

    kind = Kind(
        noun="load balancer",
        threads=WORKERS,
        busy=3600,
        busy_max=3600,
        resync=3600,
        failed=2,
    )

    def __init__(self):
        self.looked = []
        self.failing = set()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.is_over = threading.Semaphore(0)
        self.most = self._now = 0
        self._lock = threading.Lock()

    def reconcile(self, name):
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        assert self.may_go_on.wait(DEADLINE_SECONDS)
        with self._lock:
            self._now -= 1
            self.looked.append(name)
        self.is_over.release()
        if name in self.failing:
            raise Retryable("not today")
        return Result(is_settled=True)

    def await_looks(self, count):
        for _ in range(count):
            assert self.is_over.acquire(timeout=DEADLINE_SECONDS)


@pytest.fixture
def reconciler():
    return Reconciler()


@pytest.fixture
def daemon(reconciler):
    with ThreadPoolExecutor(WORKERS) as workers:
        daemon = Daemon(
            reconciler,
            coordination=Everything(),
            workers=workers,
            poll_interval=3600,
        )
        yield daemon
        daemon.stop()
        reconciler.may_go_on.set()


def wake(daemon, names):
    *most, last = names
    for name in most:
        daemon.wake(name)
    daemon.wake_at_once(last)


def test_a_worker_goes_on_with_the_next_one_without_a_poll(daemon, reconciler):
    names = [f"lb-{number:02}" for number in range(40)]

    wake(daemon, names)
    reconciler.await_looks(len(names))

    assert sorted(reconciler.looked) == names
    assert reconciler.most <= WORKERS


def test_one_that_fails_holds_up_nobody(daemon, reconciler):
    reconciler.failing = {"lb-0", "lb-1"}
    names = [f"lb-{number}" for number in range(8)]

    wake(daemon, names)
    reconciler.await_looks(len(names))

    assert sorted(reconciler.looked) == names


def test_whoever_stops_begins_nothing_more(daemon, reconciler):
    reconciler.may_go_on.clear()
    wake(daemon, [f"lb-{number}" for number in range(8)])

    daemon.stop()
    reconciler.may_go_on.set()
    reconciler.await_looks(WORKERS)

    assert not reconciler.is_over.acquire(timeout=0.2)
    assert len(reconciler.looked) == WORKERS


class Turns:
    """A loop's event: it is set after so many rounds, and a minute each."""

    def __init__(self, count):
        self.left = count
        self.now = 1000.0

    def wait(self, seconds):
        self.now += 60.0
        self.left -= 1
        return self.left < 0

    def set(self):
        self.left = 0


def test_it_is_known_when_the_loop_last_came_round(reconciler):
    turns = Turns(2)
    reconciler.pending = lambda wake: {}
    ours = Everything()
    ours.refresh = lambda: None
    daemon = Daemon(
        reconciler,
        coordination=ours,
        workers=None,
        poll_interval=1,
        clock=lambda: turns.now,
    )
    turns.now += 5.0
    assert daemon.idle_seconds() == 5.0
    daemon._stop = turns
    daemon.run()
    # A minute after the second of two rounds it was asked to end.
    assert daemon.idle_seconds() == 60.0
    assert daemon.backlogs() == {"load_balancer": Backlog()}
