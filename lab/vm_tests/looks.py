# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What tests ask guests and agents, from the control namespace."""

import collections.abc
import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys

from octavia_anycast_lab import deployment, shell
from octavia_anycast_lab.api.balancers import Balancer
from octavia_anycast_lab.cloud import controller, service
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process
from octavia_anycast_lab.vm import guests
from octavia_anycast_lab.vm.balancers import Amphora
from octavia_anycast_lab.vm.world import BOOT_SECONDS, World

AGENT_TLS = pathlib.Path(__file__).parents[1] / "tests/cluster/agent_tls.py"
_COMMAND_SECONDS = 300.0
BgpSession = tuple[int, int] | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What an agent's TLS port does; ``stranger``: without a certificate."""

    serial: int
    status: int
    stranger: int | str


def inside(world: World, one: Amphora, line: str) -> str:
    """What a line of shell prints in the guest."""
    return guests.run_in_guest(world.plane, one.guest, line)


def agent(world: World, one: Amphora) -> Shown:
    """Call the agent as the controller does, and as nobody does."""
    done = subprocess.run(
        shell.command_line(
            world.plane,
            [
                *(sys.executable, str(AGENT_TLS)),
                str(world.plane.config_dir / "pki"),
                str(one.guest.amphora_id),
                str(one.management),
            ],
        ),
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
        check=True,
    )
    return Shown(**json.loads(done.stdout))


def manage(world: World, *arguments: str) -> str:
    """What ``octavia-anycast-manage`` prints."""
    script = deployment.installed_script(
        "octavia-anycast-manage", "octavia_anycast.cmd.manage"
    )
    done = subprocess.run(
        shell.command_line(
            world.plane,
            [
                str(script),
                *controller.config_arguments(world.plane),
                *arguments,
            ],
        ),
        env=service.environment(world.plane),
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def session(world: World, one: Amphora) -> BgpSession:
    """Its BGP session, by its leaf; None if it is down."""
    return observe.connection(world.lab, one.leaf.name, one.management)


def await_back(
    world: World, made: Balancer, one: Amphora, before: BgpSession
) -> None:
    """Wait until the same server announces again, by another session."""

    def is_back() -> bool:
        found = session(world, one)
        return found not in (None, before) and world.announces(made, one)

    process.wait_until(
        is_back, BOOT_SECONDS, f"{one.name} announces again", 1.0
    )


@contextlib.contextmanager
def controller_with(world: World, text: str) -> collections.abc.Iterator[None]:
    """The controller reads these options, too."""
    path = world.plane.config_dir / "test.conf"
    deployment.write_private(path, text)
    try:
        controller.stop(world.registry)
        controller.start(world.plane, world.registry, also=[path])
        yield
    finally:
        controller.stop(world.registry)
        controller.start(world.plane, world.registry)
        path.unlink()


def servers_made(
    world: World, before: collections.abc.Collection[str]
) -> frozenset[str]:
    """Servers that are new in Nova."""
    return world.server_ids() - frozenset(before)
