# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A program that serves in the namespace of each member of the lab."""

import dataclasses
import sys

from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab import settings
from octavia_anycast_lab.host import netns, process

_START_DEADLINE_SECONDS = 10.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MemberServer:
    """A module that Python runs, with the member's name and ``arguments``.

    :param port: what it listens to, of ``protocol``, when all is ready
    :param suffix: what its label and its log have after the member's name
    """

    module: str
    port: int
    protocol: str = "tcp"
    suffix: str = ""
    arguments: tuple[str, ...] = ()

    def label(self, name: str) -> str:
        """Under which name the registry has the process of a member."""
        return f"member-{name}{self.suffix}"

    def up(self, lab: settings.Lab, registry: registry_lib.Registry) -> None:
        """Start those which do not run; returns once all listen."""
        for member in settings.MEMBERS:
            self.start(lab, registry, member.name)
        for member in settings.MEMBERS:
            process.wait_until(
                lambda name=member.name: netns.listens(  # type: ignore[misc]
                    lab.namespace(name), self.port, self.protocol
                ),
                _START_DEADLINE_SECONDS,
                f"{self.label(member.name)} listens",
            )

    def start(
        self, lab: settings.Lab, registry: registry_lib.Registry, name: str
    ) -> None:
        """Start that of one member unless it runs."""
        if not process.is_alive(registry, self.label(name)):
            process.spawn(
                registry,
                self.label(name),
                [sys.executable, "-m", self.module, name, *self.arguments],
                namespace=lab.namespace(name),
                log=lab.log_dir / f"{name}{self.suffix}.log",
            )

    def stop(self, registry: registry_lib.Registry, name: str) -> None:
        """Stop that of one member."""
        process.stop(registry, self.label(name))
