# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``octavia-anycast-lab``: the lab's command line.

The only module of the lab that reads the command line and says what went
wrong in a sentence instead of a traceback.
"""

import argparse
import collections.abc
import os
import shutil
import sys

from octavia_anycast_lab import (
    cache,
    cleanup,
    deployment,
    down,
    faults,
    lock,
    settings,
    shell,
    up,
)
from octavia_anycast_lab.amphora import hypervisor, image, machine, wheels
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cloud import (
    control_plane,
    database,
    octavia_api,
    pki,
    service,
)
from octavia_anycast_lab.host import netns
from octavia_anycast_lab.progress import Progress
from octavia_anycast_lab.registry import Registry

# What goes wrong in ways that a sentence explains.
EXPECTED = (
    up.NotPossibleError,
    lock.BusyError,
    down.LeftoverError,
    cleanup.CleanupError,
    service.ServiceError,
    database.DatabaseError,
    image.ImageError,
    wheels.WheelError,
    netns.NamespaceError,
    hypervisor.InstanceStateError,
    hypervisor.InstanceNotFound,
    rest.ApiError,
    LookupError,
    TimeoutError,
    ValueError,
)


def main() -> None:
    """Run one command; exits with 1 and a sentence if it did not work."""
    options = parser().parse_args()
    try:
        lab = settings.Lab.from_environment(options.lab)
        if os.geteuid() != 0:
            up.require_machine()
        sys.exit(options.action(lab, options))
    except EXPECTED as error:
        sys.exit(f"octavia-anycast-lab: {error}")
    except KeyboardInterrupt:
        sys.exit("octavia-anycast-lab: interrupted; `down` cleans up")


def _up(lab: settings.Lab, options: argparse.Namespace) -> int:
    progress = Progress()
    plane = up.up(lab, progress, with_image=not options.no_image)
    if octavia_api.has_anycast():
        with progress.step("a distributor, the default one"):
            distributors.ensure_default(rest.Api(plane=plane))
    progress.note(f"lab {lab.name} is up")
    return 0


def _down(lab: settings.Lab, options: argparse.Namespace) -> int:
    down.down(lab, Progress())
    return 0


def _clean(lab: settings.Lab, options: argparse.Namespace) -> int:
    """Everything: the lab, and what later labs would have reused."""
    down.down(lab, Progress())
    shutil.rmtree(cache.root(), ignore_errors=True)
    return 0


def _status(lab: settings.Lab, options: argparse.Namespace) -> int:
    """Exit status 0 if every process answers, 3 if the lab is down."""
    if not up.is_complete(lab):
        print(f"lab {lab.name} is down")  # noqa: T201
        return 3
    plane = deployment.Deployment.of(lab)
    states = control_plane.states(plane, Registry(lab.run_dir))
    for state in states:
        verdict = "answers" if state.is_answering else "DOES NOT ANSWER"
        print(  # noqa: T201
            f"{state.label:<12} {state.pid or '-':>8} "
            f"{state.memory_mb:>5} MB  {verdict}"
        )
    _show_amphorae(hypervisor.Hypervisor(lab))
    return 0 if all(state.is_answering for state in states) else 1


def _show_amphorae(machines: hypervisor.Hypervisor) -> None:
    for instance in machines.instances():
        power = "has power" if machines.is_running(instance) else "NO POWER"
        print(  # noqa: T201
            f"{instance.label:<12}  amphora {instance.amphora_id}  "
            f"{instance.host:<12}  {power}"
        )


def _shell(lab: settings.Lab, options: argparse.Namespace) -> int:
    shell.enter(_running(lab), options.command)
    return 1


def _enter(lab: settings.Lab, options: argparse.Namespace) -> int:
    shell.enter_place(_running(lab).lab, options.place, options.command)
    return 1


# What can be done to an amphora.
_Blow = collections.abc.Callable[
    [hypervisor.Hypervisor, machine.Instance], None
]


def _strike(lab: settings.Lab, options: argparse.Namespace) -> int:
    """Do something to one amphora, and say to which one."""
    machines = hypervisor.Hypervisor(_running(lab).lab)
    instance = machine.named(machines.instances(), options.amphora)
    options.blow(machines, instance)
    print(f"{instance.label}: {options.done}")  # noqa: T201
    return 0


def _certificate(lab: settings.Lab, options: argparse.Namespace) -> int:
    print(pki.store_certificate(_running(lab), options.names))  # noqa: T201
    return 0


def _running(lab: settings.Lab) -> deployment.Deployment:
    if not up.is_complete(lab):
        raise up.NotPossibleError(
            f"Lab {lab.name} is not up: `make lab-up` first."
        )
    return deployment.Deployment.of(lab)


def parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    found = argparse.ArgumentParser(
        prog="octavia-anycast-lab",
        description="A leaf-spine fabric with amphorae on one machine.",
    )
    found.add_argument(
        "--lab", help="name of the instance (default: $OA_LAB, else oa)"
    )
    commands = found.add_subparsers(required=True)
    simple = {
        "up": (_up, "bring the lab up, or repair it"),
        "down": (_down, "remove the lab"),
        "status": (_status, "what runs"),
        "clean": (_clean, "remove the lab and all caches"),
    }
    for name, (action, text) in simple.items():
        command = commands.add_parser(name, help=text)
        command.set_defaults(action=action)
    commands.choices["up"].add_argument(
        "--no-image",
        action="store_true",
        help="leave the amphora image to the first amphora",
    )
    inside = commands.add_parser(
        "shell", help="a shell, or one command, with credentials"
    )
    inside.add_argument("command", nargs=argparse.REMAINDER)
    inside.set_defaults(action=_shell)
    certificate = commands.add_parser(
        "certificate", help="store a listener's certificate, print its ref"
    )
    certificate.add_argument("names", nargs="+", metavar="NAME")
    certificate.set_defaults(action=_certificate)
    _add_places(commands)
    return found


def _add_places(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    """What is done in, or to, one node or amphora."""
    enter = commands.add_parser(
        "enter",
        help="a shell, or one command, in a router, host or amphora",
    )
    enter.add_argument(
        "place", metavar="PLACE", help="leaf1, client1, amp-1234abcd, ..."
    )
    enter.add_argument("command", nargs=argparse.REMAINDER)
    enter.set_defaults(action=_enter)
    blows: dict[str, tuple[_Blow, str, str]] = {
        "stop": (_stop, "shut an amphora down", "shut down"),
        "kill": (_kill, "take an amphora's power away", "lost its power"),
        "start": (_start, "give an amphora power again", "boots"),
        "cut": (
            lambda machines, instance: faults.cut(instance),
            "have an amphora's links swallow all frames, in silence",
            "its links swallow all frames",
        ),
        "mend": (
            lambda machines, instance: faults.mend(instance),
            "undo cut",
            "its links pass frames",
        ),
    }
    for name, (blow, text, done) in blows.items():
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "amphora", metavar="AMPHORA", help="amp-1234abcd, or an id"
        )
        command.set_defaults(action=_strike, blow=blow, done=done)


def _stop(machines: hypervisor.Hypervisor, instance: machine.Instance) -> None:
    machines.stop(instance.id)


def _kill(machines: hypervisor.Hypervisor, instance: machine.Instance) -> None:
    machines.kill(instance.id)


def _start(
    machines: hypervisor.Hypervisor, instance: machine.Instance
) -> None:
    machines.boot(instance.id)
