# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Each sentence that the code can give as a reason is in the operator's page.

The sentences are read from the source: a new one without a row fails here.
"""

import ast
import re
from pathlib import Path

import pytest

from octavia_anycast.model import actions
from octavia_anycast.planning.amphora.failures import OBSERVE

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "doc/source/operator/troubleshooting.rst"
# Where every sentence is a reason of a cluster, or of the health gate.
MODULES = (
    "planning/amphora/assessment.py",
    "planning/amphora/backoff.py",
    "planning/amphora/failures.py",
    "planning/amphora/scaling.py",
    "planning/cluster/refusal.py",
    "planning/cluster/status.py",
    "planning/heartbeat.py",
    "agent/gate/haproxy.py",
    "agent/gate/probes.py",
    "agent/gate/processes.py",
    "agent/gate/services.py",
    "agent/gate/synthetic.py",
)
# A sentence is known by so many of its first words, without what varies.
WORDS = 4
FEWEST = 3


def words(text):
    return re.sub(r"[`*]", "", text).split()


def page():
    return " ".join(words(PAGE.read_text("utf-8")))


def _not_spoken(tree):
    """Documentation of the code, and what goes to a log."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "LOG"
        ):
            yield from node.args


def _pieces(node):
    """What a string says, whatever is put into it."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return [
        part.value
        for part in parts
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]


def sentences(source):
    """The strings of a module that are sentences, as lists of pieces."""
    tree = ast.parse(source)
    passed_over = {id(node) for node in _not_spoken(tree)}
    strings = [n for n in ast.walk(tree) if isinstance(n, ast.JoinedStr)]
    passed_over |= {id(part) for node in strings for part in node.values}
    strings += [n for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    found = [_pieces(node) for node in strings if id(node) not in passed_over]
    return [
        pieces
        for pieces in found
        if any(len(words(piece)) >= FEWEST for piece in pieces)
    ]


def is_told(pieces, text):
    return any(
        " ".join(words(piece)[:WORDS]).strip(" ;:,.") in text
        for piece in pieces
        if len(words(piece)) >= FEWEST
    )


@pytest.mark.parametrize("module", MODULES)
def test_each_reason_has_its_row(module):
    source = (ROOT / "octavia_anycast" / module).read_text("utf-8")
    text = page()
    found = sentences(source)
    assert [pieces for pieces in found if not is_told(pieces, text)] == []


def test_sentences_are_found_where_they_are_written():
    """Else the test above could not fail."""
    source = '''
"""A docstring is no sentence."""
LOG.info("Nor is what is logged: %s", 1)
def reason(count, word):
    """Nor this one."""
    if count:
        return f"{count} are missing in the cupboard"
    return "short" or bad("the cat is away")
'''
    found = sentences(source)
    assert found == [
        [" are missing in the cupboard"],
        ["the cat is away"],
    ]
    assert is_told(found[1], "... the cat is away ...")
    assert not is_told(found[0], "... the cat is away ...")
    known = sum(
        len(sentences((ROOT / "octavia_anycast" / m).read_text("utf-8")))
        for m in MODULES
    )
    assert known > len(MODULES)


def _kinds():
    return [
        name
        for name, kind in vars(actions).items()
        if isinstance(kind, type) and kind.__module__ == actions.__name__
    ]


def test_each_action_has_its_row():
    names = [*_kinds(), OBSERVE]
    assert "BootAmphora" in names
    text = PAGE.read_text("utf-8")
    assert [name for name in names if f"``{name}``" not in text] == []
