# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The password of a BGP session, given so that nobody else sees it.

What ``--password`` says stands in the list of processes; the two other
options are there because of that. In our own log of a debugging run it is
masked.
"""

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

from osc_lib import exceptions

MASK = "***"


class Secret(str):
    """A text that a log of the arguments does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Not the text."""
        return repr(MASK)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the three ways to give a password."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--password",
        metavar="<password>",
        type=Secret,
        help=(
            "TCP MD5 password (RFC 2385) of the session. Other users of this "
            "machine can see it in the list of processes."
        ),
    )
    group.add_argument(
        "--password-prompt",
        action="store_true",
        help="Ask for the password on the terminal.",
    )
    group.add_argument(
        "--password-file",
        metavar="<file>",
        help="Read the password from a file; - is the standard input.",
    )


def attributes(parsed_args: argparse.Namespace) -> dict[str, Any]:
    """The attributes of a peer that follow from the options."""
    password = _read(parsed_args)
    if password is None:
        return {}
    return {"auth_type": "md5", "password": password}


def _read(parsed_args: argparse.Namespace) -> str | None:
    if parsed_args.password_prompt:
        return _asked()
    if parsed_args.password_file is not None:
        return _from_file(parsed_args.password_file)
    if parsed_args.password is None:
        return None
    return str(parsed_args.password)


def _asked() -> str:
    if not sys.stdin.isatty():
        raise exceptions.CommandError(
            "There is no terminal to ask for a password; use --password-file -"
        )
    first = getpass.getpass("BGP password: ")
    if getpass.getpass("Again: ") != first:
        raise exceptions.CommandError("The passwords are not the same")
    return first


def _from_file(name: str) -> str:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text()
    except (OSError, UnicodeDecodeError) as e:
        raise exceptions.CommandError(f"No password in {name}: {e}") from e
    return text.rstrip("\r\n")
