# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Reports are read again only if their agents answered again."""

from contextlib import contextmanager

import pytest
from sqlalchemy import event, text

from octavia_anycast.db.amphora import amphorae, report_summary, reports
from octavia_anycast.db.amphora.report_summary import ReportSummaries
from octavia_anycast.db.monitoring import totals
from octavia_anycast.tests.functional import deployment_rows as rows

UP, DOWN = ("p1", "Established"), ("p1", "Active")


@pytest.fixture
def kept(session):
    """Two amphorae, whose reports were read once."""
    for amphora_id in ("a", "b"):
        rows.amphora(session, amphora_id, "lb", "rack1")
        rows.say(session, rows.report(amphora_id, (rows.UP,)), 9)
    made = ReportSummaries()
    assert sessions(session, made) == {"a": (UP,), "b": (UP,)}
    return made


def sessions(session, summaries, owner_id=None):
    """amphora_id -> the sessions that its report tells of."""
    found = totals.counted_amphorae(session, owner_id, summaries=summaries)
    return {one.amphora_id: one.said and one.said.sessions for one in found}


@contextmanager
def documents_read(session):
    """The ids whose documents are asked for, of each query that does."""
    asked = []

    def count(_connection, _cursor, statement, parameters, *_):
        if ".document" in statement:
            asked.append(tuple(parameters))

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", count)


def test_what_is_kept_is_not_read_again(session, kept):
    with documents_read(session) as asked:
        assert sessions(session, kept) == {"a": (UP,), "b": (UP,)}
    assert asked == []


def test_another_answer_is_read_and_nothing_else(session, kept):
    rows.say(session, rows.report("b", (rows.DOWN,)), 5)
    with documents_read(session) as asked:
        assert sessions(session, kept) == {"a": (UP,), "b": (DOWN,)}
    assert asked == [("b",)]


def test_an_answer_of_a_clock_that_is_behind_is_read(session, kept):
    """Another controller's, which stored it later."""
    rows.say(session, rows.report("b", (rows.DOWN,)), 300)
    assert sessions(session, kept)["b"] == (DOWN,)


def test_a_report_that_a_heartbeat_confirms_is_not_read(session, kept):
    reports.confirm(session, ["a", "b"], rows.ago(1))
    with documents_read(session) as asked:
        found = totals.counted_amphorae(session, summaries=kept)
    assert {one.reported_at for one in found} == {rows.ago(1)}
    assert asked == []


def test_who_is_gone_is_forgotten(session, kept):
    amphorae.mark_deleted(session, "a", rows.NOW)
    assert sessions(session, kept) == {"b": (UP,)}
    assert len(kept) == 1


def test_a_look_at_one_cluster_forgets_nobody(session, kept):
    rows.amphora(session, "c", "other", "rack1")
    rows.say(session, rows.report("c", (rows.DOWN,)), 9)
    assert sessions(session, kept, "other") == {"c": (DOWN,)}
    assert len(kept) == 3


def test_what_is_damaged_is_read_once_too(session, kept):
    rows.say(session, rows.report("a", (rows.UP,)), 5)
    session.execute(
        text(
            "UPDATE anycast_amphora_report SET document = '{' "
            "WHERE amphora_id = 'a'"
        )
    )
    assert sessions(session, kept)["a"] is None
    with documents_read(session) as asked:
        assert sessions(session, kept)["a"] is None
    assert asked == []


def test_an_answer_without_its_time_is_known_by_the_reports(session, kept):
    """A release before wrote none with the first report."""
    session.execute(
        text("UPDATE anycast_amphora_report SET updated_at = NULL")
    )
    rows.say(session, rows.report("b", (rows.DOWN,)), 5)
    assert sessions(session, kept) == {"a": (UP,), "b": (DOWN,)}


def test_many_are_read_with_one_query(session, monkeypatch):
    monkeypatch.setattr(report_summary, "NAMED_MAX", 2)
    kept = ReportSummaries()
    for number in range(5):
        rows.amphora(session, f"a{number}", "lb", "rack1")
        rows.say(session, rows.report(f"a{number}", (rows.UP,)), 9)
    with documents_read(session) as asked:
        assert set(sessions(session, kept).values()) == {(UP,)}
    assert asked == [()], "no id is named"
