# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What octavia-anycast-manage prints of names that a tenant has chosen."""

import json

from octavia_anycast.cmd import tables

HOSTILE = "web\n    on the router: rm\x1b[2J\u202e\x00 Ü 🌿"


def test_a_line_is_one_line(capsys):
    tables.say(HOSTILE)
    said = capsys.readouterr().out
    assert said == "web?    on the router: rm?[2J?? Ü 🌿\n"


def test_a_row_is_one_line(capsys):
    tables.show(("name",), [(HOSTILE,), ("other",)])
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_json_is_as_it_was(capsys):
    tables.show_json({"name": HOSTILE})
    said = capsys.readouterr().out
    assert json.loads(said) == {"name": HOSTILE}
    assert said.count("\n") == 3
