# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``python -m octavia_anycast_lab.demo``: what ``make demo`` runs."""

import argparse
import sys

from octavia_anycast_lab import deployment, lock, settings, up
from octavia_anycast_lab import registry as registry_lib
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.cli import EXPECTED
from octavia_anycast_lab.demo import context, story
from octavia_anycast_lab.demo.client import (
    OPERATOR,
    TENANT,
    Client,
    ClientError,
)
from octavia_anycast_lab.demo.screen import NotTrueError, Screen
from octavia_anycast_lab.host import relay
from octavia_anycast_lab.progress import Progress

# The label of the process that leads to the page.
PICTURE = "picture-relay"


def main() -> None:
    """Set everything up, tell the story; a sentence if it goes wrong."""
    parser = argparse.ArgumentParser(
        prog="demo", description="Watch one load balancer on four amphorae."
    )
    parser.add_argument("--lab", help="name of the lab (default: $OA_LAB, oa)")
    options = parser.parse_args()
    try:
        lab = settings.Lab.from_environment(options.lab)
        up.require_machine()
        with lock.held(lab, "demo"):
            _run_or_explain(lab)
    except (ValueError, up.NotPossibleError, lock.BusyError) as error:
        sys.exit(f"demo: {error}")


def _run_or_explain(lab: settings.Lab) -> None:
    """A sentence instead of a traceback; the lab stays for a look at it."""
    try:
        _run(lab, Screen(Progress()))
    except NotTrueError as error:
        sys.exit(f"\ndemo: this does not hold: {error}\n{_hint(lab)}")
    except (ClientError, rest.ApiError, *EXPECTED) as error:
        sys.exit(f"\ndemo: {error}\n{_hint(lab)}")
    except KeyboardInterrupt:
        sys.exit("\ndemo: interrupted; `make lab-down` cleans up")


def _run(lab: settings.Lab, screen: Screen) -> None:
    screen.act("the lab: a fabric, a control plane, an amphora image")
    plane = up.up(lab, screen.progress)
    with (
        Client(plane=plane, screen=screen) as tenant,
        Client(plane=plane, screen=screen, cloud=OPERATOR) as operator,
    ):
        stage = context.Stage(
            lab=lab,
            plane=plane,
            screen=screen,
            admin=rest.Api(plane=plane),
            tenant=rest.Api(plane=plane, cloud=TENANT),
            client=tenant,
            operator=operator,
            registry=registry_lib.Registry(lab.run_dir),
        )
        story.tell(stage)
    distributors.ensure(stage.admin)
    _farewell(lab, screen, _publish(plane))


def _publish(plane: deployment.Deployment) -> str:
    """Lead a port of this machine to the picture; its URL here."""
    port = relay.start(
        plane.lab, PICTURE, "ctl", plane.address, deployment.METRICS_PORT
    )
    return f"http://{relay.LOCAL}:{port}/picture/"


def _farewell(lab: settings.Lab, screen: Screen, picture: str) -> None:
    name = "" if lab.name == settings.DEFAULT_LAB else f" OA_LAB={lab.name}"
    screen.act("the lab is yours")
    for line in (
        f"All of this took {screen.progress.elapsed_seconds:.0f} s. The lab "
        "stays up, with its distributor made again.",
        f"  make lab-shell{name}      a shell inside, with credentials:",
        "    openstack loadbalancer create --name mine --flavor cluster-2 \\",
        "         --vip-subnet-id anycast-v4 --wait",
        "    openstack loadbalancer list",
        f"  {picture}    the picture, live, in a browser on",
        "    this machine: go back by its time bar to see this again. From"
        " elsewhere: ssh -L.",
        f"  make lab-status{name}     what runs",
        f"  make lab-down{name}       remove everything",
    ):
        screen.say(line)


def _hint(lab: settings.Lab) -> str:
    return (
        f"The lab stays up to be looked at; its logs are in {lab.log_dir}. "
        "`make lab-down` removes it."
    )


if __name__ == "__main__":
    main()
