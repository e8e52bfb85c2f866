# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer amphora drain`` and ``undrain``."""

import argparse
from typing import Any

from octavia_anycast_client import sdk
from octavia_anycast_client.osc import base, columns


def _add_amphora(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "amphora_id", metavar="<amphora-id>", help="The ID of the amphora."
    )


def _shown(drain: sdk.AmphoraDrain) -> Any:
    return base.shown(drain, columns.DRAIN, columns.FORMATTERS)


class DrainAmphora(base.ShowOne):
    """Take an amphora out of service, its connections with a grace period"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_amphora(parser)
        parser.add_argument(
            "--timeout",
            metavar="<seconds>",
            type=int,
            help="How long its connections are given. Default: the "
            "deployment's.",
        )
        parser.add_argument(
            "--wait",
            action="store_true",
            help="Wait until it announces nothing any more.",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        amphora_id = parsed_args.amphora_id
        drain = self.client.drain_amphora(amphora_id, parsed_args.timeout)
        if parsed_args.wait:
            drain = self.client.wait_for_amphora_drain(amphora_id)
        return _shown(drain)


class ShowDrain(base.ShowOne):
    """Show how far an amphora is on its way out, and what is left"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_amphora(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return _shown(self.client.get_amphora_drain(parsed_args.amphora_id))


class UndrainAmphora(base.Command):
    """Have an amphora that was taken out of service serve again"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_amphora(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.client.undrain_amphora(parsed_args.amphora_id)
