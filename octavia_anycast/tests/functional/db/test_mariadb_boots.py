# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Many amphorae boot at the same time: what one records holds up no other."""

from dataclasses import replace

import pytest
from sqlalchemy import delete, text

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.engine import Database
from octavia_anycast.db.models import AmphoraRegistration, SpeakerRegistration
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.errors import Retryable
from octavia_anycast.tests.functional.db import test_mariadb
from octavia_anycast.tests.functional.db import test_records as records

pytestmark = test_mariadb.pytestmark
server = test_mariadb.server
database = test_mariadb.database


@pytest.fixture
def elsewhere(database):
    """The same tables, in another process: transactions are others."""
    return Database(database.engine().url.render_as_string())


@pytest.fixture
def distributor(database):
    made = records.make_distributor()
    with database.transaction() as session:
        distributors.create(session, made, records.CIPHER)
    return made


def wait_a_second_at_most(session):
    session.execute(text("SET SESSION innodb_lock_wait_timeout = 1"))


def boot(session, distributor, amphora_id):
    """What a boot records."""
    wait_a_second_at_most(session)
    record = replace(
        records.WHOLE,
        id=amphora_id,
        load_balancer_id=f"lb-{amphora_id}",
        distributor_id=None,
    )
    amphorae.create(session, record)
    registrations.register(
        session,
        amphora_id,
        load_balancer_id=f"lb-{amphora_id}",
        distributor_id=distributor.id,
        speaker_ids=[speaker.id for speaker in distributor.speakers],
    )


def test_two_are_recorded_side_by_side(database, elsewhere, distributor):
    with database.transaction() as one:
        boot(one, distributor, "a")
        with elsewhere.transaction() as other:
            boot(other, distributor, "b")
    with database.transaction() as session:
        found = {record.id for record in amphorae.list_all(session)}
    assert found == {"a", "b"}


def test_whoever_deletes_what_is_not_there_waits_for_others(
    database, elsewhere, distributor
):
    """The control: a DELETE without an index looks at rows of all others."""

    def forget():
        its = SpeakerRegistration.amphora_id == "b"
        with elsewhere.transaction() as other:
            wait_a_second_at_most(other)
            other.execute(delete(SpeakerRegistration).where(its))

    with database.transaction() as one:
        boot(one, distributor, "a")
        with pytest.raises(Retryable):
            forget()


def test_what_was_registered_before_is_replaced(database, distributor):
    for load_balancer_id in ("first", "second"):
        with database.transaction() as session:
            registrations.register(
                session,
                "a",
                load_balancer_id=load_balancer_id,
                distributor_id=distributor.id,
                speaker_ids=[distributor.speakers[0].id],
            )
    with database.transaction() as session:
        found = session.query(AmphoraRegistration).all()
        assert [row.load_balancer_id for row in found] == ["second"]
        registrations.delete_for_amphora(session, "a")
        assert session.query(AmphoraRegistration).count() == 0
