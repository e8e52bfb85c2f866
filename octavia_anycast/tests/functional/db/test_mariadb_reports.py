# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Reports on a private MariaDB: many writers, and sums of it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from octavia_anycast.db import heartbeat, mapping
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.models import AmphoraReport
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.errors import Retryable
from octavia_anycast.tests.functional.db import test_mariadb
from octavia_anycast.tests.functional.db.test_reports import NOW, make_report

pytestmark = test_mariadb.pytestmark
server = test_mariadb.server
database = test_mariadb.database
DEADLINE_SECONDS = test_mariadb.DEADLINE_SECONDS
IDS = [f"a{number}" for number in range(8)]


@pytest.fixture
def filled(database):
    """Eight amphorae of one load balancer."""
    with database.transaction() as session:
        for amphora_id in IDS:
            amphorae.create(
                session,
                AmphoraRecord(
                    id=amphora_id,
                    load_balancer_id="lb",
                    status=AmphoraStatus.ALLOCATED,
                    status_since=NOW,
                ),
            )
            registrations.register(
                session,
                amphora_id,
                load_balancer_id="lb",
                distributor_id="d",
                speaker_ids=[],
            )
    return database


def test_writers_of_all_rows_in_order_do_not_deadlock(filled):
    """A reconcile and the receiver of heartbeats, again and again."""

    def reconcile(number):
        moment = NOW + timedelta(seconds=number)
        with filled.transaction() as session:
            assert heartbeat.touch_all(session, IDS[::-1], moment) == set(IDS)
            for amphora_id in sorted(IDS):
                up = make_report(amphora_id, SessionState.ESTABLISHED)
                reports.save(session, amphora_id, up, moment)

    def beat(number):
        with filled.transaction() as session:
            # The same time again: the rows are there, though none changes.
            assert heartbeat.touch_all(session, IDS, NOW) == set(IDS)

    reconcile(0)  # one makes the rows: the others meet there
    with ThreadPoolExecutor(8) as threads:
        done = [
            threads.submit(work, number)
            for number in range(20)
            for work in (reconcile, beat)
        ]
        for one in done:
            one.result()

    with filled.transaction() as session:
        assert len(reports.list_for_distributor(session, "d")) == len(IDS)


def test_confirmations_meet_reports_without_deadlock(filled):
    """The receiver of heartbeats confirms what reconciles write."""

    def reconcile(number):
        moment = NOW + timedelta(seconds=number)
        with filled.transaction() as session:
            heartbeat.touch_all(session, IDS, moment)
            for amphora_id in IDS:
                up = make_report(amphora_id, SessionState.ESTABLISHED)
                assert reports.save(session, amphora_id, up, moment)

    def confirm(number):
        with filled.transaction() as session:
            some = IDS[number % 3 :: 2]
            reports.confirm(session, some, NOW + timedelta(seconds=number))

    reconcile(0)
    with ThreadPoolExecutor(8) as threads:
        done = [
            threads.submit(work, number)
            for number in range(1, 20)
            for work in (reconcile, confirm)
        ]
        for one in done:
            one.result()

    confirm(100)
    with filled.transaction() as session:
        found = reports.list_for_distributor(session, "d")
    latest = NOW + timedelta(seconds=100)
    assert [one.amphora_id for one in found if one.reported_at == latest] == (
        IDS[1::2]
    )


@pytest.mark.parametrize("kind", ["heard of", "report"])
def test_first_rows_do_not_wait_for_each_other(filled, kind):
    """Of other amphorae, in transactions of other load balancers."""

    def write(session, amphora_id):
        if kind == "heard of":
            assert heartbeat.touch_all(session, [amphora_id], NOW)
        else:
            up = make_report(amphora_id, SessionState.ESTABLISHED)
            assert reports.save(session, amphora_id, up, NOW)

    def write_alone(amphora_id):
        with filled.transaction() as session:
            write(session, amphora_id)

    with (
        ThreadPoolExecutor(1) as threads,
        filled.transaction() as session,
    ):
        write(session, "a2")
        for other in ("a1", "a3"):
            threads.submit(write_alone, other).result(timeout=DEADLINE_SECONDS)
        write(session, "a4")


def test_a_deadlock_in_a_savepoint_is_to_be_tried_again(filled):
    """MariaDB ends the transaction, so there is no savepoint any more."""
    locked = threading.Barrier(2, timeout=DEADLINE_SECONDS)

    def meet(amphora_id):
        row = AmphoraReport(
            amphora_id=amphora_id,
            reported_at=NOW,
            session_count=0,
            established_count=0,
            report=make_report(amphora_id),
        )
        with filled.transaction() as session:
            # There is none: this locks the gap, in which neither may insert.
            session.execute(
                select(AmphoraReport.amphora_id)
                .where(AmphoraReport.amphora_id == amphora_id)
                .with_for_update()
            )
            locked.wait()
            mapping.insert(session, row)

    with ThreadPoolExecutor(2) as threads:
        meetings = [threads.submit(meet, one) for one in ("a1", "a2")]
        ends = [meeting.exception() for meeting in meetings]

    (lost,) = [end for end in ends if end is not None]
    assert isinstance(lost, Retryable)


def test_sums_are_numbers(filled):
    with filled.transaction() as session:
        assert reports.session_counts(session, NOW) == {}
        up, down = SessionState.ESTABLISHED, SessionState.ACTIVE
        reports.save(session, "a0", make_report("a0", up, down), NOW)
        earlier = NOW - timedelta(microseconds=1)
        reports.save(session, "a1", make_report("a1", up), earlier)
        counts = reports.session_counts(session, NOW)
    assert counts == {"d": reports.SessionCounts(total=3, established=1)}
    assert type(counts["d"].total) is int
