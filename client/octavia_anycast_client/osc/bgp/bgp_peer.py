# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer bgp peer``."""

import argparse
from typing import Any

from octavia_anycast_client import sdk
from octavia_anycast_client.osc import arguments, base, columns
from octavia_anycast_client.osc.bgp import password

NETWORKS = ("management", "frontend")
# Option -> metavar, type, help.
_TEXTS: dict[str, tuple[str, Any, str]] = {
    "peer_port": (
        "<1-65535>",
        int,
        "The TCP port that it listens on (default: 179).",
    ),
    "ttl_hops": (
        "<1-254>",
        int,
        "Hops that a packet of the session may travel (RFC 5082).",
    ),
    "hold_time": ("<seconds>", int, "0 for none, or at least 3."),
    "keepalive_interval": (
        "<seconds>",
        int,
        "At most a third of the hold time.",
    ),
    "bfd": (
        "min-tx-ms=<ms>[,min-rx-ms=<ms>][,multiplier=<number>]",
        arguments.bfd,
        "Timers of BFD (RFC 5880), which is off without any. Those that are "
        "not given are the API's defaults.",
    ),
    "availability_zone": (
        "<zone>",
        str,
        "Only amphorae of this availability zone peer with it.",
    ),
    "compute_host": (
        "<host>",
        str,
        "Only amphorae on this compute host peer with it.",
    ),
    "max_prefixes": ("<number>", int, "Prefixes that it may be announced."),
    "as_path_prepend": (
        "<number>",
        int,
        "How often the own AS is prepended.",
    ),
    "med": ("<number>", int, "MULTI_EXIT_DISC of what it is announced."),
    "local_pref": ("<number>", int, "LOCAL_PREF of what it is announced."),
}
_CLEARED = (*_TEXTS, "peering_network")


def _add_named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "peer", metavar="<peer>", help="The BGP peer (name or ID)."
    )


def _add_attributes(parser: argparse.ArgumentParser) -> None:
    password.add_options(parser)
    for name, (metavar, type_, help_) in _TEXTS.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            metavar=metavar,
            type=type_,
            help=help_,
        )
    parser.add_argument(
        "--peering-network",
        metavar="{" + ",".join(NETWORKS) + "}",
        choices=NETWORKS,
        help="The network of the amphora that the session runs over.",
    )
    parser.add_argument(
        "--community",
        dest="communities",
        metavar="<community>",
        action="append",
        help=(
            "A community (RFC 1997, RFC 8092) of what it is announced. May "
            "be given several times."
        ),
    )


def _attributes(parsed_args: argparse.Namespace) -> dict[str, Any]:
    return {
        **base.given(
            parsed_args,
            "name",
            "peer_ip",
            "remote_as",
            "peering_network",
            *_TEXTS,
        ),
        **password.attributes(parsed_args),
    }


class _Commanding(base.Calling):
    """What more than one command does."""

    def show(self, peer: sdk.BgpPeer) -> Any:
        """Print one."""
        return base.shown(peer, columns.BGP_PEER, columns.PEER_FORMATTERS)

    def change(
        self,
        peer: sdk.BgpPeer,
        attributes: dict[str, Any],
        parsed_args: argparse.Namespace,
    ) -> None:
        """Change it; wait for the distributors concerned if asked to."""
        if attributes:
            peer = self.client.update_bgp_peer(peer.id, **attributes)
        if not parsed_args.wait:
            return
        speakers = [
            self.client.get_bgp_speaker(speaker["id"])
            for speaker in peer.speakers or ()
        ]
        for distributor_id in {speaker.distributor_id for speaker in speakers}:
            self.client.wait_for_distributor(distributor_id)


