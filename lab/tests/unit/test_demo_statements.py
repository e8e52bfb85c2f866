# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The demonstration's screen, its judgement and its survey; pure parts."""

import pathlib

import pytest
from octavia_anycast_lab import registry, settings
from octavia_anycast_lab.cloud import survey
from octavia_anycast_lab.demo import load, outage, planned, screen
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.traffic import clients, traffic_record


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


def test_a_long_sentence_goes_on_in_the_next_line(
    shown: screen.Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = " ".join(["word"] * 40)
    shown.claim(True, sentence)
    shown.say(sentence)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= screen.WIDTH
    assert [line[:6].strip() for line in lines] == ["+", "", "", "", "", ""]
    assert " ".join(line[6:] for line in lines) == f"{sentence} {sentence}"


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


def _record(
    start: float,
    outcome: str,
    *,
    ms: float = 1.0,
    flow: int | None = None,
    lost: int = 0,
) -> traffic_record.Record:
    return traffic_record.Record(
        start=start,
        duration_ms=ms,
        outcome=traffic_record.Outcome(outcome),
        flow=flow,
        lost_syns=lost,
        lost_packets=lost,
    )


def _seen(*records: traffic_record.Record, broken: int = 0) -> load.Seen:
    return load.Seen(
        records={4: records}, held_before=load.FLOWS, broken=broken
    )


def test_the_window_ends_where_the_paths_were_gone() -> None:
    seen = outage.Outage(
        shrunk_at=13.0,
        paths_left=3,
        owned=0,
        verdict="",
        seen=_seen(
            _record(9.0, "ok"),
            _record(10.5, "timeout"),
            _record(12.9, "timeout"),
            _record(14.0, "ok"),
            _record(20.0, "reset"),
        ),
    )
    early, late = seen.split(4)
    assert (early.total, early.bad) == (3, 2)
    assert early.seconds == pytest.approx(2.4)
    assert (late.total, late.bad) == (2, 1)


class _Records(clients.Generator):
    """A generator of which somebody else writes the records."""

    def stop(self) -> tuple[traffic_record.Record, ...]:
        return self.records()


def _generator(
    directory: pathlib.Path, name: str, *records: traffic_record.Record
) -> _Records:
    path = directory / name
    with path.open("a", encoding="utf-8") as output:
        output.writelines(f"{r.to_json()}\n" for r in records)
    lab = settings.Lab(name="u")
    return _Records(
        lab=lab,
        registry=registry.Registry(directory),
        label=name,
        record=path,
        grace_seconds=0.1,
    )


def test_each_answer_counts_for_one_change_only(
    tmp_path: pathlib.Path,
) -> None:
    slow = _record(1.5, "timeout", ms=5000.0)
    new = _generator(tmp_path, "new", _record(1.0, "ok"))
    held = _generator(
        tmp_path,
        "held",
        _record(1.0, "ok", flow=0),
        _record(1.1, "ok", flow=1),
    )
    traffic = load.Load({4: new}, held)
    first = traffic.take()
    assert (first.total, first.broken) == (1, 0)
    assert first.held_before == load.FLOWS

    # It began before the second change, and its end is seen after that.
    _generator(tmp_path, "new", slow, _record(2.0, "ok"))
    _generator(tmp_path, "held", _record(2.0, "reset", flow=0))
    second = traffic.take()
    assert second.records[4] == (slow, _record(2.0, "ok"))
    assert second.outcomes == {traffic_record.Outcome.TIMEOUT: 1}
    assert (second.held_before, second.broken) == (load.FLOWS, 1)

    _generator(tmp_path, "held", _record(3.0, "timeout", flow=1))
    last = traffic.stop()
    assert last.total == 0
    assert (last.held_before, last.broken) == (load.FLOWS - 1, 1)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([_record(1.0, "ok")], "1 new requests: none failed"),
        (
            [_record(float(i), "ok") for i in range(199)]
            + [_record(199.0, "reset")],
            "200 new requests: 1 reset in the instant of the change, none "
            "failed otherwise",
        ),
    ],
)
def test_a_planned_change_loses_no_request(
    records: list[traffic_record.Record],
    said: str,
    shown: screen.Screen,
    capsys: pytest.CaptureFixture[str],
) -> None:
    planned.judge(shown, _seen(*records))
    assert f"   +  {said}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "records",
    [
        [],
        [_record(float(i), "ok") for i in range(999)]
        + [_record(999.0, "timeout", ms=5000.0)],
        [_record(float(i), "ok") for i in range(198)]
        + [_record(198.0, "reset")],
        [_record(float(i), "ok") for i in range(999)]
        + [_record(999.0, "ok", lost=1)],
    ],
    ids=["no traffic", "a lost one", "many resets", "a lost packet"],
)
def test_a_planned_change_that_loses_a_request_is_an_error(
    records: list[traffic_record.Record], shown: screen.Screen
) -> None:
    with pytest.raises(screen.NotTrueError):
        planned.judge(shown, _seen(*records))


def test_a_change_is_shown_with_its_window(
    shown: screen.Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    load.show(
        shown,
        _seen(
            _record(1.0, "ok", lost=1),
            _record(2.0, "ok"),
            _record(3.5, "reset"),
            broken=7,
        ),
    )
    out = capsys.readouterr().out.splitlines()
    assert out[1].split() == ["IPv4", "3", "1", "1", "2.50", "s"]
    assert out[2].strip() == (
        f"of {load.FLOWS} connections which were held open 7 broke"
    )


def test_late_by_a_lost_packet_is_not_failed(
    shown: screen.Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    load.show_failed(
        shown,
        _seen(
            _record(1.0, "ok", lost=1),
            _record(2.0, "timeout"),
            _record(2.1, "reset"),
        ),
    )
    assert capsys.readouterr().out == ("      of 3 new connections 2 failed\n")


def test_a_survey_names_what_is_new_only() -> None:
    before = survey.Survey(things={"ports": frozenset("ab")})
    after = survey.Survey(
        things={"ports": frozenset("bc"), "rows": frozenset("d")}
    )
    assert after.since(before) == {
        "ports": frozenset("c"),
        "rows": frozenset("d"),
    }
