# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Reports of agents: kept, replaced, counted, and gone with their amphora."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from sqlalchemy import text

from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.models import AmphoraReport
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    ListenerSocket,
    PathReport,
    PathState,
    Report,
    SessionReport,
)

NOW = datetime(2026, 11, 22, 21, 0, 0, 5, tzinfo=UTC)
VIP = ip_address("198.51.100.10")


def make_report(amphora_id, *states):
    return Report(
        amphora_id=amphora_id,
        digest="d",
        revision="r",
        gate=GateReport(state=GateState.UP, reason="", since=NOW),
        speaker_is_running=True,
        frontend_is_up=True,
        listeners=(ListenerSocket(listener_id="l", ip_address=VIP, port=80),),
        sessions=tuple(
            SessionReport(
                peer_id=f"p{n}",
                peer_ip=ip_address(f"172.31.0.{n}"),
                state=state,
                since=NOW,
            )
            for n, state in enumerate(states, start=1)
        ),
        paths=(
            PathReport(
                vip_ip=VIP,
                nexthop_ip=ip_address("10.1.0.5"),
                peer_id="p1",
                state=PathState.ADVERTISED,
                reason="",
            ),
        ),
        connections={str(VIP): 3},
    )


@pytest.fixture
def session(database):
    with database.transaction() as session:
        for number in (1, 2, 3):
            amphora_id = f"a{number}"
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
                distributor_id="near" if number < 3 else "far",
                speaker_ids=[],
            )
        yield session


def test_a_report_comes_back_without_its_listeners(session):
    report = make_report("a1", SessionState.ESTABLISHED)

    assert reports.save(session, "a1", report, NOW)

    (stored,) = reports.list_for_distributor(session, "near")
    assert stored.amphora_id == "a1"
    assert stored.load_balancer_id == "lb"
    assert stored.reported_at == NOW
    assert stored.report == replace(report, listeners=())


def test_the_next_report_replaces_the_last(session):
    later = NOW + timedelta(seconds=10)
    reports.save(session, "a1", make_report("a1", SessionState.IDLE), NOW)
    reports.save(session, "a1", make_report("a1"), later)

    (stored,) = reports.list_for_distributor(session, "near")

    assert stored.reported_at == later
    assert stored.report.sessions == ()


def test_sessions_are_counted_by_distributor(session):
    up, down = SessionState.ESTABLISHED, SessionState.ACTIVE
    reports.save(session, "a1", make_report("a1", up, down), NOW)
    reports.save(session, "a2", make_report("a2", up), NOW)
    reports.save(session, "a3", make_report("a3", down), NOW)

    counts = reports.session_counts(session, NOW)

    assert counts == {
        "near": reports.SessionCounts(total=3, established=2),
        "far": reports.SessionCounts(total=1, established=0),
    }


def test_what_an_old_report_says_is_not_established(session):
    up, later = SessionState.ESTABLISHED, NOW + timedelta(seconds=1)
    reports.save(session, "a1", make_report("a1", up), NOW)
    reports.save(session, "a2", make_report("a2", up), later)

    counts = reports.session_counts(session, later)

    assert counts["near"] == reports.SessionCounts(total=2, established=1)


def test_an_amphora_on_its_way_out_does_not_count(session):
    up = SessionState.ESTABLISHED
    reports.save(session, "a1", make_report("a1", up), NOW)
    reports.save(session, "a2", make_report("a2", up), NOW)
    status = AmphoraStatus.PENDING_DELETE
    amphorae.update(session, "a2", now=NOW, status=status)

    counts = reports.session_counts(session, NOW)

    assert counts["near"] == reports.SessionCounts(total=1, established=1)


def test_a_deleted_amphora_has_no_report(session):
    reports.save(session, "a1", make_report("a1"), NOW)

    amphorae.mark_deleted(session, "a1", NOW)

    assert reports.list_for_distributor(session, "near") == []
    assert not reports.save(session, "a1", make_report("a1"), NOW)
    assert not reports.save(session, "other", make_report("other"), NOW)
    assert session.query(AmphoraReport).count() == 0


def test_a_report_that_is_not_understood_is_left_out(session):
    reports.save(session, "a1", make_report("a1"), NOW)
    reports.save(session, "a2", make_report("a2"), NOW)
    session.execute(
        text(
            "UPDATE anycast_amphora_report SET document = :old "
            "WHERE amphora_id = 'a1'"
        ),
        {"old": '{"version": "0.1"}'},
    )

    found = reports.list_for_distributor(session, "near")

    assert [stored.amphora_id for stored in found] == ["a2"]
