# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What failed boots tell of the room that there is."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.models import Amphora as AmphoraRow
from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus

NOW = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)


def make_amphora(**changes):
    return AmphoraRecord(
        load_balancer_id="lb",
        status=AmphoraStatus.BOOTING,
        status_since=NOW,
        **changes,
    )


def test_one_that_ran_between_two_failures_shows_that_there_was_room(session):
    def fail(name, minutes):
        at = NOW + timedelta(minutes=minutes)
        amphorae.create(session, make_amphora(id=name))
        amphorae.update(session, name, status=AmphoraStatus.ERROR, now=at)
        amphorae.mark_deleted(session, name, at)

    def run(name, minutes, address):
        amphorae.create(
            session, make_amphora(id=name, lb_network_ip=ip_address(address))
        )
        at = NOW + timedelta(minutes=minutes)
        session.get(AmphoraRow, name).created_at = at
        amphorae.mark_deleted(session, name, at)

    def had_room():
        found = amphorae.failures_since(session, "lb", NOW)
        return [failure.has_run for failure in found]

    fail("first", 1)
    fail("second", 3)
    assert had_room() == [False, False]
    run("after both", 4, "172.31.1.4")
    run("before both", 0, "172.31.1.5")
    assert had_room() == [False, False], "it may have got a place set free"
    run("between", 2, "172.31.1.6")
    assert had_room() == [True, False]


def test_what_was_refused_as_invalid_is_remembered(session):
    for name, is_invalid in (("room", False), ("image", True)):
        amphorae.create(session, make_amphora(id=name))
        amphorae.update(
            session,
            name,
            status=AmphoraStatus.ERROR,
            is_refused=True,
            is_invalid=is_invalid,
            now=NOW + timedelta(minutes=is_invalid),
        )
    found = amphorae.failures_since(session, "lb", NOW)
    assert [failure.is_refused for failure in found] == [True, True]
    assert [failure.is_invalid for failure in found] == [False, True]
