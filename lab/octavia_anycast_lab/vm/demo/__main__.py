# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``python -m octavia_anycast_lab.vm.demo``: what ``make demo-vm`` runs."""

import argparse
import os
import sys

from octavia_anycast_lab import settings
from octavia_anycast_lab.demo.screen import NotTrueError, Screen
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.vm import down, up
from octavia_anycast_lab.vm import settings as vm_settings
from octavia_anycast_lab.vm.__main__ import EXPECTED
from octavia_anycast_lab.vm.demo import story
from octavia_anycast_lab.vm.world import World

_KEEP = "OA_LAB_KEEP"


def main() -> None:
    """Bring the lab up, tell the story, remove the lab; or say what failed."""
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
        _run(lab, Screen(Progress()))
    except NotTrueError as error:
        sys.exit(f"\ndemo-vm: this does not hold: {error}\n{_HINT}")
    except EXPECTED as error:
        sys.exit(f"\ndemo-vm: {error}\n{_HINT}")
    except KeyboardInterrupt:
        sys.exit(f"\ndemo-vm: interrupted\n{_HINT}")


def _run(lab: settings.Lab, screen: Screen) -> None:
    screen.act(
        "a cloud on this machine: Nova, libvirt, QEMU, Glance, a fabric"
    )
    plane = up.up(lab, screen.progress)
    story.tell(story.Stage(world=World(plane), screen=screen))
    if os.environ.get(_KEEP):
        screen.say(f"The lab stays up ({_KEEP}). {_HINT}")
        return
    screen.act("the lab is removed")
    down.down(lab, screen.progress)
    screen.claim(
        not lab.run_dir.exists(),
        "no process, mount, namespace or file is left of it",
    )
    screen.say(f"All of this took {screen.progress.elapsed_seconds:.0f} s.")


_HINT = "`make vm-down` removes the lab."

if __name__ == "__main__":
    main()