class CreateBgpPeer(_Commanding, base.ShowOne):
    """Create a BGP peer profile"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--name", metavar="<name>", required=True, help="Its name."
        )
        parser.add_argument(
            "--peer-ip",
            metavar="<address>",
            required=True,
            help="Its address.",
        )
        parser.add_argument(
            "--remote-as",
            metavar="<AS>",
            type=int,
            required=True,
            help="Its AS.",
        )
        _add_attributes(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        attributes = _attributes(parsed_args)
        if parsed_args.communities:
            attributes["communities"] = parsed_args.communities
        return self.show(self.client.create_bgp_peer(**attributes))


class ListBgpPeer(base.Lister):
    """List BGP peer profiles"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", metavar="<name>", help="With this name.")
        parser.add_argument(
            "--peer-ip", metavar="<address>", help="With this address."
        )
        parser.add_argument(
            "--remote-as", metavar="<AS>", type=int, help="With this AS."
        )
        parser.add_argument(
            "--availability-zone",
            metavar="<zone>",
            help="For amphorae of this availability zone.",
        )
        parser.add_argument(
            "--compute-host",
            metavar="<host>",
            help="For amphorae on this compute host.",
        )
        parser.add_argument(
            "--peering-network",
            metavar="{" + ",".join(NETWORKS) + "}",
            choices=NETWORKS,
            help="With sessions over this network.",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        query = self.query(
            parsed_args,
            "name",
            "peer_ip",
            "remote_as",
            "availability_zone",
            "compute_host",
            "peering_network",
        )
        found = self.client.bgp_peers(**query)
        return base.listed(found, columns.BGP_PEERS, columns.PEER_FORMATTERS)


class ShowBgpPeer(_Commanding, base.ShowOne):
    """Show a BGP peer profile"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return self.show(self.peer(parsed_args.peer))


class SetBgpPeer(_Commanding, base.Command):
    """Change a BGP peer profile"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)
        parser.add_argument("--name", metavar="<name>", help="Its new name.")
        parser.add_argument(
            "--peer-ip", metavar="<address>", help="Its new address."
        )
        parser.add_argument(
            "--remote-as", metavar="<AS>", type=int, help="Its new AS."
        )
        _add_attributes(parser)
        parser.add_argument(
            "--no-community",
            action="store_true",
            help="Remove all communities; --community then adds to none.",
        )
        arguments.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        peer = self.peer(parsed_args.peer)
        attributes = _attributes(parsed_args)
        if parsed_args.communities or parsed_args.no_community:
            kept = () if parsed_args.no_community else peer.communities or ()
            attributes["communities"] = list(
                dict.fromkeys((*kept, *(parsed_args.communities or ())))
            )
        self.change(peer, attributes, parsed_args)


class UnsetBgpPeer(_Commanding, base.Command):
    """Clear what was set on a BGP peer profile"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)
        parser.add_argument(
            "--password",
            action="store_true",
            help="Have the session without a password.",
        )
        for name in _CLEARED:
            parser.add_argument(
                f"--{name.replace('_', '-')}",
                action="store_true",
                help=f"Reset {name}.",
            )
        parser.add_argument(
            "--community",
            dest="communities",
            metavar="<community>",
            action="append",
            help="Remove this community. May be given several times.",
        )
        parser.add_argument(
            "--all-communities",
            action="store_true",
            help="Remove all communities.",
        )
        arguments.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        peer = self.peer(parsed_args.peer)
        attributes: dict[str, Any] = {**base.cleared(parsed_args, *_CLEARED)}
        if parsed_args.password:
            attributes.update(auth_type=None, password=None)
        if parsed_args.communities or parsed_args.all_communities:
            attributes["communities"] = [
                community
                for community in peer.communities or ()
                if not parsed_args.all_communities
                and community not in parsed_args.communities
            ]
        self.change(peer, attributes, parsed_args)


class DeleteBgpPeer(_Commanding, base.Command):
    """Delete a BGP peer profile that no speaker has"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_named(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.client.delete_bgp_peer(
            self.peer(parsed_args.peer), ignore_missing=False
        )
