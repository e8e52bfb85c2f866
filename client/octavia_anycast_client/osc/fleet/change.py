# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer fleet``."""

import argparse
from typing import Any

from openstack import exceptions as sdk_exceptions

from octavia_anycast_client import sdk
from octavia_anycast_client.osc import arguments, base, columns
from octavia_anycast_client.sdk.fleet.change import ENDED


def _shown(change: sdk.FleetChange) -> Any:
    return base.shown(change, columns.FLEET_CHANGE, columns.FORMATTERS)


class _OfChange(base.ShowOne):
    """What is asked of the fleet change that has not ended."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "change",
            metavar="<change>",
            nargs="?",
            help="The ID of the fleet change. Default: the one that has not "
            "ended.",
        )

    def change(self, parsed_args: argparse.Namespace) -> str:
        """The id of the one that is named, or of the one that there is.

        :raises openstack.exceptions.NotFoundException: all have ended.
        """
        if parsed_args.change is not None:
            return str(parsed_args.change)
        for one in self.client.fleet_changes():
            if one.state not in ENDED:
                return str(one.id)
        raise sdk_exceptions.NotFoundException("No fleet change is under way")


class _Begin(base.ShowOne):
    """What all fleet changes have."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--canaries",
            metavar="<number>",
            type=int,
            help="So many load balancers get one new amphora first (default: "
            "1; 0: none).",
        )
        parser.add_argument(
            "--soak",
            metavar="<duration>",
            type=arguments.duration,
            help="How long these serve before the others follow, such as 10m "
            "(default: 5m).",
        )
        parser.add_argument(
            "--parallel",
            metavar="<number>",
            type=int,
            help="So many amphorae are replaced at the same time, at most one "
            "of a load balancer (default: 4).",
        )

    def begin(self, parsed_args: argparse.Namespace, **more: Any) -> Any:
        """Ask for it."""
        wanted = base.given(parsed_args, "canaries", "soak", "parallel")
        return _shown(self.client.create_fleet_change(**wanted, **more))


class UpgradeFleet(_Begin):
    """Replace all amphorae whose image is not the one that boots now"""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return self.begin(parsed_args, change_kind="image")


class ReplaceFleet(_Begin):
    """Replace all amphorae of a compute host"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--host",
            metavar="<host>",
            required=True,
            help="The compute host; disable it in Nova first.",
        )
        super().add_arguments(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return self.begin(
            parsed_args, change_kind="host", compute_host=parsed_args.host
        )


class RotateFleet(_Begin):
    """Give the agents of all amphorae new certificates"""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return self.begin(parsed_args, change_kind="certificate")


class ShowFleet(base.ShowOne):
    """Show the amphorae by their image, and the last fleet change"""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        fleet = self.client.get_fleet()
        names: list[str] = ["images"]
        values: list[Any] = [columns.Objects(fleet.images)]
        if fleet.fleet_change_id is not None:
            found = self.client.get_fleet_change(fleet.fleet_change_id)
            more, shown = _shown(found)
            names += more
            values += shown
        return names, values


class PauseFleet(_OfChange):
    """Begin no more replacements; those under way go on"""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        change = self.change(parsed_args)
        return _shown(self.client.pause_fleet_change(change))


class ResumeFleet(_OfChange):
    """Go on with a fleet change that was paused or that halted"""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        change = self.change(parsed_args)
        return _shown(self.client.resume_fleet_change(change))


class AbortFleet(_OfChange):
    """End a fleet change and take its canaries back"""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        change = self.change(parsed_args)
        return _shown(self.client.abort_fleet_change(change))
