# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer cluster``."""

import argparse
from typing import Any

from octavia_anycast_client.osc import base, columns


class ShowCluster(base.ShowOne):
    """Show the cluster of amphorae of a load balancer"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "loadbalancer",
            metavar="<load_balancer>",
            help="The load balancer (name or ID).",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        balancer = self.load_balancer(parsed_args.loadbalancer)
        cluster = self.client.get_load_balancer_cluster(balancer)
        return base.shown(cluster, columns.CLUSTER, columns.FORMATTERS)
