# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""python-octaviaclient's own commands, with the front end added.

Whatever it can, these can: they are its classes. They replace its commands
(see :mod:`octavia_anycast_client.osc.plugin`).
"""

import argparse
from typing import Any

from octaviaclient.osc.v2 import load_balancer
from octaviaclient.osc.v2 import utils as octavia_utils

from octavia_anycast_client.osc import arguments, base, columns


def _add_options(parser: argparse.ArgumentParser, verb: str) -> None:
    group = parser.add_argument_group("Front end (provider anycast)")
    for name, what in (
        ("network", "network of the amphorae's front-end addresses"),
        ("subnet", "subnet of the amphorae's front-end addresses"),
    ):
        group.add_argument(
            f"--frontend-{name}-id",
            metavar=f"<frontend_{name}_id>",
            help=f"{verb} the {what} (name or ID).",
        )
    group.add_argument(
        "--distributor",
        metavar="<distributor>",
        help=f"{verb} the distributor that announces its VIPs (name or ID).",
    )


class _Commanding(base.Calling):
    """What the commands share."""

    def frontend(self, parsed_args: argparse.Namespace) -> dict[str, str]:
        """Those of the three attributes that were given, with ids."""
        connection = self.app.client_manager.sdk_connection
        found: dict[str, str] = {}
        if parsed_args.frontend_network_id is not None:
            found["frontend_network_id"] = arguments.network_id(
                connection, parsed_args.frontend_network_id
            )
        if parsed_args.frontend_subnet_id is not None:
            found["frontend_subnet_id"] = arguments.subnet_id(
                connection, parsed_args.frontend_subnet_id
            )
        if parsed_args.distributor is not None:
            found["distributor_id"] = self.distributor(
                parsed_args.distributor
            ).id
        return found

    def with_frontend(self, names: Any, values: Any) -> Any:
        """Add the three columns, if the API has them."""
        shown = dict(zip(names, values, strict=True))
        api = self.app.client_manager.load_balancer
        balancer = api.load_balancer_show(shown["id"])
        added = [name for name in columns.FRONTEND if name in balancer]
        return (
            (*names, *added),
            (*values, *(balancer[name] for name in added)),
        )


class CreateLoadBalancer(_Commanding, load_balancer.CreateLoadBalancer):
    """Create a load balancer"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_options(parser, "Set")

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        self._frontend = self.frontend(parsed_args)
        return self.with_frontend(*super().take_action(parsed_args))

    def _check_attrs(self, attrs: dict[str, Any]) -> None:
        # The last that happens to the request before it is sent.
        super()._check_attrs(attrs)
        attrs.update(self._frontend)


class ShowLoadBalancer(_Commanding, load_balancer.ShowLoadBalancer):
    """Show the details for a single load balancer"""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return self.with_frontend(*super().take_action(parsed_args))


class ListLoadBalancer(_Commanding, load_balancer.ListLoadBalancer):
    """List load balancers"""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        _add_options(parser, "List load balancers by")

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        manager = self.app.client_manager
        query = octavia_utils.get_loadbalancer_attrs(manager, parsed_args)
        found = manager.load_balancer.load_balancer_list(
            **query, **self.frontend(parsed_args)
        )
        names = load_balancer.const.LOAD_BALANCER_COLUMNS
        return names, [
            tuple(balancer.get(name) for name in names)
            for balancer in found["loadbalancers"]
        ]
