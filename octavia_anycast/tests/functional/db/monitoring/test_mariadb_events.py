# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Events on a private MariaDB: what comes back, and several at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from octavia_anycast.db import listing
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.monitoring import events
from octavia_anycast.model.errors import Retryable
from octavia_anycast.model.monitoring.event import (
    CAUSE_LENGTH,
    Event,
    EventKind,
    Mark,
    Owner,
)
from octavia_anycast.planning.events import in_order
from octavia_anycast.tests.functional.db import test_mariadb
from octavia_anycast.tests.functional.db import test_records as records
from octavia_anycast.tests.functional.db.monitoring import test_events

pytestmark = test_mariadb.pytestmark
server = test_mariadb.server
database = test_mariadb.database
DEADLINE_SECONDS = test_mariadb.DEADLINE_SECONDS
NOW = records.NOW
EVERYTHING = test_events.EVERYTHING
A, B, OWN = test_events.A, test_events.B, test_events.OWN


def page(database, request=EVERYTHING, **scope):
    with database.transaction() as session:
        return events.page(session, events.Scope(**scope), request)


def test_they_come_back_whole_and_in_order(database):
    causes = ["🕸" * CAUSE_LENGTH, "' OR 1=1; --", "\\", "", "ÿ\u0000\n"]
    told = in_order(
        [
            Event(
                kind=EventKind.GATE_CLOSED,
                at=NOW,
                owner=replace(A, project_id="p"),
                cause=cause,
                amphora_id="a1",
                availability_zone="Zone 🕸",
            )
            for cause in causes
        ]
    )
    with database.transaction() as session:
        events.add(session, told)
    found = page(database, load_balancer_id="a")
    assert [one.cause for one in found] == causes[::-1]
    assert [one.created_at for one in found] == [
        one.at for one in reversed(told)
    ]
    assert {one.availability_zone for one in found} == {"Zone 🕸"}


def test_filters_and_pages(database):
    with database.transaction() as session:
        events.add(session, test_events.make(7, A))
        events.add(session, test_events.make(3, OWN))
    first = page(database, replace(EVERYTHING, limit=4), load_balancer_id="a")
    rest = page(
        database,
        replace(EVERYTHING, limit=4, marker=first[-1].id),
        load_balancer_id="a",
    )
    assert [one.to_state for one in first + rest] == list("0123456")
    some = page(database, listing.Request(filters={"to_state": ("2",)}))
    assert {one.load_balancer_id for one in some} == {"a", None}
    since = NOW - timedelta(seconds=1)
    assert len(page(database, distributor_id="d", since=since)) == 4
    assert len(page(database, distributor_id="d", until=since)) == 6


def test_marks_come_back(database):
    told = {"gate": Mark("open", 5.25, 6, 2), "session:🕸": Mark("up")}
    with database.transaction() as session:
        distributors.create(
            session, records.make_distributor(), records.CIPHER
        )
        clusters.create(session, records.make_cluster())
        amphorae.create(session, replace(records.WHOLE, load_balancer_id="lb"))
        amphorae.update(session, records.WHOLE.id, told=told)
        clusters.update(session, "lb", told=told)
    with database.transaction() as session:
        (amphora,) = amphorae.list_for(session, "lb")
        (cluster,) = clusters.list_all(session)
    assert amphora.told == cluster.told == told


@pytest.mark.parametrize("owner", [A, OWN])
def test_purge_by_number_and_by_age(database, owner):
    week = test_events.WEEK + timedelta(seconds=1)
    with database.transaction() as session:
        events.add(session, test_events.make(1200, owner))
        events.add(session, test_events.make(600, owner, age=week))
        events.add(session, test_events.make(4, B))
    with database.transaction() as session:
        assert test_events.purge(session, 5) == 1195 + 600
    with database.transaction() as session:
        assert test_events.kept(session, load_balancer_id="b") == [0, 1, 2, 3]
        assert len(test_events.kept(session)) == 9


def test_controllers_write_while_one_purges(database):
    """Who loses its transaction does it again; no event is lost or doubled."""
    owners = [
        Owner(distributor_id="d", load_balancer_id=f"lb-{number}")
        for number in range(6)
    ]
    is_over = threading.Event()

    def again(work):
        for _ in range(5):
            with suppress(Retryable):
                return database.transact(work)
        raise AssertionError("it lost its transaction fifteen times")

    def write(owner):
        for _ in range(40):
            made = test_events.make(5, owner)
            again(lambda session, made=made: events.add(session, made))

    def purge():
        removed = 0
        while not is_over.is_set():
            with database.transaction() as session:
                found = events.to_purge(session, NOW - timedelta(days=7), 20)
            for condition in found:
                counts = []
                again(
                    lambda session, one=condition, counts=counts: (
                        counts.append(events.remove_some(session, one))
                    )
                )
                removed += counts[-1]
        return removed

    with ThreadPoolExecutor(len(owners) + 1) as threads:
        purging = threads.submit(purge)
        try:
            writing = [threads.submit(write, owner) for owner in owners]
            for one in writing:
                one.result(DEADLINE_SECONDS)
        finally:
            is_over.set()
        removed = purging.result(DEADLINE_SECONDS)
    with database.transaction() as session:
        everything = events.to_purge(session, NOW + timedelta(days=1), 1)
        assert events.count(session, everything[0]) == 6 * 40 * 5 - removed
