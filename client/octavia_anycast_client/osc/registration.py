# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer distributor amphora``."""

import argparse
from typing import Any

from octavia_anycast_client import sdk
from octavia_anycast_client.osc import base, columns


def _add_distributor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "distributor",
        metavar="<distributor>",
        help="The distributor (name or ID).",
    )


def _add_registration(parser: argparse.ArgumentParser) -> None:
    _add_distributor(parser)
    parser.add_argument(
        "registration",
        metavar="<registration>",
        help="The registration (its ID, or that of the amphora that it is "
        "for alone).",
    )


def _shown(registration: sdk.AmphoraRegistration) -> Any:
    return base.shown(
        registration, columns.REGISTRATION, columns.REGISTRATION_FORMATTERS
    )


class RegisterAmphora(base.ShowOne):
    """Have a distributor's own amphorae announce those of a load balancer"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_distributor(parser)
        parser.add_argument(
            "load_balancer",
            metavar="<load-balancer>",
            help="The load balancer (name or ID).",
        )
        parser.add_argument(
            "--amphora",
            metavar="<amphora-id>",
            dest="amphora_id",
            help="Register this amphora only. Default: all that it has, now "
            "and later.",
        )
        parser.add_argument(
            "--peer",
            metavar="<peer>",
            help="Announce them to this BGP peer only (name or ID).",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        distributor = self.distributor(parsed_args.distributor)
        attributes = base.given(parsed_args, "amphora_id")
        balancer = self.load_balancer(parsed_args.load_balancer)
        attributes["load_balancer_id"] = balancer.id
        if parsed_args.peer is not None:
            attributes["peer_id"] = self.peer(parsed_args.peer).id
        return _shown(self.client.register_amphora(distributor, **attributes))


class UnregisterAmphora(base.Command):
    """Have amphorae announced by themselves only"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_registration(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        distributor = self.distributor(parsed_args.distributor)
        found = self.client.find_amphora_registration(
            distributor, parsed_args.registration
        )
        self.client.unregister_amphora(
            distributor, found, ignore_missing=False
        )


class ListRegistration(base.Lister):
    """List the amphorae that are registered with a distributor"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_distributor(parser)
        parser.add_argument(
            "--load-balancer",
            metavar="<load-balancer>",
            help="Only those of this load balancer (name or ID).",
        )
        parser.add_argument(
            "--amphora",
            metavar="<amphora-id>",
            dest="amphora_id",
            help="Only those that are for this amphora alone.",
        )
        parser.add_argument(
            "--peer",
            metavar="<peer>",
            help="Only those that are for this BGP peer alone (name or ID).",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        query = self.query(parsed_args, "amphora_id")
        if parsed_args.load_balancer is not None:
            balancer = self.load_balancer(parsed_args.load_balancer)
            query["load_balancer_id"] = balancer.id
        if parsed_args.peer is not None:
            query["peer_id"] = self.peer(parsed_args.peer).id
        distributor = self.distributor(parsed_args.distributor)
        found = self.client.amphora_registrations(distributor, **query)
        return base.listed(
            found, columns.REGISTRATIONS, columns.REGISTRATION_FORMATTERS
        )


class ShowRegistration(base.ShowOne):
    """Show amphorae that are registered, and their paths"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_registration(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        distributor = self.distributor(parsed_args.distributor)
        return _shown(
            self.client.find_amphora_registration(
                distributor, parsed_args.registration
            )
        )


class DrainRegistration(base.ShowOne):
    """Drain the paths of registered amphorae, then withdraw them"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_registration(parser)
        parser.add_argument(
            "--timeout",
            metavar="<seconds>",
            type=int,
            help="After how long they are withdrawn. Default: the "
            "deployment's.",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        distributor = self.distributor(parsed_args.distributor)
        return _shown(
            self.client.drain_amphora_registration(
                distributor, parsed_args.registration, parsed_args.timeout
            )
        )


class UndrainRegistration(base.Command):
    """Have the paths of registered amphorae announced again"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_registration(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        distributor = self.distributor(parsed_args.distributor)
        self.client.undrain_amphora_registration(
            distributor, parsed_args.registration
        )
