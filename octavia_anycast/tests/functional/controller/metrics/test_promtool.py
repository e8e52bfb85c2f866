# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Prometheus' own tool takes our metrics, our rules and their tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from octavia_anycast.controller.meter import Ending

RULES = Path(__file__).resolve().parents[5] / "monitoring/rules"

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        shutil.which("promtool") is None
        and not {"CI", "OA_LAB_REQUIRED"} & os.environ.keys(),
        reason="needs promtool, of Debian's package prometheus",
    ),
]


def promtool(*words, stdin=""):
    """What it says, and whether it is content."""
    done = subprocess.run(
        ["promtool", *map(str, words)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


def test_metrics_are_clean(filled):
    filled.process.reconciled("load_balancer", Ending.SETTLED, 0.1)
    text = filled.exposition.text().plain.decode()
    assert promtool("check", "metrics", stdin=text) == (True, "")


def test_metrics_that_are_not_clean_are_told():
    text = "# TYPE octavia_anycast_boots counter\noctavia_anycast_boots 1\n"
    is_clean, said = promtool("check", "metrics", stdin=text)
    assert not is_clean
    assert "_total" in said


def test_rules_are_valid():
    is_valid, said = promtool("check", "rules", RULES / "octavia-anycast.yaml")
    assert is_valid, said


def test_rules_do_what_their_tests_say():
    is_so, said = promtool("test", "rules", RULES / "tests.yaml")
    assert is_so, said


def test_a_rule_that_does_not_is_told(tmp_path):
    text = (RULES / "octavia-anycast.yaml").read_text()
    (tmp_path / "octavia-anycast.yaml").write_text(text.replace("> 60", "< 0"))
    (tmp_path / "tests.yaml").write_text((RULES / "tests.yaml").read_text())
    is_so, said = promtool("test", "rules", tmp_path / "tests.yaml")
    assert not is_so
    assert "AnycastQueueLate" in said
