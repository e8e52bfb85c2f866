# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is proposed for Octavia's feature matrix."""

import configparser
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[4]
sys.path.append(str(ROOT / "tools"))

import feature_matrix  # noqa: E402

MATRIX = """\
# A comment that stays.

[driver.amphora]
title=Amphora Provider

[driver.other]
title=Another one

# In the order of a create call.

[operation.admin_state_up]
title=admin_state_up
driver.amphora=complete
driver.other=missing

[operation.type.PING]
title=type - PING
driver.amphora=partial
driver-notes.amphora=Not with every image.
driver.other=missing

[operation.protocol.UDP]
title=protocol - UDP
driver.amphora=complete
driver.other=complete
"""


def _added(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    lines = feature_matrix.with_provider(text.splitlines())
    parser.read_string("\n".join(lines))
    return parser


@pytest.mark.parametrize(
    ("feature", "value", "note"),
    [
        ("admin_state_up", "complete", None),
        ("type.PING", "partial", "Not with every image."),
        (
            "protocol.UDP",
            "partial",
            "Accepted if the amphora image has the ip_vs kernel module, "
            "keepalived and ipvsadm.",
        ),
    ],
)
def test_a_feature_has_the_value_of_the_amphora_provider(feature, value, note):
    section = _added(MATRIX)[f"operation.{feature}"]
    assert section["driver.anycast"] == value
    assert section.get("driver-notes.anycast") == note


def test_nothing_else_changes():
    lines = list(feature_matrix.with_provider(MATRIX.splitlines()))
    assert [x for x in lines if x in MATRIX.splitlines() and x] == [
        x for x in MATRIX.splitlines() if x
    ]
    names = _added(MATRIX).sections()
    assert names.index("driver.anycast") == names.index("driver.other") + 1


def test_a_matrix_that_has_it_is_refused():
    lines = list(feature_matrix.with_provider(MATRIX.splitlines()))
    with pytest.raises(ValueError, match="is there already"):
        list(feature_matrix.with_provider(lines))
    with pytest.raises(ValueError, match="no feature matrix"):
        list(feature_matrix.with_provider(["[metadata]", "name=octavia"]))


def test_a_checkout_is_changed_in_place(tmp_path, capsys):
    assert feature_matrix.main(str(tmp_path)) == 1
    assert "feature-matrix" in capsys.readouterr().err
    folder = tmp_path / feature_matrix.FOLDER
    folder.mkdir(parents=True)
    path = folder / "feature-matrix-lb.ini"
    path.write_text(MATRIX)
    assert feature_matrix.main(str(tmp_path)) == 0
    assert "driver.anycast=complete" in path.read_text()
    assert feature_matrix.main(str(tmp_path)) == 1
