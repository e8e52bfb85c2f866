# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer bgp speaker``."""

import argparse
from typing import Any

from osc_lib import exceptions

from octavia_anycast_client import sdk
from octavia_anycast_client.osc import arguments, base, columns

DRIVERS = ("exabgp", "bird")


def _add_named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "speaker",
        metavar="<speaker>",
        help=(
            "The BGP speaker: its ID, or a distributor (name or ID) and an "
            "IP version, as in fabric/4."
        ),
    )


def _add_peer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "peer", metavar="<peer>", help="The BGP peer (name or ID)."
    )


class _Commanding(base.Calling):
    """What more than one command does."""

    def wait(
        self, speaker: sdk.BgpSpeaker, parsed_args: argparse.Namespace
    ) -> None:
        """Wait for the speaker's distributor if that is asked for."""
        if parsed_args.wait:
            self.client.wait_for_distributor(speaker.distributor_id)

    def show(self, speaker: sdk.BgpSpeaker) -> Any:
        """Print one."""
        return base.shown(speaker, columns.BGP_SPEAKER, columns.FORMATTERS)


class CreateBgpSpeaker(_Commanding, base.ShowOne):
    """Create the BGP speaker of a distributor for one IP version"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--distributor",
            metavar="<distributor>",
            required=True,
            help="Its distributor (name or ID).",
        )
        parser.add_argument(
            "--ip-version",
            metavar="{4,6}",
            type=int,
            choices=(4, 6),
            required=True,
            help="That of its sessions.",
        )
        parser.add_argument(
            "--local-as",
            metavar="<AS>",
            type=int,
            required=True,
            help="The amphorae's AS.",
        )
        parser.add_argument(
            "--driver",
            metavar="{" + ",".join(DRIVERS) + "}",
            choices=DRIVERS,
            help="The daemon that speaks BGP in the amphorae.",
        )
        parser.add_argument(
            "--peer",
            dest="peers",
            metavar="<peer>",
            action="append",
            help="A BGP peer (name or ID). May be given several times.",
        )
        arguments.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        attributes = base.given(
            parsed_args, "ip_version", "local_as", "driver"
        )
        created = self.client.create_bgp_speaker(
            distributor_id=self.distributor(parsed_args.distributor).id,
            peers=[{"id": self.peer(p).id} for p in parsed_args.peers or ()],
            **attributes,
        )
        self.wait(created, parsed_args)
        return self.show(created)


class ListBgpSpeaker(_Commanding, base.Lister):
    """List BGP speakers"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--distributor",
            metavar="<distributor>",
            help="Of this distributor (name or ID).",
        )
        parser.add_argument(
            "--ip-version",
            metavar="{4,6}",
            type=int,
            choices=(4, 6),
            help="For this IP version.",
        )
        parser.add_argument(
            "--local-as", metavar="<AS>", type=int, help="With this AS."
        )
        parser.add_argument(
            "--driver",
            metavar="{" + ",".join(DRIVERS) + "}",
            choices=DRIVERS,
            help="With this driver.",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        query = self.query(parsed_args, "ip_version", "local_as", "driver")
        if parsed_args.distributor is not None:
            query["distributor_id"] = self.distributor(
                parsed_args.distributor
            ).id
        found = self.client.bgp_speakers(**query)
        return base.listed(found, columns.BGP_SPEAKERS, columns.FORMATTERS)


class ShowBgpSpeaker(_Commanding, base.ShowOne):
    """Show a BGP speaker"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return self.show(self.speaker(parsed_args.speaker))


class SetBgpSpeaker(_Commanding, base.Command):
    """Change a BGP speaker"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)
        parser.add_argument(
            "--local-as",
            metavar="<AS>",
            type=int,
            help="The amphorae's new AS.",
        )
        parser.add_argument(
            "--driver",
            metavar="{" + ",".join(DRIVERS) + "}",
            choices=DRIVERS,
            help="The new daemon, of all speakers of its distributor.",
        )
        arguments.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        speaker = self.speaker(parsed_args.speaker)
        changes = base.given(parsed_args, "local_as", "driver")
        if not changes:
            raise exceptions.CommandError(
                "Nothing to change: give --local-as or --driver."
            )
        self.client.update_bgp_speaker(speaker.id, **changes)
        self.wait(speaker, parsed_args)


class DeleteBgpSpeaker(_Commanding, base.Command):
    """Delete a BGP speaker that no VIP needs"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)
        arguments.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        speaker = self.speaker(parsed_args.speaker)
        self.client.delete_bgp_speaker(speaker, ignore_missing=False)
        self.wait(speaker, parsed_args)


class AddPeer(_Commanding, base.Command):
    """Have a BGP speaker speak to a BGP peer"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)
        _add_peer(parser)
        arguments.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        speaker = self.speaker(parsed_args.speaker)
        self.client.register_bgp_peer(speaker, self.peer(parsed_args.peer))
        self.wait(speaker, parsed_args)


class RemovePeer(_Commanding, base.Command):
    """Have a BGP speaker speak to a BGP peer no more"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)
        _add_peer(parser)
        arguments.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        speaker = self.speaker(parsed_args.speaker)
        self.client.unregister_bgp_peer(speaker, self.peer(parsed_args.peer))
        self.wait(speaker, parsed_args)
