# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Lists on a private MariaDB: every order, filter and page that SQLite takes.

Octavia's table of amphorae and ours are both there, as in a deployment.
"""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from octavia.db import base_models, models
from sqlalchemy import text

from octavia_anycast.api.amphora import pages
from octavia_anycast.db import listing
from octavia_anycast.db.amphora import (
    amphora_listing,
    amphora_statistics,
    amphorae,
)
from octavia_anycast.db.distributor import distributors, peers, speakers
from octavia_anycast.model.heartbeat import Heartbeat, ListenerBeat
from octavia_anycast.tests.functional.db import test_mariadb
from octavia_anycast.tests.functional.db import test_records as records

pytestmark = test_mariadb.pytestmark
server = test_mariadb.server
database = test_mariadb.database
SIZE = 5
LOAD_BALANCER = str(uuid.UUID(int=1000))


def wanted(**more):
    return listing.Request(**({"filters": {}} | more))


@pytest.fixture
def filled(database):
    """Amphorae of both kinds, by turns, and a distributor with peers."""
    base_models.BASE.metadata.create_all(database.engine())
    with database.transaction() as session:
        # Octavia's other tables stay empty.
        session.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        distributors.create(
            session, records.make_distributor(), records.CIPHER
        )
        for number in range(SIZE):
            amphorae.create(
                session,
                replace(
                    records.WHOLE,
                    id=str(uuid.UUID(int=number)),
                    load_balancer_id=LOAD_BALANCER,
                    frontend_port_id=str(uuid.UUID(int=50 + number)),
                    availability_zone=("Rack", "rack")[number % 2],
                    cert_expiration=records.NOW + timedelta(days=number),
                ),
            )
            session.add(
                models.Amphora(
                    id=str(uuid.UUID(int=100 + number)),
                    status="ALLOCATED",
                    role="MASTER" if number else None,
                    vrrp_ip=f"10.0.0.{number}",
                    cert_busy=bool(number % 2),
                    created_at=records.NOW.replace(tzinfo=None, microsecond=0)
                    + timedelta(seconds=number),
                )
            )
        session.flush()
    return database


def paged(session, order, limit):
    """All pages, one after the other."""
    found = []
    marker = None
    while True:
        page = pages.page(
            session,
            session,
            wanted(order=order, limit=limit, marker=marker),
        )
        if not page:
            return found
        found += [one.id for one in page]
        marker = found[-1]


ATTRIBUTES = sorted(set(amphora_listing.COLUMNS) - {"of_vips"})


def test_amphorae_in_every_order_and_by_pages(filled):
    with filled.transaction() as session:
        for name in ATTRIBUTES:
            for is_descending in (False, True):
                order = ((name, is_descending),)
                whole = [
                    one.id
                    for one in pages.page(
                        session, session, wanted(order=order)
                    )
                ]
                assert len(whole) == len(set(whole)) == 2 * SIZE, name
                assert paged(session, order, 3) == whole, name


def test_amphorae_are_found_by_what_is_shown(filled):
    with filled.transaction() as session:
        for one in pages.page(session, session, wanted()):
            for name in ATTRIBUTES:
                value = getattr(one, name, None)
                if value is None or name.startswith("ha_"):
                    continue
                shown = value.isoformat() if name.endswith("_at") else value
                found = pages.page(
                    session, session, wanted(filters={name: (str(shown),)})
                )
                assert one.id in {o.id for o in found}, (name, shown)


@pytest.mark.parametrize(
    ("module", "count"), [(distributors, 1), (peers, 2), (speakers, 1)]
)
def test_resources_in_every_order(filled, module, count):
    with filled.transaction() as session:
        for name in module.COLUMNS:
            for is_descending in (False, True):
                order = ((name, is_descending),)
                found = module.page(session, wanted(order=order, limit=10))
                assert len(found) == count, name


def test_statistics_are_added_up(filled):
    beat = ListenerBeat(
        listener_id="web", status="OPEN", bytes_in=2**40, active_connections=3
    )
    first = str(uuid.UUID(int=0))
    beats = [
        Heartbeat(amphora_id=amphora_id, listeners=(beat,))
        for amphora_id in (first, "nobody")
    ]
    for _ in range(2):
        with filled.transaction() as session:
            amphora_statistics.add(session, beats)

    with filled.transaction() as session:
        (count,) = amphora_statistics.list_for(session, first)
        assert amphora_statistics.list_for(session, "nobody") == []
    assert count.bytes_in == 2**41
    assert count.active_connections == 3
