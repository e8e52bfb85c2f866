# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``python -m octavia_anycast_lab.vm.demo``: what ``make demo-vm`` runs."""

import argparse
import os
import sys

from octavia_anycast_lab import lock, settings
from octavia_anycast_lab import up as lab_up
from octavia_anycast_lab.api import distributors
from octavia_anycast_lab.demo.screen import NotTrueError, Screen
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.vm import down, up
from octavia_anycast_lab.vm import settings as vm_settings
from octavia_anycast_lab.vm.__main__ import EXPECTED
from octavia_anycast_lab.vm.demo import story
from octavia_anycast_lab.vm.world import World

_KEEP = "OA_LAB_KEEP"


def main() -> None:
    """Bring the lab up, tell the story, remove the lab; or say what failed.

    A lab that was up before is not removed.
    """
    parser = argparse.ArgumentParser(
        prog="demo-vm",
        description="Watch a load balancer on virtual machines.",
    )
    parser.add_argument(
        "--lab", help="name of the lab (default: $OA_VM_LAB, oavm)"
    )
    options = parser.parse_args()
    try:
        lab = vm_settings.lab(options.lab)
        up.require_machine()
        with lock.held(lab, "demo"):
            _run_or_explain(lab)
    except EXPECTED as error:
        sys.exit(f"demo-vm: {error}")


def _run_or_explain(lab: settings.Lab) -> None:
    """A sentence instead of a traceback; the lab stays for a look at it."""
    try:
        _run(lab, Screen(Progress()))
    except NotTrueError as error:
        sys.exit(f"\ndemo-vm: this does not hold: {error}\n{_hint(lab)}")
    except EXPECTED as error:
        sys.exit(f"\ndemo-vm: {error}\n{_hint(lab)}")
    except KeyboardInterrupt:
        sys.exit(f"\ndemo-vm: interrupted\n{_hint(lab)}")


def _run(lab: settings.Lab, screen: Screen) -> None:
    screen.act(
        "a cloud on this machine: Nova, libvirt, QEMU, Glance, a fabric"
    )
    was_up = lab_up.is_complete(lab)
    if was_up:
        screen.say(
            f"Lab {lab.name} was up before: it stays, with what is in it."
        )
    world = World(up.up(lab, screen.progress))
    story.tell(story.Stage(world=world, screen=screen))
    if was_up or os.environ.get(_KEEP):
        distributors.ensure_default(world.admin)
        why = "it was up before" if was_up else _KEEP
        screen.say(f"The lab stays up ({why}). {_hint(lab)}")
        return
    screen.act("the lab is removed")
    down.down(lab, screen.progress)
    screen.claim(
        not lab.run_dir.exists(),
        "no process, mount, namespace or file is left of it",
    )
    screen.say(f"All of this took {screen.progress.elapsed_seconds:.0f} s.")


def _hint(lab: settings.Lab) -> str:
    is_default = lab.name == vm_settings.DEFAULT_LAB
    name = "" if is_default else f" {vm_settings.LAB_ENVIRONMENT}={lab.name}"
    return f"`make vm-down{name}` removes the lab."


if __name__ == "__main__":
    main()
