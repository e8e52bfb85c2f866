# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer event list``, ``... distributor event list``."""

import argparse
from typing import Any

from octavia_anycast_client.osc import base, columns

KINDS = (
    "amphora.phase",
    "amphora.announced",
    "amphora.withdrawn",
    "session.up",
    "session.down",
    "gate.open",
    "gate.closed",
    "drain.begin",
    "drain.end",
    "spare.ready",
    "spare.taken",
    "failover",
    "scale",
    "status",
    "zone.drain",
    "fleet.change",
)
LIMIT = 100  # there may be thousands
_FILTERS = ("kind", "amphora_id", "since", "until")


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kind",
        metavar="<kind>",
        choices=KINDS,
        action="append",
        help="Only those of this kind; may be given several times: "
        + ", ".join(KINDS)
        + ".",
    )
    parser.add_argument(
        "--amphora",
        dest="amphora_id",
        metavar="<id>",
        help="Only those of this amphora; for those who may see amphorae.",
    )
    parser.add_argument(
        "--since",
        metavar="<time>",
        help="Only those that happened then or later, such as "
        "2026-11-30T12:00:00 (UTC).",
    )
    parser.add_argument(
        "--until", metavar="<time>", help="Only those that happened before."
    )
    parser.add_argument(
        "--long", action="store_true", help="Print all columns."
    )


def _listed(found: Any, parsed_args: argparse.Namespace) -> Any:
    wanted = columns.EVENTS_LONG if parsed_args.long else columns.EVENTS
    return base.listed(found, wanted, columns.FORMATTERS)


class ListEvent(base.Lister):
    """List what happened to a load balancer, the newest first"""

    limit = LIMIT

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "loadbalancer",
            metavar="<load_balancer>",
            help="The load balancer (name or ID).",
        )
        _add_filters(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        query = self.query(parsed_args, *_FILTERS)
        balancer = self.load_balancer(parsed_args.loadbalancer)
        found = self.client.load_balancer_events(balancer, **query)
        return _listed(found, parsed_args)


class ListDistributorEvent(base.Lister):
    """List what happened behind a distributor, the newest first"""

    limit = LIMIT

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "distributor",
            metavar="<distributor>",
            help="The distributor (name or ID).",
        )
        parser.add_argument(
            "--load-balancer",
            metavar="<load-balancer>",
            help="Only those of this load balancer (name or ID).",
        )
        parser.add_argument(
            "--peer",
            metavar="<peer>",
            help="Only those of sessions with this BGP peer (name or ID).",
        )
        _add_filters(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        query = self.query(parsed_args, *_FILTERS)
        if parsed_args.load_balancer is not None:
            balancer = self.load_balancer(parsed_args.load_balancer)
            query["load_balancer_id"] = balancer.id
        if parsed_args.peer is not None:
            query["peer_id"] = self.peer(parsed_args.peer).id
        distributor = self.distributor(parsed_args.distributor)
        found = self.client.distributor_events(distributor, **query)
        return _listed(found, parsed_args)
