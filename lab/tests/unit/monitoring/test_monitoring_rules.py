# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The rules as the lab has them, and which fault raises which alert."""

import copy
import pathlib

import pytest
import yaml
from octavia_anycast_lab.chaos.catalog import FAULTS
from octavia_anycast_lab.chaos.fault import Alarm, quiet, raises
from octavia_anycast_lab.monitoring import more_faults, rules

MONITORING = pathlib.Path(__file__).parents[4] / "monitoring"
RULES = rules.read((MONITORING / "rules/octavia-anycast.yaml").read_text())
ALL = {**FAULTS, **more_faults.MORE}


def raised() -> set[str]:
    """Every alert that some fault raises."""
    return {name for fault in ALL.values() for name in fault.alarm.alerts}


def test_nothing_but_the_waiting_is_changed() -> None:
    before = copy.deepcopy(RULES)
    found = rules.shortened(RULES)
    assert before == RULES
    for was, now in zip(rules.every(RULES), rules.every(found), strict=True):
        assert {**now, "for": None} == {**was, "for": None}
        assert ("for" in now) == ("for" in was)
    assert rules.read(rules.write(found)) == found


@pytest.mark.parametrize(
    ("duration", "shorter"),
    [("2m", "2000ms"), ("30s", "500ms"), ("1h", "60000ms"), ("0s", "0ms")],
)
def test_a_minute_is_a_second(duration: str, shorter: str) -> None:
    one = {"groups": [{"rules": [{"alert": "A", "for": duration}]}]}
    (rule,) = rules.every(rules.shortened(one))
    assert rule["for"] == shorter


def test_durations() -> None:
    assert rules.seconds("1h30m") == 5400
    for bad in ("", "5", "m", "5m ", "1h-3m", "5ms"):
        with pytest.raises(ValueError, match="no duration"):
            rules.seconds(bad)


def test_how_far_an_alert_looks_back() -> None:
    memory = {
        name: rules.memory_seconds(rule["expr"])
        for name, rule in rules.alerts(RULES).items()
    }
    assert memory["AnycastBootsFail"] == 900
    assert memory["AnycastHeartbeatsRefused"] == 300
    assert memory["AnycastControllerDown"] == 0
    assert memory["AnycastGatesDown"] == 0


def test_series_that_rules_read() -> None:
    found = rules.series_of(RULES)
    assert 'octavia_anycast_clusters{operating_status="ERROR"}' in found
    assert "octavia_anycast:amphorae_not_announcing" in found
    assert len(set(found)) == len(found)
    assert not [one for one in found if one.count("{") != one.count("}")]


def test_queries_of_the_board() -> None:
    found = rules.board_queries((MONITORING / "board.json").read_text())
    assert "max by (state) (octavia_anycast_paths)" in found


@pytest.mark.parametrize("fault", ALL.values(), ids=lambda fault: fault.name)
def test_each_fault_names_alerts_that_there_are(fault) -> None:
    assert set(fault.alarm.alerts) <= set(rules.alerts(RULES))


def test_a_fault_has_alerts_or_a_reason_for_none() -> None:
    for alerts, why in (((), ""), (("A",), "why")):
        with pytest.raises(ValueError, match="names its alerts"):
            Alarm(alerts=alerts, why_none=why)
    assert raises("A", "B").alerts == ("A", "B")
    assert quiet("why").alerts == ()


def test_the_names_of_all_faults_differ() -> None:
    assert not set(FAULTS) & set(more_faults.MORE)


def test_each_alert_is_seen_to_fire() -> None:
    """In the lab by a fault, or on series that its test makes."""
    cases = yaml.safe_load((MONITORING / "rules/tests.yaml").read_text())
    made = {
        test["alertname"]
        for case in cases["tests"]
        for test in case["alert_rule_test"]
        if test.get("exp_alerts")
    }
    assert set(rules.alerts(RULES)) == raised() | made
