# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The unmodified openstack client in the lab, loaded once for many commands.

``directory``, in front of PATH, has an ``openstack`` that runs its commands
in a process which has loaded the client already (``quick_client.py``).
"""

import collections.abc
import pathlib
import subprocess
import sys
import typing

from octavia_anycast_lab import deployment, shell
from octavia_anycast_lab.host import process

SCRIPT = pathlib.Path(__file__).with_name("quick_client.py")
READY_SECONDS = 60.0
COMMAND_SECONDS = 420.0


class LoadedClient:
    """Runs ``openstack`` in the lab's control namespace."""

    def __init__(
        self, plane: deployment.Deployment, directory: pathlib.Path
    ) -> None:
        self.directory = directory
        self._plane = plane
        self._socket = directory / "client.socket"
        script = directory / "openstack"
        script.write_text(
            f"#!/bin/sh\nexec {sys.executable} -S -E "
            f'{SCRIPT} {self._socket} "$@"\n'
        )
        script.chmod(0o755)
        self._server = subprocess.Popen(
            shell.command_line(
                plane,
                [sys.executable, str(SCRIPT), "serve", str(self._socket)],
            ),
            env=dict(shell.environment(plane)),
        )

    def __enter__(self) -> typing.Self:
        """Wait until it is loaded."""
        process.wait_until(
            self._socket.exists, READY_SECONDS, "the client is loaded"
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._server.kill()
        self._server.wait()

    def run(
        self, words: collections.abc.Sequence[str], cloud: str
    ) -> "subprocess.CompletedProcess[str]":
        """``openstack WORDS`` as a user of clouds.yaml."""
        variables = shell.environment(self._plane)
        return subprocess.run(
            shell.command_line(self._plane, ["openstack", *words]),
            env={
                **variables,
                "OS_CLOUD": cloud,
                "PATH": f"{self.directory}:{variables['PATH']}",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
