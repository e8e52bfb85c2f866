# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``python -m octavia_anycast_lab.vm``: the command line of this lab.

What it shares with the lab of containers (``shell``, ``enter`` and others) is
``octavia-anycast-lab --lab NAME``.
"""

import argparse
import pathlib
import shlex
import sys

from octavia_anycast_lab import cli, deployment
from octavia_anycast_lab import settings as lab_settings
from octavia_anycast_lab import up as lab_up
from octavia_anycast_lab.amphora import idle
from octavia_anycast_lab.cloud import control_plane
from octavia_anycast_lab.host import process
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.registry import Registry
from octavia_anycast_lab.vm import down, guests, settings, up
from octavia_anycast_lab.vm.api import image

EXPECTED = (
    *cli.EXPECTED,
    process.ProcessError,
    image.ImageMissingError,
    guests.GuestError,
)
DOWN_STATUS = 3
IDLE_SECONDS = 60


def main() -> None:
    """Run one command; exits with 1 and a sentence if it did not work."""
    actions = {"up": _up, "down": _down, "status": _status, "idle": _idle}
    parser = argparse.ArgumentParser(
        prog="octavia_anycast_lab.vm",
        description="The lab with amphorae as virtual machines, by Nova.",
    )
    parser.add_argument(
        "--lab",
        help=f"name of the instance (default: ${settings.LAB_ENVIRONMENT}, "
        f"else {settings.DEFAULT_LAB})",
    )
    parser.add_argument("action", choices=sorted(actions))
    options = parser.parse_args()
    try:
        lab = settings.lab(options.lab)
        sys.exit(actions[options.action](lab))
    except EXPECTED as error:
        sys.exit(f"{parser.prog}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{parser.prog}: interrupted; `down` cleans up")


def _up(lab: lab_settings.Lab) -> int:
    progress = Progress()
    up.up(lab, progress)
    progress.note(f"lab {lab.name} is up")
    return 0


def _down(lab: lab_settings.Lab) -> int:
    down.down(lab, Progress())
    return 0


def _status(lab: lab_settings.Lab) -> int:
    """Exit status 0 if every process answers, 3 if the lab is down."""
    if not lab_up.is_complete(lab):
        print(f"lab {lab.name} is down")  # noqa: T201
        return DOWN_STATUS
    plane = deployment.Deployment.of(lab)
    registry = Registry(lab.run_dir)
    states = (
        *control_plane.states(plane, registry, up.configure(plane)),
        *(control_plane.state(plane, registry, n) for n in up.labels()),
    )
    for state in states:
        verdict = "answers" if state.is_answering else "DOES NOT ANSWER"
        print(  # noqa: T201
            f"{state.label:<20} {state.pid or '-':>8} "
            f"{state.memory_mb:>5} MB  {verdict}"
        )
    for guest in guests.guests(plane):
        print(  # noqa: T201
            f"{guest.name}  {guest.status:<8} {guest.host}  {guest.id}"
        )
    return 0 if all(state.is_answering for state in states) else 1


def _idle(lab: lab_settings.Lab) -> int:
    """Say what each guest takes in a minute, see :mod:`.amphora.idle`."""
    plane = deployment.Deployment.of(lab)
    script = pathlib.Path(idle.__file__).read_text(encoding="utf-8")
    command = f"sudo python3 -c {shlex.quote(script)} {IDLE_SECONDS}"
    for guest in guests.guests(plane):
        if guest.status == "ACTIVE":
            said = guests.run_in_guest(plane, guest, command)
            print(f"{guest.name}  {guest.id}\n{said}")  # noqa: T201
    return 0


if __name__ == "__main__":
    main()
