# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The client's interactive mode, with a shell in the client's place."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator

import pytest
from octavia_anycast_lab.demo import client, screen
from octavia_anycast_lab.progress import Progress

# Answers each command with a table whose last rule comes late.
ANSWERS = """
while read -r line; do
  case "$line" in
    !*) sleep 0.05; eval "${line#!}";;
    *silent*) ;;
    *wrong*) echo first >&2; echo "no such thing: $line" >&2;;
    *) printf '+--+\\n| %s |\\n+--+\\n' "$line"; sleep 0.05; echo '+--+';;
  esac
done
"""
ENDS = "read -r line; echo first >&2; echo 'no cloud' >&2"


@contextlib.contextmanager
def session(script: str) -> Iterator[client.Session]:
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            ["sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        try:
            yield client.Session(screen.Screen(Progress()), process, errors)
        finally:
            process.kill()


def test_each_command_is_awaited_and_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with session(ANSWERS) as opened:
        opened.run("pool", "create", "a b")
        opened.run("silent")
        opened.run("pool", "list")
    assert capsys.readouterr().out == (
        "      (openstack) pool create 'a b'\n"
        "      (openstack) silent\n"
        "      (openstack) pool list\n"
    )


def test_a_command_that_fails_is_an_error_and_the_next_one_is_not() -> None:
    with session(ANSWERS) as opened:
        with pytest.raises(
            client.ClientError, match="openstack pool wrong: no such thing"
        ):
            opened.run("pool", "wrong")
        opened.run("pool", "list")


def test_a_client_that_ends_is_an_error() -> None:
    with (
        session(ENDS) as opened,
        pytest.raises(client.ClientError, match="pool list: no cloud"),
    ):
        opened.run("pool", "list")
    with (
        session("true") as opened,
        pytest.raises(client.ClientError, match="pool list: no answer"),
    ):
        opened.run("pool", "list")
