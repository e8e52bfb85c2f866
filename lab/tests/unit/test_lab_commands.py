# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-lab``: what it says of itself, and whom it means."""

import argparse
import re

import pytest
from octavia_anycast_lab import cli
from octavia_anycast_lab.amphora import machine


def commands() -> dict[str, argparse.ArgumentParser]:
    """The commands that are there."""
    (found,) = (
        action.choices
        for action in cli.parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return dict(found)


def test_help_names_every_command_and_no_other() -> None:
    said = cli.parser().format_help()
    listed = set(re.findall(r"^    ([a-z]+)\b", said, re.M))
    assert listed == set(commands())
    prose = said.partition("positional arguments")[0]
    assert set(re.findall(r"\{(.*)\}", prose)[0].split(",")) == listed


@pytest.mark.parametrize("name", sorted(commands()))
def test_each_command_has_an_action_and_help(name: str) -> None:
    parser = commands()[name]
    assert callable(parser.get_default("action"))
    assert name in parser.format_help()


def _instance(identifier: str, amphora: str) -> machine.Instance:
    return machine.Instance(
        id=identifier,
        name=f"amphora-{amphora}",
        zone="rack1",
        layers=(),
        disk="",
    )


FIRST = _instance("11112222-aaaa", "f00d0001-bbbb")
SECOND = _instance("1111eeee-cccc", "f00d0002-dddd")


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("amp-11112222", FIRST),
        ("amp-1111e", SECOND),
        ("1111eeee-cccc", SECOND),
        ("f00d0001-bbbb", FIRST),
        ("f00d0002", SECOND),
    ],
)
def test_an_amphora_by_label_or_either_id(
    word: str, found: machine.Instance
) -> None:
    assert machine.named((FIRST, SECOND), word) is found


@pytest.mark.parametrize(
    ("word", "instances", "sentence"),
    [
        ("leaf9", (FIRST, SECOND), "no amphora is called 'leaf9'"),
        ("amp-1111", (FIRST, SECOND), "several amphorae are called"),
        ("", (FIRST, SECOND), "several amphorae are called"),
        ("amp-1111", (), "there are: none"),
    ],
)
def test_a_name_that_means_nobody_or_several_is_a_sentence(
    word: str, instances: tuple[machine.Instance, ...], sentence: str
) -> None:
    with pytest.raises(LookupError) as refusal:
        machine.named(instances, word)
    assert sentence in str(refusal.value)
