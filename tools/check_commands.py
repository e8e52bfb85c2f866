# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""See that the commands of a document exist.

``openstack loadbalancer``, ``octavia-anycast-manage`` and
``octavia-anycast-lab``. Those in a block are parsed by the parser of the very
command, options and all; of those within a sentence the words have to begin a
command. A change that leaves something in PENDING_* waits for its end, so that
the next command is not refused. Other commands of ``openstack``, in blocks
that are typed by nobody, have to be there.
"""

import argparse
import contextlib
import functools
import io
import re
import shlex
import textwrap
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from octavia_anycast_lab import cli

from octavia_anycast.cmd import manage

GROUPS = ("openstack.load_balancer.v2", "openstack.extension")
OTHER_GROUPS = (
    "openstack.common",
    "openstack.compute.v2",
    "openstack.identity.v3",
    "openstack.image.v2",
    "openstack.network.v2",
)
# Heat's: typed by make test-clients, whose environment alone has them.
TYPED_ELSEWHERE = ("stack",)
MANAGE = "octavia-anycast-manage"
LAB = "octavia-anycast-lab"
# What the guides call the first of them.
VARIABLES = {"$MANAGE": MANAGE}
# Their changes leave in PENDING_* what the next command may be about.
WAITED_FOR = ("bgp", "cluster", "distributor")
PROGRAMS = rf"(?:openstack(?= [a-z])|\$MANAGE|{MANAGE}|{LAB})"
BLOCK = re.compile(rf"^ +(?:\$ )?({PROGRAMS} (?:.*\\\n)*.*)$", re.M)
# Also one that is broken over two lines of a sentence.
INLINE = re.compile(r"``(openstack\s+loadbalancer[^`]*)``")
# Ours, wherever somebody is told to use them.
NAMED = re.compile(rf"`({MANAGE}|{LAB})((?: [a-z][a-z-]*)+)")


@functools.cache
def commands() -> dict[str, Any]:
    """Words of a command -> its entry point; the last group wins."""
    return {
        point.name.replace("_", " "): point
        for group in GROUPS
        for point in metadata.entry_points(group=group)
    }


@functools.cache
def others() -> frozenset[str]:
    """The words of openstack's commands for other services."""
    return frozenset(
        point.name.replace("_", " ")
        for group in OTHER_GROUPS
        for point in metadata.entry_points(group=group)
    )


@functools.cache
def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a command."""
    parser: argparse.ArgumentParser
    parser = commands()[name].load()(None, None).get_parser(name)
    return parser


@functools.cache
def manage_parser() -> argparse.ArgumentParser:
    """The parser of octavia-anycast-manage, with oslo.config's options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config-file")
    parser.add_argument("--debug", action="store_true")
    manage.add_commands(parser.add_subparsers(dest="command", required=True))
    return parser


def split(words: list[str]) -> tuple[str, list[str]] | None:
    """The longest command that the words begin with, and the rest."""
    for length in range(len(words), 1, -1):
        name = " ".join(words[1:length])
        if name in commands():
            return name, words[length:]
    return None


def _words(text: str) -> list[str]:
    """The words of a command; none if it goes on otherwise than by ``\\``."""
    try:
        return shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError:
        return []


def wrong_block(text: str) -> str | None:
    """What is wrong with a whole command."""
    words = _words(text)
    if not words:
        return None
    words[0] = VARIABLES.get(words[0], words[0])
    if words[0] == MANAGE:
        parser, arguments = manage_parser(), words[1:]
    elif words[0] == LAB:
        parser, arguments = cli.parser(), words[1:]
    elif words[1] != "loadbalancer":
        return _wrong_other(words)
    else:
        found = split(words)
        if found is None:
            return f"no such command: {' '.join(words[:5])}"
        parser, arguments = parser_of(found[0]), found[1]
    said = io.StringIO()
    with (
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            parser.parse_args(arguments)
        except SystemExit as e:
            if not e.code:
                return None  # --help
            return said.getvalue().strip().splitlines()[-1]
    return None


def unwaited(text: str) -> Iterator[str]:
    """The commands of a block that may have the next one refused."""
    indented = textwrap.indent(text, " ")
    for command in BLOCK.findall(indented):
        words = _words(command)
        found = split(words) if words[1:2] == ["loadbalancer"] else None
        if found is None or words[2] not in WAITED_FOR:
            continue
        options = parser_of(found[0]).format_usage()
        if "--wait" in options and "--wait" not in words:
            yield f"say --wait, or the next command may be refused: {command}"


def _wrong_other(words: list[str]) -> str | None:
    """What is wrong with a command for another service."""
    if words[1] in TYPED_ELSEWHERE:
        return None
    for length in range(2, len(words) + 1):
        if " ".join(words[1:length]) in others():
            return None
    return f"no such command: {' '.join(words[:4])}"


def wrong_named(program: str, words: list[str]) -> str | None:
    """What is wrong with a command of ours that a text names."""
    parser = cli.parser() if program == LAB else manage_parser()
    for word in words:
        choices = _choices(parser)
        if not choices:
            return None
        if word not in choices:
            return f"no such command: {program} {' '.join(words)}"
        parser = choices[word]
    return None


def _choices(
    parser: argparse.ArgumentParser,
) -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


def wrong_inline(text: str) -> str | None:
    """What is wrong with a command that a sentence names."""
    words = text.split()
    bare = []
    for word in words[1:]:
        if not re.fullmatch(r"[a-z]+", word):
            break
        bare.append(word)
    is_known = any(
        name.split()[: len(bare)] == bare for name in commands()
    ) or split(words)
    return None if is_known else f"no such command: {text}"


def wrong_commands(text: str) -> Iterator[str]:
    """Everything that is wrong with the commands of a document."""
    for command in BLOCK.findall(text):
        finding = wrong_block(command)
        if finding:
            yield finding
    for command in INLINE.findall(text):
        finding = wrong_inline(command)
        if finding:
            yield finding
    for program, words in NAMED.findall(text):
        finding = wrong_named(program, words.split())
        if finding:
            yield finding
