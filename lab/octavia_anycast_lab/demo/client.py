# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The openstack client, run as a tenant or an operator would type it.

In its interactive mode: a start of it takes longer than most commands.
"""

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
_CHUNK = 65536
_PROMPT = "(openstack)"
# The client has a shell say this after each command: then it is over.
_END = "end-of-command"


class ClientError(Exception):
    """The openstack client ended with an error; holds what it said."""


@dataclasses.dataclass(slots=True, kw_only=True)
class Client:
    """One user's client, inside the lab's control namespace.

    A context: it starts at once and is waited for at its first command.
    """

    plane: deployment.Deployment
    screen: Screen
    cloud: str = TENANT
    _stack: contextlib.ExitStack = dataclasses.field(
        default_factory=contextlib.ExitStack
    )
    _session: "Session | None" = None
    _is_shown: bool = False

    def __enter__(self) -> typing.Self:
        errors = self._stack.enter_context(tempfile.TemporaryFile())
        process = self._stack.enter_context(
            subprocess.Popen(
                shell.command_line(self.plane, ["openstack"]),
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        )
        self._stack.callback(_end, process)
        self._session = Session(self.screen, process, errors)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def environment(self) -> dict[str, str]:
        """What it runs with."""
        return {
            **shell.environment(self.plane),
            "OS_CLOUD": self.cloud,
            "PYTHONWARNINGS": "ignore",
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, *words: str) -> None:
        """One command.

        :raises ClientError: it failed.
        """
        assert self._session is not None, "it is used as a context"
        if not self._is_shown:
            self.screen.say(f"$ OS_CLOUD={self.cloud} openstack")
            self._is_shown = True
        self._session.run(*words)


class Session:
    """The client which reads its commands."""

    def __init__(
        self,
        screen: Screen,
        process: "subprocess.Popen[bytes]",
        errors: typing.IO[bytes],
    ) -> None:
        self._screen = screen
        self._process = process
        self._errors = errors
        self._read = 0

    def run(self, *words: str) -> None:
        """One command, until it is over.

        :raises ClientError: it complained, or the client ended.
        """
        self._screen.command(words, prompt=_PROMPT)
        what = f"openstack {' '.join(words[:3])}"
        try:
            self._type(f"{shlex.join(words)}\n!echo {_END}\n")
            is_over = self._await_end()
        except BrokenPipeError:
            is_over = False
        said = self._said()
        if said or not is_over:
            raise ClientError(f"{what}: {said or 'no answer'}")

    def _type(self, text: str) -> None:
        assert self._process.stdin is not None
        # Past the buffer, which could not be closed if the client is gone.
        os.write(self._process.stdin.fileno(), text.encode())

    def _await_end(self) -> bool:
        """Read up to the end of the command; False if it does not come."""
        pipe = self._process.stdout
        assert pipe is not None
        text = b""
        limit = time.monotonic() + _TIMEOUT_SECONDS
        while time.monotonic() < limit:
            if select.select([pipe], [], [], _LOOK_SECONDS)[0]:
                more = os.read(pipe.fileno(), _CHUNK)
                if not more:
                    return False
                text += more
                if _END.encode() in text.splitlines():
                    return True
        return False

    def _said(self) -> str:
        """The last line of what it complained about since the last call."""
        end = os.fstat(self._errors.fileno()).st_size
        said = os.pread(self._errors.fileno(), end - self._read, self._read)
        self._read = end
        return (said.decode().strip().splitlines() or [""])[-1]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """It ends with its input; killed if it does not."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
