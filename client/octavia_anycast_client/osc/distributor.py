# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer distributor``, and ``... path list``."""

import argparse
from typing import Any

from octavia_anycast_client import sdk
from octavia_anycast_client.osc import arguments, base, columns

STATUSES = (
    "ACTIVE",
    "ERROR",
    "PENDING_CREATE",
    "PENDING_DELETE",
    "PENDING_UPDATE",
)
OPERATING_STATUSES = ("ONLINE", "DEGRADED", "ERROR", "OFFLINE")
ZONE = (
    "[availability-zone=<zone>][,network=<name-or-id>]"
    "[,subnet=<name-or-id>][,subnet=...]"
)

PATH_STATES = ("advertised", "draining", "pending", "withdrawn")
# Option -> what it is called.
_PATH_REFERENCES = {
    "load_balancer": "load balancer",
    "peer": "BGP peer",
    "speaker": "BGP speaker",
}


def _add_named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "distributor",
        metavar="<distributor>",
        help="The distributor (name or ID).",
    )


def _add_attributes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--description", metavar="<text>", help="What it is for."
    )
    parser.add_argument(
        "--dedicated-count",
        metavar="<number>",
        type=int,
        help="Boot this many amphorae of its own, which announce external "
        "VIPs and amphorae that are registered: 0 to 4.",
    )
    arguments.add_switch(
        parser,
        "is_enabled",
        "--enable",
        "--disable",
        "New load balancers may use it.",
    )
    arguments.add_switch(
        parser,
        "is_default",
        "--default",
        "--no-default",
        "Load balancers that name none use it; there is one at most.",
    )
    arguments.add_wait(parser)


class _Commanding(base.Calling):
    """What more than one command does."""

    def resolved(self, zone: dict[str, Any]) -> dict[str, Any]:
        """A zone with ids in the place of names."""
        connection = self.app.client_manager.sdk_connection
        network = zone["frontend_network_id"]
        return {
            **zone,
            "frontend_network_id": network
            and arguments.network_id(connection, network),
            "frontend_subnet_ids": [
                arguments.subnet_id(connection, subnet)
                for subnet in zone["frontend_subnet_ids"]
            ],
        }

    def show(self, distributor: sdk.Distributor) -> Any:
        """Print one."""
        return base.shown(distributor, columns.DISTRIBUTOR, columns.FORMATTERS)

    def waited(
        self, distributor: sdk.Distributor, parsed_args: argparse.Namespace
    ) -> sdk.Distributor:
        """The distributor, when its change is done if that is asked for."""
        if not parsed_args.wait:
            return distributor
        return self.client.wait_for_distributor(distributor)


class CreateDistributor(_Commanding, base.ShowOne):
    """Create a distributor"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--name", metavar="<name>", required=True, help="Its name."
        )
        parser.add_argument(
            "--type",
            dest="distributor_type",
            metavar="{L3_BGP}",
            choices=("L3_BGP",),
            type=str.upper,
            help="Its type; L3_BGP is the only one.",
        )
        parser.add_argument(
            "--speaker",
            dest="speakers",
            metavar=(
                "ip-version={4,6},local-as=<AS>[,driver={exabgp,bird}]"
                "[,peer=<name-or-id>][,peer=...]"
            ),
            type=arguments.speaker,
            action="append",
            help=(
                "A BGP speaker, with BGP peers that exist. One for each IP "
                "version at most; they share the driver."
            ),
        )
        parser.add_argument(
            "--zone",
            dest="zones",
            metavar=ZONE,
            type=arguments.zone,
            action="append",
            help=(
                "A zone for amphorae with its front-end network. May be "
                "given several times."
            ),
        )
        _add_attributes(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        attributes = base.given(
            parsed_args,
            "name",
            "description",
            "distributor_type",
            "is_enabled",
            "is_default",
            "dedicated_count",
        )
        attributes["speakers"] = [
            self._with_peers(speaker) for speaker in parsed_args.speakers or ()
        ]
        if parsed_args.zones:
            attributes["zones"] = [self.resolved(z) for z in parsed_args.zones]
        created = self.client.create_distributor(**attributes)
        return self.show(self.waited(created, parsed_args))

    def _with_peers(self, speaker: dict[str, Any]) -> dict[str, Any]:
        peers = [{"id": self.peer(name).id} for name in speaker["peers"]]
        return {**speaker, "peers": peers}


class ListDistributor(base.Lister):
    """List distributors"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", metavar="<name>", help="With this name.")
        arguments.add_switch(
            parser, "is_enabled", "--enable", "--disable", "Only enabled ones."
        )
        parser.add_argument(
            "--default",
            dest="is_default",
            action="store_true",
            default=None,
            help="Only the default one.",
        )
        for option, choices in (
            ("--provisioning-status", STATUSES),
            ("--operating-status", OPERATING_STATUSES),
        ):
            parser.add_argument(
                option,
                metavar="{" + ",".join(choices) + "}",
                choices=choices,
                type=str.upper,
                help="With this status.",
            )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        query = self.query(
            parsed_args,
            "name",
            "is_enabled",
            "is_default",
            "provisioning_status",
            "operating_status",
        )
        found = self.client.distributors(**query)
        return base.listed(found, columns.DISTRIBUTORS, columns.FORMATTERS)


