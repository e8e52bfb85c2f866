# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The demonstration's screen, its judgement and its survey; pure parts."""

import pytest
from octavia_anycast_lab import traffic_record
from octavia_anycast_lab.demo import outage, screen, survey
from octavia_anycast_lab.progress import Progress


@pytest.fixture
def shown() -> screen.Screen:
    return screen.Screen(Progress())


def test_a_statement_that_does_not_hold_is_an_error(
    shown: screen.Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(screen.NotTrueError, match="all is well"):
        shown.claim(False, "all is well")
    assert "all is well" not in capsys.readouterr().out


def test_a_statement_that_holds_is_printed(
    shown: screen.Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    shown.claim(True, "all is well")
    assert capsys.readouterr().out == "   +  all is well\n"


def test_commands_fit_the_width_and_can_be_pasted(
    shown: screen.Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["openstack", *["--option-of-some-length=value"] * 8, "a b"]
    shown.command(words)
    out = capsys.readouterr().out
    assert all(len(line) <= screen.WIDTH for line in out.splitlines())
    pasted = out.replace("\\\n", " ").replace("$", "", 1).split()
    assert pasted == [*words[:-1], "'a", "b'"]


def test_tables_put_figures_to_the_right(
    shown: screen.Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    shown.side_by_side(
        (("name", "share"), [("a", "5.0%"), ("bcdef", "95.0%")]),
        (("n",), [("x",), ("y",), ("z",)]),
    )
    assert [line.rstrip() for line in capsys.readouterr().out.split("\n")] == [
        "      name   share       n",
        "      a       5.0%       x",
        "      bcdef  95.0%       y",
        "                         z",
        "",
    ]


def _record(start: float, outcome: str) -> traffic_record.Record:
    return traffic_record.Record(
        start=start,
        duration_ms=1.0,
        outcome=traffic_record.Outcome(outcome),
    )


def test_the_window_ends_where_the_paths_were_gone() -> None:
    seen = outage.Outage(killed_at=10.0, shrunk_at=13.0)
    seen.records[4] = (
        _record(9.0, "ok"),
        _record(10.5, "timeout"),
        _record(12.9, "timeout"),
        _record(14.0, "ok"),
        _record(20.0, "reset"),
    )
    early, late = seen.split(4)
    assert (early.total, early.bad) == (3, 2)
    assert early.seconds == pytest.approx(2.4)
    assert (late.total, late.bad) == (2, 1)


def test_a_survey_names_what_is_new_only() -> None:
    before = survey.Survey(things={"ports": frozenset("ab")})
    after = survey.Survey(
        things={"ports": frozenset("bc"), "rows": frozenset("d")}
    )
    assert after.since(before) == {
        "ports": frozenset("c"),
        "rows": frozenset("d"),
    }
