# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer distributor path``."""

import argparse
from typing import Any

from octavia_anycast_client.osc import base, columns

STATES = ("advertised", "draining", "pending", "withdrawn")
# Option -> what it is called.
_REFERENCES = {
    "load_balancer": "load balancer",
    "peer": "BGP peer",
    "speaker": "BGP speaker",
}


class ListPath(base.Lister):
    """List what the amphorae of a distributor announce right now"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "distributor",
            metavar="<distributor>",
            help="The distributor (name or ID).",
        )
        for name, called in _REFERENCES.items():
            parser.add_argument(
                f"--{name.replace('_', '-')}",
                metavar=f"<{name.replace('_', '-')}>",
                help=f"Only those of this {called} (name or ID).",
            )
        parser.add_argument(
            "--amphora",
            dest="amphora_id",
            metavar="<id>",
            help="Only those of this amphora.",
        )
        parser.add_argument(
            "--vip-address", metavar="<address>", help="Only those of a VIP."
        )
        parser.add_argument(
            "--session-state",
            metavar="<state>",
            help="Only those whose BGP session is in this state (RFC 4271).",
        )
        parser.add_argument(
            "--state",
            metavar="{" + ",".join(STATES) + "}",
            choices=STATES,
            type=str.lower,
            help="Only those in this state.",
        )
        parser.add_argument(
            "--long", action="store_true", help="Print all columns."
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        query = self.query(
            parsed_args, "amphora_id", "vip_address", "session_state", "state"
        )
        for name in _REFERENCES:
            named = getattr(parsed_args, name)
            if named is not None:
                query[f"{name}_id"] = getattr(self, name)(named).id
        distributor = self.distributor(parsed_args.distributor)
        found = self.client.distributor_paths(distributor, **query)
        wanted = columns.PATHS_LONG if parsed_args.long else columns.PATHS
        return base.listed(found, wanted, columns.FORMATTERS)
