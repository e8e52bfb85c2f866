# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer distributor vip``."""

import argparse
from typing import Any

from octavia_anycast_client.osc import base, columns


def _add_distributor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "distributor",
        metavar="<distributor>",
        help="The distributor (name or ID).",
    )


def _add_vip(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "vip",
        metavar="<vip>",
        help="The external VIP (ID or address).",
    )


class RegisterVip(base.ShowOne):
    """Have a distributor's own amphorae announce an external VIP"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_distributor(parser)
        parser.add_argument(
            "--vip-address",
            metavar="<address>",
            required=True,
            help="The address; no load balancer has it.",
        )
        parser.add_argument(
            "--next-hop",
            metavar="<address>",
            required=True,
            help="Where the fabric is to send what is for it.",
        )
        parser.add_argument(
            "--peer",
            metavar="<peer>",
            help="Announce it to this BGP peer only (name or ID).",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        distributor = self.distributor(parsed_args.distributor)
        attributes = base.given(parsed_args, "vip_address", "next_hop")
        if parsed_args.peer is not None:
            attributes["peer_id"] = self.peer(parsed_args.peer).id
        vip = self.client.register_external_vip(distributor, **attributes)
        return base.shown(vip, columns.EXTERNAL_VIP, columns.FORMATTERS)


class UnregisterVip(base.Command):
    """Have an external VIP announced no more"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_distributor(parser)
        _add_vip(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        distributor = self.distributor(parsed_args.distributor)
        vip = self.client.find_external_vip(distributor, parsed_args.vip)
        self.client.unregister_external_vip(
            distributor, vip, ignore_missing=False
        )


class ListVip(base.Lister):
    """List the external VIPs of a distributor"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_distributor(parser)
        for option, what in (
            ("--vip-address", "this address"),
            ("--next-hop", "this next hop"),
        ):
            parser.add_argument(
                option, metavar="<address>", help=f"Only those with {what}."
            )
        parser.add_argument(
            "--peer",
            metavar="<peer>",
            help="Only those that are for this BGP peer alone (name or ID).",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        query = self.query(parsed_args, "vip_address", "next_hop")
        if parsed_args.peer is not None:
            query["peer_id"] = self.peer(parsed_args.peer).id
        distributor = self.distributor(parsed_args.distributor)
        found = self.client.external_vips(distributor, **query)
        return base.listed(found, columns.EXTERNAL_VIPS, columns.FORMATTERS)


class ShowVip(base.ShowOne):
    """Show an external VIP of a distributor"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_distributor(parser)
        _add_vip(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        distributor = self.distributor(parsed_args.distributor)
        vip = self.client.find_external_vip(distributor, parsed_args.vip)
        return base.shown(vip, columns.EXTERNAL_VIP, columns.FORMATTERS)
