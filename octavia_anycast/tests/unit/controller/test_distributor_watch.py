# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Who looks at which distributor, and when; time is a number."""

from contextlib import contextmanager

import pytest

from octavia_anycast.controller.distributor.distributor_watch import (
    ERROR_LOOK_SECONDS,
    STATUS_SECONDS,
    STATUSES,
    STEAL_AFTER_SECONDS,
    DistributorWatch,
)
from octavia_anycast.model.errors import Retryable


class Distributors:
    """The lifecycle, without a database."""

    def __init__(self):
        self.unsettled = {}
        self.looked = []
        self.reports = 0
        self.failure = None

    def pending(self):
        return dict(self.unsettled)

    def users(self, distributor_id):
        return [f"lb-of-{distributor_id}"]

    def reconcile(self, distributor_id):
        self.looked.append(distributor_id)
        if self.failure:
            raise self.failure
        return True

    def report(self):
        self.reports += 1


class Coordination:
    """The other controllers: what they own and what they hold."""

    def __init__(self):
        self.foreign = set()
        self.held = set()

    def owns(self, name):
        return name not in self.foreign

    @contextmanager
    def lock(self, name):
        yield name not in self.held


class Workers:
    """Threads that are as quick as one likes."""

    def submit(self, work, *arguments):
        work(*arguments)


class Stage:
    def __init__(self):
        self.distributors = Distributors()
        self.coordination = Coordination()
        self.woken = []
        self.watch = DistributorWatch(
            self.distributors,
            coordination=self.coordination,
            workers=Workers(),
            wake=self.woken.append,
        )

    def poll(self, *moments):
        for now in moments:
            self.watch.poll(now)


@pytest.fixture
def stage():
    return Stage()


def test_a_new_one_is_looked_at_at_once(stage):
    stage.distributors.unsettled = {"d": "PENDING_CREATE"}
    stage.poll(100.0)
    assert stage.distributors.looked == ["d"]
    assert stage.woken == []


def test_a_change_wakes_the_load_balancers_once(stage):
    stage.distributors.unsettled = {"d": "PENDING_UPDATE"}
    stage.poll(100.0, 100.5, 101.0)
    assert stage.woken == ["lb-of-d"]
    assert stage.distributors.looked == ["d", "d"]
    # Settled in between: the next change is another one.
    stage.distributors.unsettled = {}
    stage.poll(101.5)
    stage.distributors.unsettled = {"d": "PENDING_UPDATE"}
    stage.poll(102.0)
    assert stage.woken == ["lb-of-d", "lb-of-d"]


def test_every_controller_wakes_its_own_but_one_looks(stage):
    stage.coordination.foreign = {"d"}
    stage.distributors.unsettled = {"d": "PENDING_UPDATE"}
    stage.poll(100.0, 101.0)
    assert stage.woken == ["lb-of-d"]
    assert stage.distributors.looked == []
    # Its own controller does not get to it.
    stage.poll(101.0 + STEAL_AFTER_SECONDS)
    assert stage.distributors.looked == ["d"]


def test_one_that_somebody_holds_is_left_alone(stage):
    stage.coordination.held = {"d"}
    stage.distributors.unsettled = {"d": "PENDING_CREATE"}
    stage.poll(100.0)
    assert stage.distributors.looked == []


def test_an_error_is_looked_at_now_and_then(stage):
    stage.distributors.unsettled = {"d": "ERROR"}
    stage.poll(*(100.0 + n / 2 for n in range(int(4 * ERROR_LOOK_SECONDS))))
    assert len(stage.distributors.looked) == 2


@pytest.mark.parametrize(
    "failure", [Retryable("out", after_seconds=7.0), RuntimeError("bug")]
)
def test_a_failure_is_waited_for(stage, failure):
    stage.distributors.failure = failure
    stage.distributors.unsettled = {"d": "PENDING_CREATE"}
    stage.poll(100.0, 101.0, 104.0)
    assert stage.distributors.looked == ["d"]
    stage.poll(108.0)
    assert stage.distributors.looked == ["d", "d"]


def test_statuses_are_written_by_one_now_and_then(stage):
    stage.poll(100.0, 101.0, 100.0 + STATUS_SECONDS)
    assert stage.distributors.reports == 2
    stage.coordination.foreign = {STATUSES}
    stage.poll(200.0)
    assert stage.distributors.reports == 2
