# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer cluster``."""

import argparse
from typing import Any

from osc_lib import exceptions

from octavia_anycast_client import sdk
from octavia_anycast_client.osc import arguments, base, columns

METRICS = ("connections", "session_rate", "cpu", "bytes")
AUTOSCALE = "autoscale_"
# Attribute -> what it is.
_NUMBERS = {
    "desired_size": "Amphorae that shall serve.",
    "min_size": "Amphorae without which it is in ERROR; autoscaling stays "
    "above.",
    "max_size": "The largest size that it may be given.",
    "cooldown": "Seconds between two changes of its size by autoscaling.",
    "spare_count": "Amphorae that stand by to take the place of a lost one: "
    "0 to 2.",
}


def _add_load_balancer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "loadbalancer",
        metavar="<load_balancer>",
        help="The load balancer (name or ID).",
    )


def _add_autoscale(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "Autoscaling", "What is not given stays as it is."
    )
    group.add_argument(
        "--autoscale-metric",
        metavar="{" + ",".join(METRICS) + "}",
        choices=METRICS,
        type=str.lower,
        help="Scale the cluster by this: open connections, new connections "
        "a second, percent of CPU, bytes a second.",
    )
    group.add_argument(
        "--autoscale-target",
        metavar="<number>",
        type=int,
        help="How much of it one amphora is to carry.",
    )
    group.add_argument(
        "--autoscale-tolerance",
        metavar="<share>",
        type=float,
        help="By which share of the target it may be missed: 0 to 0.9.",
    )
    group.add_argument(
        "--autoscale-scale-in-delay",
        metavar="<seconds>",
        type=int,
        help="For how long one amphora fewer must have sufficed.",
    )
    group.add_argument(
        "--no-autoscale",
        action="store_true",
        help="Leave its size alone.",
    )


class _Commanding(base.Calling):
    """What more than one command does."""

    def show(self, cluster: sdk.Cluster) -> Any:
        """Print one."""
        return base.shown(cluster, columns.CLUSTER, columns.FORMATTERS)

    def change(
        self, balancer: sdk.LoadBalancer, changes: dict[str, Any], wait: bool
    ) -> Any:
        """Change it, wait if that is asked for, and print it."""
        if changes:
            cluster = self.client.update_load_balancer_cluster(
                balancer, **changes
            )
        else:
            cluster = self.client.get_load_balancer_cluster(balancer)
        if wait:
            cluster = self.client.wait_for_load_balancer_cluster(balancer)
        return self.show(cluster)


class ShowCluster(_Commanding, base.ShowOne):
    """Show the cluster of amphorae of a load balancer"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_load_balancer(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        balancer = self.load_balancer(parsed_args.loadbalancer)
        return self.show(self.client.get_load_balancer_cluster(balancer))


class SetCluster(_Commanding, base.ShowOne):
    """Change the cluster of amphorae of a load balancer"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_load_balancer(parser)
        for name, help_ in _NUMBERS.items():
            parser.add_argument(
                f"--{name.replace('_', '-')}",
                metavar="<number>",
                type=int,
                help=help_,
            )
        arguments.add_switch(
            parser,
            "is_enabled",
            "--enable",
            "--disable",
            "Look after it: scale it, and replace what dies.",
        )
        arguments.add_switch(
            parser,
            "flow_rescue",
            "--flow-rescue",
            "--no-flow-rescue",
            "Keep connections when its amphorae change.",
        )
        _add_autoscale(parser)
        arguments.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        balancer = self.load_balancer(parsed_args.loadbalancer)
        changes = base.given(
            parsed_args, *_NUMBERS, "is_enabled", "flow_rescue"
        )
        changes |= self._autoscale(balancer, parsed_args)
        return self.change(balancer, changes, parsed_args.wait)

    def _autoscale(
        self, balancer: sdk.LoadBalancer, parsed_args: argparse.Namespace
    ) -> dict[str, Any]:
        """The whole of it, for the API takes no part of it."""
        names = ("metric", "target", "tolerance", "scale_in_delay")
        wanted = base.given(parsed_args, *(AUTOSCALE + n for n in names))
        if parsed_args.no_autoscale:
            if wanted:
                raise exceptions.CommandError(
                    "--no-autoscale does not go with other options of it"
                )
            return {"autoscale": None}
        if not wanted:
            return {}
        changes = {n.removeprefix(AUTOSCALE): v for n, v in wanted.items()}
        stored = self.client.get_load_balancer_cluster(balancer).autoscale
        return {"autoscale": {**(stored or {}), **changes}}


class UnsetCluster(_Commanding, base.ShowOne):
    """Set attributes of a load balancer's cluster to their defaults"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_load_balancer(parser)
        for name, help_ in (
            ("autoscale", "Leave its size alone."),
            ("cooldown", "No cooldown."),
            ("spare_count", "No spares."),
        ):
            parser.add_argument(
                f"--{name.replace('_', '-')}", action="store_true", help=help_
            )
        arguments.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        balancer = self.load_balancer(parsed_args.loadbalancer)
        changes = base.cleared(
            parsed_args, "autoscale", "cooldown", "spare_count"
        )
        return self.change(balancer, changes, parsed_args.wait)
