# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The blocks of guides, and the commands that documents name."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "tools"))

import check_commands  # noqa: E402
import guide_blocks  # noqa: E402

GUIDE = """\
Title
=====

.. as: demo

Create::

   one \\
     --more
   two

.. not run: it takes
   an hour

* In a list::

     three

  and on.

.. at: leaf1

.. fails

Says::

   $ four
   BGP peer 6e2c0d4e-3f5b-4f1b-9a52-2c7f1c8b2a02 is
   in use. (HTTP 409) (req-8a1f...)

.. note::

   No block.
"""


def _blocks(
    tmp_path: pathlib.Path, text: str, name: str = "guide.rst"
) -> tuple[guide_blocks.Block, ...]:
    path = tmp_path / name
    path.write_text(text)
    return guide_blocks.blocks(path, tmp_path)


def test_blocks_with_what_their_source_says_of_them(
    tmp_path: pathlib.Path,
) -> None:
    one, three, four = _blocks(tmp_path, GUIDE)
    assert one.text == "one \\\n  --more\ntwo\n"
    assert (one.user, one.place, one.reason) == ("demo", "control", None)
    assert three.text == "three\n"
    assert three.reason == "it takes an hour"
    assert (four.user, four.place) == ("demo", "leaf1")
    assert four.is_refused
    assert four.commands == "four\n"
    assert four.name == "guide.rst:27"


def test_markdown(tmp_path: pathlib.Path) -> None:
    text = "A:\n\n    one\n\n<!-- not run: no\nroot -->\n\nB:\n\n    two\n"
    one, two = _blocks(tmp_path, text, "guide.md")
    assert (one.text, one.reason) == ("one\n", None)
    assert (two.text, two.reason) == ("two\n", "no root")


@pytest.mark.parametrize(
    ("said", "is_all"),
    [
        (
            "BGP peer 00000000-0000-4000-8000-000000000000 is in\n"
            "use. (HTTP 409) (req-1234)",
            True,
        ),
        ("BGP peer leaf1 is in use. (HTTP 409) (req-1)", True),
        ("BGP peer leaf1 is in use. (HTTP 404) (req-1)", False),
        ("", False),
    ],
)
def test_what_a_guide_prints(
    tmp_path: pathlib.Path, said: str, is_all: bool
) -> None:
    block = _blocks(tmp_path, GUIDE)[2]
    assert (block.unsaid(said) == []) == is_all


@pytest.mark.parametrize(
    "comment",
    [
        "not-run: because",
        "not run",
        "not run:",
        "Not run: because",
        "run as: demo",
        "shown",
        "fail",
        "at leaf1",
    ],
)
def test_a_misspelt_mark_is_found(comment: str) -> None:
    text = f"A\n\n.. {comment}\n\nB::\n\n   c\n"
    found = list(guide_blocks.wrong_marks(".rst", text))
    assert bool(found) == (comment != "run as: demo")


def test_a_command_cannot_be_hidden_as_a_picture(
    tmp_path: pathlib.Path,
) -> None:
    (block,) = _blocks(
        tmp_path, ".. shown: a file\n\nA::\n\n   openstack server list\n"
    )
    assert "say why" in str(guide_blocks.wrong(block))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("  openstack loadbalancer create --name a\n", None),
        ("  openstack loadbalancer distributor create x\n", "--name"),
        ("  openstack loadbalancer creat --name a\n", "no such command"),
        ("  openstack network create --share a\n", None),
        ("  openstack network kreate a\n", "no such command"),
        ("  openstack stack create -t web.yaml web\n", None),
        ("  openstack compute service set --disable H n\n", None),
        ("  $MANAGE housekeeping sweep --dry-run   # look\n", None),
        ("  $MANAGE housekeeping sweeps\n", "invalid choice"),
        ("  octavia-anycast-lab enter leaf1 vtysh -c 'show bgp'\n", None),
        ("  octavia-anycast-lab run x\n", "invalid choice"),
        ("``octavia-anycast-lab certificate NAME``", None),
        ("``octavia-anycast-lab run``", "no such command"),
        ("``octavia-anycast-manage housekeeping``", None),
        ("``octavia-anycast-manage db downgrade``", "no such command"),
        ("``openstack loadbalancer failover``", None),
        ("``openstack loadbalancer fail over``", "no such command"),
    ],
)
def test_commands_that_do_not_exist_are_found(
    text: str, sentence: str | None
) -> None:
    found = list(check_commands.wrong_commands(text))
    if sentence is None:
        assert found == []
    else:
        assert len(found) == 1
        assert sentence in found[0]


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("openstack loadbalancer distributor set fabric --disable", True),
        ("openstack loadbalancer distributor set fabric --wait", False),
        ("openstack loadbalancer bgp peer set tor1 \\\n  --med 100", True),
        ("openstack loadbalancer bgp peer create --name tor3", False),
        ("openstack loadbalancer distributor vip list fabric", False),
        ("openstack loadbalancer delete mine", False),
        ("openstack loadbalancer distributor set 'fabric", False),
    ],
)
def test_a_change_waits_for_its_end(text: str, is_found: bool):
    assert bool(list(check_commands.unwaited(text + "\n"))) == is_found
