# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The openstack client, run as a tenant or an operator would type it."""

import collections.abc
import contextlib
import dataclasses
import os
import select
import shlex
import subprocess
import tempfile
import time
import typing

from octavia_anycast_lab import deployment, shell
from octavia_anycast_lab.demo.screen import Screen

TENANT = "demo"
OPERATOR = "admin"
_TIMEOUT_SECONDS = 300.0
_END_SECONDS = 10.0
_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 5.0
_CHUNK = 65536
_PROMPT = "(openstack)"
# Above the header, below it, and at the end.
_RULES_OF_A_TABLE = 3


class ClientError(Exception):
    """The openstack client ended with an error; holds what it said."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Runs commands inside the lab's control namespace, and shows them."""

    plane: deployment.Deployment
    screen: Screen
    cloud: str = TENANT

    @property
    def environment(self) -> dict[str, str]:
        """What it runs with."""
        return {
            **shell.environment(self.plane),
            "OS_CLOUD": self.cloud,
            "PYTHONWARNINGS": "ignore",
            "PYTHONUNBUFFERED": "1",
        }

    @contextlib.contextmanager
    def session(self) -> collections.abc.Iterator["Session"]:
        """Its interactive mode: several commands, one start."""
        argv = shell.command_line(self.plane, ["openstack"])
        self.screen.command(["openstack"])
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                argv,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            ) as process,
        ):
            try:
                yield Session(self.screen, process, errors)
            finally:
                assert process.stdin is not None
                process.stdin.close()
                _end(process)

    def run(self, *words: str, given: str = "") -> None:
        """``openstack WORDS``.

        :param given: what it reads from its standard input
        :raises ClientError: it failed.
        """
        argv = ["openstack", *words]
        self.screen.command(argv)
        done = subprocess.run(
            shell.command_line(self.plane, argv),
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            last = said[-1] if said else f"exit status {done.returncode}"
            raise ClientError(f"openstack {' '.join(words[:3])}: {last}")


class Session:
    """The client which reads its commands; see ``Client.session``.

    Only for commands that print one table: its end is how the end of a
    command is known.
    """

    def __init__(
        self,
        screen: Screen,
        process: "subprocess.Popen[bytes]",
        errors: typing.IO[bytes],
    ) -> None:
        self._screen = screen
        self._process = process
        self._errors = errors

    def run(self, *words: str) -> None:
        """One command.

        :raises ClientError: it failed.
        """
        self._screen.command(words, prompt=_PROMPT)
        assert self._process.stdin is not None
        self._process.stdin.write(f"{shlex.join(words)}\n".encode())
        self._process.stdin.flush()
        self._await_table(" ".join(words[:3]))

    def _await_table(self, what: str) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        text = b""
        began = time.monotonic()
        while text.count(b"\n+") < _RULES_OF_A_TABLE:
            if select.select([pipe], [], [], _LOOK_SECONDS)[0]:
                more = os.read(pipe.fileno(), _CHUNK)
                if not more:
                    raise ClientError(f"openstack {what}: {self._said()}")
                text += more if text else b"\n" + more.lstrip(b"\n")
                continue
            waited = time.monotonic() - began
            if waited > _TIMEOUT_SECONDS or (
                # It may have been a warning only.
                waited > _PATIENCE_SECONDS and self._said()
            ):
                raise ClientError(
                    f"openstack {what}: {self._said() or 'no answer'}"
                )

    def _said(self) -> str:
        """The last line of what it complained about."""
        size = os.fstat(self._errors.fileno()).st_size
        said = os.pread(self._errors.fileno(), size, 0).decode()
        return (said.strip().splitlines() or [""])[-1]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """It ends with its input; killed if it does not."""
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
