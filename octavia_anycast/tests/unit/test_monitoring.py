# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Rules and board ask for metrics that are declared, by labels they have."""

import json
import re
from pathlib import Path

import pytest
import yaml

from octavia_anycast.controller.metrics.families import FAMILIES, Type

ROOT = Path(__file__).resolve().parents[3]
MONITORING = ROOT / "monitoring"
RULES = MONITORING / "rules/octavia-anycast.yaml"
RULE_TESTS = MONITORING / "rules/tests.yaml"
BOARD = MONITORING / "board.json"
TROUBLESHOOTING = ROOT / "doc/source/operator/troubleshooting.rst"
METRIC = re.compile(r"octavia_anycast[a-z_:0-9]+(?:\{[^}]*\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
# What Prometheus adds to each series.
ADDED = {"instance", "job"}
SUFFIXES = {"_bucket": {"le"}, "_count": set(), "_sum": set()}


def rules():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts():
    return [rule for rule in rules() if "alert" in rule]


def recorded():
    return {rule["record"] for rule in rules() if "record" in rule}


def targets():
    board = json.loads(BOARD.read_text())
    return [
        (panel["title"], target["expr"])
        for panel in board["panels"]
        for target in panel["targets"]
    ]


def labels_by_name():
    """Name of a series -> the labels that it has."""
    found = {}
    for family in FAMILIES:
        labels = set(family.label_names)
        if family.type is Type.HISTOGRAM:
            for suffix, more in SUFFIXES.items():
                found[family.name + suffix] = labels | more
        else:
            found[family.name] = labels
    return found


def wrong(expression):
    """Series that nobody exposes or records, and labels that they lack."""
    known = labels_by_name()
    for series in METRIC.findall(expression):
        name, _, selector = series.partition("{")
        if ":" in name:
            if name not in recorded():
                yield name
        elif name not in known:
            yield name
        else:
            for label in LABEL.findall(selector):
                if label not in known[name] | ADDED:
                    yield f"{name}: {label}"


def test_what_is_wrong_is_found():
    assert list(wrong("rate(octavia_anycast_nonsense_total[5m])"))
    assert list(wrong('octavia_anycast_paths{peer="x"}'))
    assert list(wrong("octavia_anycast:nobody:records_it"))
    assert list(wrong("octavia_anycast_reconcile_duration_seconds"))
    assert not list(wrong('octavia_anycast_paths{state=~"a|b"}'))


@pytest.mark.parametrize("rule", rules(), ids=lambda x: next(iter(x.values())))
def test_rules_ask_for_what_is_there(rule):
    assert METRIC.search(rule["expr"])
    assert list(wrong(rule["expr"])) == []


@pytest.mark.parametrize(("title", "expression"), targets())
def test_the_board_asks_for_what_is_there(title, expression):
    assert METRIC.search(expression)
    assert list(wrong(expression)) == []


def test_panels_have_ids_of_their_own_and_do_not_overlap():
    panels = json.loads(BOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)


def anchors():
    """The anchors that Sphinx gives the sections of the page."""
    titles = re.findall(r"^(\S.*)\n-{4,}$", TROUBLESHOOTING.read_text(), re.M)
    return {re.sub(r"[^a-z0-9]+", "-", x.lower()).strip("-") for x in titles}


@pytest.mark.parametrize("alert", alerts(), ids=lambda x: x["alert"])
def test_each_alert_says_where_to_go_on(alert):
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert page == "troubleshooting.html"
    assert anchor in anchors()
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["labels"]["severity"] in ("warning", "critical")
    used = re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"])
    known = set().union(*labels_by_name().values())
    assert set(used) <= known | ADDED


def test_alerts_have_names_of_their_own():
    names = [alert["alert"] for alert in alerts()]
    assert len(set(names)) == len(names)


def test_the_tests_of_the_rules_name_alerts_and_series_that_are_there():
    cases = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    names = {alert["alert"] for alert in alerts()}
    for case in cases:
        tested = {test["alertname"] for test in case["alert_rule_test"]}
        assert tested <= names
        for series in case["input_series"]:
            assert list(wrong(series["series"])) == []
