# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Old records go; what is young, or belongs to somebody, stays."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from octavia_anycast.db import heartbeat, housekeeping
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.models import (
    Amphora,
    Event,
    FrontendAddress,
    RegisteredAmphorae,
)
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.tests.functional.db import test_records as records

WEEK = timedelta(days=7)


def add(session, identifier, status=AmphoraStatus.ALLOCATED, age=WEEK):
    amphorae.create(
        session,
        replace(
            records.WHOLE,
            id=identifier,
            status=status,
            status_since=records.NOW - age,
        ),
    )


def write_about(session, identifier):
    """One row in each of the tables that say something of an amphora."""
    for model in housekeeping.DEPENDENT:
        values = {}
        for name, column in model.__mapper__.columns.items():
            if name == "amphora_id":
                values["amphora_id"] = identifier
            elif name == "distributor_id" and column.foreign_keys:
                values["distributor_id"] = a_distributor(session)
            elif column.nullable or column.default is not None:
                continue
            else:
                values[name] = _any(column)
        session.add(model(**values))
    session.flush()


def a_distributor(session):
    """The id of a distributor that is there."""
    made = records.make_distributor()
    if not distributors.exists(session, made.id):
        distributors.create(session, made, records.CIPHER)
    return made.id


def _any(column):
    name = type(column.type).__name__
    if name == "UtcDateTime":
        return records.NOW
    if name == "Address":
        return records.VIP.vip_ip
    if name in ("Integer", "BigInteger"):
        return 0
    return "x"


def counts(session):
    return {
        model.__tablename__: session.scalar(
            select(func.count()).select_from(model)
        )
        for model in housekeeping.DEPENDENT
    }


def test_only_what_was_deleted_long_ago(session):
    add(session, "old", AmphoraStatus.DELETED, WEEK + timedelta(seconds=1))
    add(session, "young", AmphoraStatus.DELETED, WEEK)
    add(session, "alive", age=100 * WEEK)
    add(session, "failed", AmphoraStatus.ERROR, 100 * WEEK)
    limit = records.NOW - WEEK
    assert housekeeping.count_deleted(session, limit) == 1
    assert amphorae.purge(session, limit) == 1
    assert housekeeping.count_deleted(session, limit) == 0
    left = set(session.scalars(select(Amphora.id)))
    assert left == {"young", "alive", "failed"}
    addresses = set(session.scalars(select(FrontendAddress.amphora_id)))
    assert "old" not in addresses
    assert addresses == left


@pytest.mark.parametrize("owner", ["nobody", "deleted"])
def test_records_about_no_living_amphora(session, owner):
    add(session, "alive")
    add(session, "deleted", AmphoraStatus.DELETED)
    write_about(session, "alive")
    write_about(session, owner)
    each = dict.fromkeys(counts(session), 1)
    assert housekeeping.count_ownerless(session) == each
    assert counts(session) == dict.fromkeys(each, 2)
    assert housekeeping.remove_ownerless(session) == each
    assert counts(session) == each
    left = {
        identifier
        for model in housekeeping.DEPENDENT
        for identifier in session.scalars(select(model.amphora_id))
    }
    assert left == {"alive"}
    assert not any(housekeeping.remove_ownerless(session).values())


def test_several_rows_of_many_amphorae(session):
    """More than go into one statement."""
    number = housekeeping.CHUNK + 3
    for n in range(number):
        registrations.register(
            session,
            f"gone-{n}",
            load_balancer_id="lb",
            distributor_id="d",
            speaker_ids=["s4", "s6"],
        )
    table = "anycast_distributor_l3_amphora_bgp_speaker_registration"
    assert housekeeping.count_ownerless(session)[table] == 2 * number
    assert housekeeping.remove_ownerless(session)[table] == 2 * number


def test_every_table_that_names_an_amphora_is_looked_after(session):
    named = {
        mapper.class_.__tablename__
        for mapper in Amphora.registry.mappers
        if "amphora_id" in mapper.columns
    }
    looked_after = {model.__tablename__ for model in housekeeping.DEPENDENT}
    # The addresses go with the amphora's own row; events have a purge of
    # their own and stay until then (test_events.py).
    assert named - looked_after == {
        FrontendAddress.__tablename__,
        Event.__tablename__,
    }


def test_a_registration_for_all_amphorae_is_nobodys_leftover(session):
    for amphora_id in (None, "gone"):
        session.add(
            RegisteredAmphorae(
                distributor_id=a_distributor(session),
                load_balancer_id="lb",
                amphora_id=amphora_id,
            )
        )
    session.flush()
    table = RegisteredAmphorae.__tablename__
    assert housekeeping.count_ownerless(session)[table] == 1
    assert housekeeping.remove_ownerless(session)[table] == 1
    (left,) = session.scalars(select(RegisteredAmphorae.amphora_id))
    assert left is None


def test_heartbeat_of_a_deleted_amphora_is_not_kept(session):
    add(session, "deleted", AmphoraStatus.DELETED)
    assert not heartbeat.touch(session, "deleted", records.NOW)
    assert not any(housekeeping.count_ownerless(session).values())
