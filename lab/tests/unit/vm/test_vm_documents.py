# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The page on the tests of virtual machines lists each of them."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[4]
PAGE = ROOT / "doc/source/contributor/vm-tests.rst"
_TEST = re.compile(r"^def (test_\w+)", re.M)
_ROW = re.compile(r"^``(test_\w+)`` +(\S.*)$", re.M)


def test_each_test_is_listed_once_with_whether_it_was_run() -> None:
    written = [
        name
        for path in sorted((ROOT / "lab/vm_tests").glob("test_*.py"))
        for name in _TEST.findall(path.read_text("utf-8"))
    ]
    rows = _ROW.findall(PAGE.read_text("utf-8"))
    assert sorted(name for name, _ in rows) == sorted(written)
    assert all(said.startswith(("run", "not run")) for _, said in rows)