class ShowDistributor(_Commanding, base.ShowOne):
    """Show a distributor"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return self.show(self.distributor(parsed_args.distributor))


class SetDistributor(_Commanding, base.Command):
    """Change a distributor"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)
        parser.add_argument("--name", metavar="<name>", help="Its new name.")
        parser.add_argument(
            "--zone",
            dest="zones",
            metavar=ZONE,
            type=arguments.zone,
            action="append",
            help=(
                "Add a zone, or replace the one of that availability zone. "
                "May be given several times."
            ),
        )
        parser.add_argument(
            "--no-zone",
            action="store_true",
            help="Remove all zones that it has; --zone then adds to none.",
        )
        _add_attributes(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        distributor = self.distributor(parsed_args.distributor)
        attributes = base.given(
            parsed_args,
            "name",
            "description",
            "is_enabled",
            "is_default",
            "dedicated_count",
        )
        if parsed_args.zones or parsed_args.no_zone:
            attributes["zones"] = self._zones(
                [] if parsed_args.no_zone else distributor.zones or [],
                parsed_args.zones or [],
            )
        if attributes:
            self.client.update_distributor(distributor.id, **attributes)
        self.waited(distributor, parsed_args)

    def _zones(self, old: list[Any], new: list[Any]) -> list[dict[str, Any]]:
        zones = {zone["availability_zone"]: zone for zone in old}
        for zone in new:
            zones[zone["availability_zone"]] = self.resolved(zone)
        return list(zones.values())


class UnsetDistributor(_Commanding, base.Command):
    """Clear what was set on a distributor"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)
        parser.add_argument(
            "--description",
            action="store_true",
            help="Clear the description.",
        )
        parser.add_argument(
            "--default",
            action="store_true",
            help="There is no default distributor then.",
        )
        parser.add_argument(
            "--zone",
            dest="zones",
            metavar="<availability-zone>",
            action="append",
            help="Remove this zone. May be given several times.",
        )
        parser.add_argument(
            "--all-zones", action="store_true", help="Remove all zones."
        )
        arguments.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        distributor = self.distributor(parsed_args.distributor)
        attributes: dict[str, Any] = {}
        if parsed_args.description:
            attributes["description"] = ""
        if parsed_args.default:
            attributes["is_default"] = False
        if parsed_args.zones or parsed_args.all_zones:
            attributes["zones"] = [
                zone
                for zone in distributor.zones or ()
                if not parsed_args.all_zones
                and zone["availability_zone"] not in parsed_args.zones
            ]
        if attributes:
            self.client.update_distributor(distributor.id, **attributes)
        self.waited(distributor, parsed_args)


class DeleteDistributor(_Commanding, base.Command):
    """Delete a distributor"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)
        parser.add_argument(
            "--cascade",
            action="store_true",
            help="Also delete its external VIPs and registrations of "
            "amphorae, and its BGP peers that no other speaker has.",
        )
        parser.add_argument(
            "--wait", action="store_true", help="Wait until it is gone."
        )

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        distributor = self.distributor(parsed_args.distributor)
        self.client.delete_distributor(
            distributor, cascade=parsed_args.cascade, ignore_missing=False
        )
        if parsed_args.wait:
            self.client.wait_for_no_distributor(distributor)


class ListPath(base.Lister):
    """List what the amphorae of a distributor announce right now"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)
        for name, called in _PATH_REFERENCES.items():
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
            metavar="{" + ",".join(PATH_STATES) + "}",
            choices=PATH_STATES,
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
        for name in _PATH_REFERENCES:
            named = getattr(parsed_args, name)
            if named is not None:
                query[f"{name}_id"] = getattr(self, name)(named).id
        distributor = self.distributor(parsed_args.distributor)
        found = self.client.distributor_paths(distributor, **query)
        wanted = columns.PATHS_LONG if parsed_args.long else columns.PATHS
        return base.listed(found, wanted, columns.FORMATTERS)
