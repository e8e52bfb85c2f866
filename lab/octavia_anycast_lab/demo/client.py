# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The openstack client, run as a tenant or an operator would type it."""

import dataclasses
import subprocess

from octavia_anycast_lab import deployment, shell
from octavia_anycast_lab.demo.screen import Screen

TENANT = "demo"
OPERATOR = "admin"
_TIMEOUT_SECONDS = 300.0


class ClientError(Exception):
    """The openstack client ended with an error; holds what it said."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Runs commands inside the lab's control namespace, and shows them."""

    plane: deployment.Deployment
    screen: Screen
    cloud: str = TENANT

    def run(self, *words: str, given: str = "") -> None:
        """``openstack WORDS``.

        :param given: what it reads from its standard input
        :raises ClientError: it failed.
        """
        argv = ["openstack", *words]
        self.screen.command(argv)
        done = subprocess.run(
            shell.command_line(self.plane, argv),
            env={
                **shell.environment(self.plane),
                "OS_CLOUD": self.cloud,
                "PYTHONWARNINGS": "ignore",
            },
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
