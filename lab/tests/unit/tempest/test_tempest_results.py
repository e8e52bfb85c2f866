# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a run of tempest is compared with, and the list that is published."""

import json
import pathlib
import re

import pytest
from octavia_anycast_lab.tempest import results
from octavia_anycast_lab.tempest.__main__ import OCTAVIAS, OURS, PARTS

ROOT = pathlib.Path(__file__).resolve().parents[4]
LIST = ROOT / "doc/source/contributor/tempest-skips.toml"
PLUGIN = ROOT / "tempest_plugin/octavia_anycast_tempest_plugin"
EXPECTED = results.Expected.read(
    """
    [[skip]]
    tests = '^a\\.b\\.Skipped'
    count = 1
    why = "It is so."

    [[left-out]]
    tests = '^a\\.b\\.LeftOut'
    count = 2
    why = "It is so."
    """
)


def _result(name: str, status: str = "success") -> results.Result:
    return results.Result(id=name, status=status, reason="said")


def _wrong(found: list[results.Result], part: str) -> list[str]:
    return [
        *results.failures(found, part),
        *results.other_skips(found, EXPECTED, part),
    ]


SKIPPED = _result("a.b.Skipped.test_x", "skip")


def test_results_are_read_without_attributes_and_classes_by_their_name():
    lines = [
        {"id": "a.C.test_x[id-1,slow]", "status": "success", "reason": ""},
        {"id": "setUpClass (a.C)", "status": "skip", "reason": "none"},
    ]
    assert results.read(map(json.dumps, lines)) == (
        results.Result(id="a.C.test_x", status="success"),
        results.Result(id="a.C", status="skip", reason="none"),
    )


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([SKIPPED, _result("a.b.Good.test_x")], None),
        ([SKIPPED, _result("a.b.Bad.test_x", "fail")], "Bad.test_x failed"),
        ([SKIPPED, _result("a.b.Odd.test_x", "inprogress")], "Odd.*failed"),
        ([SKIPPED, _result("a.b.New.test_x", "skip")], "not listed: said"),
        ([SKIPPED, SKIPPED], "skipped 2, not 1"),
        ([_result("a.b.Good.test_x")], "skipped 0, not 1"),
        ([], "no test has run"),
    ],
)
def test_a_run_is_as_the_list_says_or_not(found, sentence):
    said = _wrong(found, "a.b.")
    if sentence is None:
        assert said == []
    else:
        assert any(re.search(sentence, line) for line in said), said


def test_the_entries_of_another_part_do_not_count():
    assert not _wrong([_result("c.d.Good.test_x")], "c.d.")


def test_what_is_left_out_is_not_run_and_counted():
    listed = ["a.b.LeftOut.test_x", "a.b.LeftOut.test_y", "a.b.C.test_z", "c"]
    assert results.chosen(listed, EXPECTED, "a.b.") == (["a.b.C.test_z"], [])
    tests, wrong = results.chosen(listed[1:], EXPECTED, "a.b.")
    assert tests == ["a.b.C.test_z"]
    assert wrong == ["left out: ^a\\.b\\.LeftOut are 1 tests, not 2"]


def test_the_published_list_is_of_tests_of_a_part_each_with_a_reason():
    expected = results.Expected.read(LIST.read_text())
    for entry in (*expected.skips, *expected.left_out):
        assert any(entry.is_of(part) for part in PARTS.values())
        assert entry.count > 0
        assert entry.why.endswith(".")


def test_a_list_without_a_reason_is_refused():
    with pytest.raises(KeyError, match="why"):
        results.Expected.read("[[skip]]\ntests = 'a'\ncount = 1")


def test_no_test_of_ours_is_skipped_in_the_lab():
    expected = results.Expected.read(LIST.read_text())
    for entry in (*expected.skips, *expected.left_out):
        assert not entry.is_of(OURS)
        assert entry.is_of(OCTAVIAS)


def test_each_test_of_the_plug_in_has_an_id_of_its_own():
    """Tempest finds a test by it through all changes of its name."""
    ids = []
    for path in sorted((PLUGIN / "tests").rglob("test_*.py")):
        text = path.read_text()
        found = re.findall(r'idempotent_id\("([0-9a-f-]{36})"\)', text)
        assert len(found) == text.count("    def test_"), path
        ids += found
    assert ids
    assert len(set(ids)) == len(ids)
