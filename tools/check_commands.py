# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""See that the commands of a document exist.

``openstack loadbalancer`` and ``octavia-anycast-manage``. Those in a block
are parsed by the parser of the very command, options and all; of those within
a sentence the words have to begin a command.
"""

import argparse
import contextlib
import functools
import io
import re
import shlex
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from octavia_anycast.cmd import manage

GROUPS = ("openstack.load_balancer.v2", "openstack.extension")
MANAGE = "octavia-anycast-manage"
BLOCK = re.compile(
    rf"^ +(?:\$ )?((?:openstack loadbalancer|{MANAGE}) (?:.*\\\n)*.*)$", re.M
)
# Also one that is broken over two lines of a sentence.
INLINE = re.compile(r"``(openstack\s+loadbalancer[^`]*)``")


@functools.cache
def commands() -> dict[str, Any]:
    """Words of a command -> its entry point; the last group wins."""
    return {
        point.name.replace("_", " "): point
        for group in GROUPS
        for point in metadata.entry_points(group=group)
    }


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


def wrong_block(text: str) -> str | None:
    """What is wrong with a whole command."""
    try:
        words = shlex.split(text.replace("\\\n", " "))
    except ValueError:
        return None  # goes on in another way than by a backslash
    if words[0] == MANAGE:
        parser, arguments = manage_parser(), words[1:]
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
