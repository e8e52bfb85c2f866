# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer zone``."""

import argparse
from typing import Any

from octavia_anycast_client import sdk
from octavia_anycast_client.osc import arguments, base, columns


def _shown(drain: sdk.ZoneDrain) -> Any:
    return base.shown(drain, columns.ZONE_DRAIN, columns.FORMATTERS)


def _add_drain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "zone",
        metavar="<zone>",
        help="The availability zone, compute host or ID of a BGP peer that is "
        "drained, or the ID of the zone drain.",
    )


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "zone",
        metavar="<zone>",
        nargs="?",
        help="The availability zone whose amphorae are to drain.",
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--host",
        metavar="<host>",
        dest="compute_host",
        help="Drain the amphorae of this compute host instead.",
    )
    place.add_argument(
        "--peer",
        metavar="<peer>",
        help="Drain all amphorae that have this BGP peer instead (name or "
        "ID).",
    )


def _add_end(parser: argparse.ArgumentParser) -> None:
    end = parser.add_mutually_exclusive_group(required=True)
    end.add_argument(
        "--for",
        metavar="<duration>",
        dest="duration",
        type=arguments.duration,
        help="For how long, such as 90m, 2h, 1h30m or 1d. It ends by itself.",
    )
    end.add_argument(
        "--until",
        metavar="<time>",
        dest="expires_at",
        type=arguments.moment,
        help="Until when, such as 2026-11-30T18:00:00 (UTC if it names no "
        "zone).",
    )


class DrainZone(base.ShowOne):
    """Take all amphorae of a zone, host or peer out of service for a time"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_place(parser)
        _add_end(parser)
        parser.add_argument(
            "--why",
            metavar="<reason>",
            dest="reason",
            help="What others are to read about it.",
        )
        parser.add_argument(
            "--timeout",
            metavar="<seconds>",
            type=int,
            help="For how long each amphora may drain. Default: the "
            "deployment's.",
        )
        parser.add_argument(
            "--boot-elsewhere",
            action="store_true",
            help="Boot another amphora elsewhere for each one, which serves "
            "before that one drains.",
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="Do not refuse it where capacity is missing: amphorae that "
            "cannot be missed stay in service.",
        )
        parser.add_argument(
            "--wait",
            action="store_true",
            help="Wait until none of the amphorae announces.",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        attributes = base.given(
            parsed_args,
            "compute_host",
            "duration",
            "expires_at",
            "reason",
            "timeout",
        )
        if parsed_args.zone is not None:
            attributes["availability_zone"] = parsed_args.zone
        if parsed_args.peer is not None:
            attributes["peer_id"] = self.peer(parsed_args.peer).id
        made = self.client.create_zone_drain(
            is_booting_elsewhere=parsed_args.boot_elsewhere,
            is_forced=parsed_args.force,
            **attributes,
        )
        if parsed_args.wait:
            made = self.client.wait_for_zone_drain(made)
        return _shown(made)


class EndZone(base.Command):
    """Have the amphorae of a drained zone, host or peer announce again"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_drain(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        found = self.client.find_zone_drain(parsed_args.zone)
        self.client.end_zone_drain(found)


class ListZone(base.Lister):
    """List the zones, hosts and peers that are drained, or were"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--zone",
            metavar="<zone>",
            dest="availability_zone",
            help="Only those of this availability zone.",
        )
        parser.add_argument(
            "--host",
            metavar="<host>",
            dest="compute_host",
            help="Only those of this compute host.",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        query = self.query(parsed_args, "availability_zone", "compute_host")
        found = self.client.zone_drains(**query)
        return base.listed(found, columns.ZONE_DRAINS, columns.FORMATTERS)


class ShowZone(base.ShowOne):
    """Show how far the drain of a zone, host or peer is"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_drain(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return _shown(self.client.find_zone_drain(parsed_args.zone))
