# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The list at the end of a CI run: what failed, and why."""

import pathlib
import subprocess
import sys

TOOL = pathlib.Path(__file__).parents[3] / "tools" / "list_failures.py"
REPORT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="a.test_b" name="test_good"/>
<testcase classname="a.test_b" name="test_bad"><failure message="m">
    assert one == two
E   AssertionError: it is
E     lines that explain
</failure></testcase>
<testcase classname="a.test_b" name="test_setup"><error message="m">
{many}
</error></testcase></testsuite></testsuites>"""


def _said(*paths: pathlib.Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(TOOL), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_failures_and_errors_are_listed_with_their_reasons(
    tmp_path: pathlib.Path,
) -> None:
    many = "\n".join(f"line {n}" for n in range(100))
    report = tmp_path / "lab.xml"
    report.write_text(REPORT.format(many=many), "utf-8")
    said = _said(report)
    assert said[:3] == [
        "lab: failure of a.test_b::test_bad",
        "    AssertionError: it is",
        "    lines that explain",
    ]
    assert said[3] == "lab: error of a.test_b::test_setup"
    assert said[4:] == [
        *(f"    line {n}" for n in range(4)),
        "    ...",
        *(f"    line {n}" for n in range(92, 100)),
    ]


def test_a_group_that_did_not_end_is_named(tmp_path: pathlib.Path) -> None:
    half = tmp_path / "lab2.xml"
    half.write_text(REPORT[:80], "utf-8")
    said = _said(half, tmp_path / "others.xml")
    assert [line.split(":")[0] for line in said] == ["lab2", "others"]
    assert all("did not end" in line for line in said)
