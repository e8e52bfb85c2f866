# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Events, changes of sessions and statements, as they are scraped."""

from collections import Counter

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from octavia_anycast.controller.meter import Ending
from octavia_anycast.controller.metrics.families import FAMILIES
from octavia_anycast.controller.metrics.tallies import NAMES_MAX, OTHERS
from octavia_anycast.db.engine import StatementTimer
from octavia_anycast.db.models import Event as Row
from octavia_anycast.model.monitoring.event import Event, EventKind, Owner
from octavia_anycast.tests.functional import deployment_rows as rows

STORED = frozenset(kind.value for kind in EventKind)


def changes(peer_id, count=1):
    """An event of a session."""
    return Event(
        kind=EventKind.SESSION_DOWN,
        at=rows.NOW,
        owner=Owner(distributor_id="d"),
        peer_id=peer_id,
        change_count=count,
    )


def test_each_event_that_is_stored_is_told_once(stage, meter):
    stage.run()
    stage.add_listener()
    stage.run()
    victim = stage.cloud.of(stage.load_balancer_id)[0]
    victim.has_power = False
    stage.cloud.pass_time(60)
    stage.run(seconds=120)
    stage.delete()
    stage.run()

    with stage.api.database.transaction() as session:
        stored = Counter(row.kind for row in session.query(Row))
    assert stored == Counter(event.kind.value for event in meter.events)
    assert stored["amphora.phase"] > 6
    # Who is told of what is not stored would count it again.
    told = len(meter.events)
    stage.run()
    assert len(meter.events) == told


def test_an_event_that_is_not_stored_is_not_told(stage, meter, monkeypatch):
    def fails(*_arguments):
        raise OperationalError("INSERT", {}, Exception("it is full"))

    stage.run()
    told = len(meter.events)
    monkeypatch.setattr("octavia_anycast.db.monitoring.events.add", fails)
    stage.cloud.of(stage.load_balancer_id)[0].has_power = False
    stage.cloud.pass_time(60)
    with pytest.raises(OperationalError):
        stage.controller.reconcile(stage.load_balancer_id)
    assert len(meter.events) == told


def test_changes_of_sessions_by_the_names_of_peers(filled):
    samples = filled.scrape()
    peers = {"leaf1", "172.31.0.2"}
    begun = samples.of("bgp_session_changes_total", "peer")
    assert begun == dict.fromkeys(peers, 0)
    filled.process.happened((changes("p1", 3), changes("p2"), changes("x")))
    samples = filled.scrape()
    assert samples.of("bgp_session_changes_total", "peer") == {
        "leaf1": 3,
        "172.31.0.2": 1,
    }
    assert samples.of("events_total", "kind")["session.down"] == 3
    assert set(samples.of("events_total", "kind")) == STORED


def test_names_of_peers_are_bounded(scene):
    with scene.transaction() as session:
        rows.distributor(session, "d")
        for number in range(NAMES_MAX + 20):
            rows.peer(session, f"p{number}", f"leaf{number:04}", number % 250)
    scene.process.happened(
        [changes(f"p{number}") for number in range(NAMES_MAX + 20)]
    )
    found = scene.scrape().of("bgp_session_changes_total", "peer")
    assert len(found) == NAMES_MAX + 1
    assert found[OTHERS] == 20
    with scene.transaction() as session:
        rows.peer(session, "first", "leaf", 251)
    after = scene.scrape().of("bgp_session_changes_total", "peer")
    assert after["leaf"] == 0
    assert after[OTHERS] == 20
    assert all(after[name] == 1 for name in after.keys() - {"leaf", OTHERS})


def test_sessions_are_left_out_while_the_database_is_away(filled, monkeypatch):
    monkeypatch.setattr(
        "octavia_anycast.controller.metrics.exposition.read", lambda _: 1 / 0
    )
    samples = filled.scrape()
    assert samples.value("database_up") == 0
    assert not samples.of("bgp_session_changes_total", "peer")
    assert samples.of("events_total", "kind")


def test_statements_of_every_engine_are_timed(filled):
    ticks = iter(range(100))
    told = []
    timer = StatementTimer(told.append, lambda: next(ticks) * 0.1)
    other = create_engine("sqlite://")
    timer.start()
    try:
        with other.connect() as connection:
            connection.execute(text("SELECT 1"))
            with pytest.raises(OperationalError):
                connection.execute(text("SELECT nothing"))
        assert told == [pytest.approx(0.1)]
        with filled.transaction() as session:
            session.execute(text("SELECT 2"))
    finally:
        timer.stop()
    count = len(told)
    assert count > 1  # with what the engine says of its own
    with other.connect() as connection:
        connection.execute(text("SELECT 3"))
    assert len(told) == count


def test_a_statement_that_began_before_is_not_timed():
    told = []
    timer = StatementTimer(told.append)
    engine = create_engine("sqlite://")

    def nested(_number):
        timer.start()
        return 1

    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        raw.create_function("begins", 1, nested)
        connection.execute(text("SELECT begins(1)"))
        timer.stop()
    assert told == []


def test_an_end_of_the_telling_breaks_no_statement():
    """As one of a worker that is under way when the controller ends."""
    told = []

    def tell(seconds):
        told.append(seconds)
        timer.stop()

    timer = StatementTimer(tell)
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for count in (1, 2):
            timer.start()
            for _ in range(2):
                assert connection.execute(text("SELECT 1")).scalar() == 1
            assert len(told) == count, "once after each start"


def test_all_that_is_declared_is_there(filled):
    filled.process.reconciled("chore", Ending.SETTLED, 0.1)
    found = {
        family.name + suffix
        for family in filled.scrape().families
        for suffix in ("", "_total")
    }
    optional = {"octavia_anycast_load_balancer_amphorae"}
    assert {family.name for family in FAMILIES} - found <= optional
