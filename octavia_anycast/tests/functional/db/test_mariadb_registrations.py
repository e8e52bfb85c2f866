# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Registrations of amphorae on a private MariaDB, as on SQLite."""

from dataclasses import replace
from datetime import timedelta

import pytest

from octavia_anycast.db import dedicated, heartbeat, listing
from octavia_anycast.db.amphora import amphorae, serving_amphorae
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.registration import amphora_registrations
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.model.registration import AmphoraRegistration
from octavia_anycast.tests.functional.db import test_mariadb
from octavia_anycast.tests.functional.db import test_records as records

pytestmark = test_mariadb.pytestmark
server = test_mariadb.server
database = test_mariadb.database
NOW = records.NOW


def wanted(number, **attributes):
    return AmphoraRegistration(
        id=f"r{number}", load_balancer_id=f"lb{number}", **attributes
    )


@pytest.fixture
def filled(database):
    """A distributor; each of two load balancers has two amphorae."""
    made = replace(records.make_distributor(), dedicated_count=1)
    with database.transaction() as session:
        distributors.create(session, made, records.CIPHER)
        for number in (1, 2):
            for letter in "ab":
                record = replace(
                    records.WHOLE,
                    id=f"{letter}{number}",
                    load_balancer_id=f"lb{number}",
                    distributor_id=None,
                )
                amphorae.create(session, record)
                heartbeat.touch(session, record.id, NOW)
    return made.id


def revision(session, distributor_id):
    return dedicated.standing(session, distributor_id).vips_revision


def test_registered_drained_and_gone(database, filled):
    with database.transaction() as session:
        amphora_registrations.register(session, filled, wanted(1))
        amphora_registrations.register(
            session, filled, wanted(2, amphora_id="a2")
        )
        with pytest.raises(Conflict):
            amphora_registrations.register(
                session, filled, replace(wanted(1), id="r3", amphora_id="a1")
            )
    with database.transaction() as session:
        amphora_registrations.set_drain(
            session,
            filled,
            "r2",
            drain_wanted_since=NOW,
            drain_deadline=NOW + timedelta(seconds=5),
        )
    with database.transaction() as session:
        for text, name in (("true", "r2"), ("false", "r1")):
            request = listing.Request(filters={"draining": (text,)})
            (found,) = amphora_registrations.page(session, filled, request)
            assert found.registration.id == name
        assert revision(session, filled) == 3
        amphorae.mark_deleted(session, "a2", NOW)
        assert revision(session, filled) == 4
        amphora_registrations.forget_load_balancer(session, "lb1")
        assert revision(session, filled) == 5
        assert amphora_registrations.by_distributor(session) == {}
        with pytest.raises(NotFound):
            amphora_registrations.get(session, filled, "r1")


@pytest.mark.parametrize("attribute", amphora_registrations.COLUMNS)
@pytest.mark.parametrize("way", ["asc", "desc"])
def test_pages_in_every_order(database, filled, attribute, way):
    with database.transaction() as session:
        for number in (1, 2):
            amphora_registrations.register(session, filled, wanted(number))
        order = ((attribute, way == "desc"),)
        first, second = amphora_registrations.page(
            session, filled, listing.Request(filters={}, order=order)
        )
        request = listing.Request(
            filters={}, order=order, marker=first.registration.id
        )
        assert amphora_registrations.page(session, filled, request) == [second]


def test_what_serves_is_read(database, filled):
    later = NOW + timedelta(seconds=60)
    with database.transaction() as session:
        amphora_registrations.register(session, filled, wanted(1))
        found = serving_amphorae.registered(session, later)
        assert set(found.by_load_balancer) == {"lb1"}
        serving = found.by_load_balancer["lb1"]
        assert {a.record.id for a in serving} == {"a1", "b1"}
        assert {a.silent_seconds for a in serving} == {60}
        (one, _) = serving_amphorae.registered(
            session, later, heard_since=later
        ).by_load_balancer["lb1"]
        assert one.silent_seconds == 0
        assert filled in dedicated.row_versions(session)
