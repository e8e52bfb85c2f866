# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``openstack loadbalancer distributor check``: what the doctor finds."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from osc_lib.command import command

from octavia_anycast_client import sdk
from octavia_anycast_client.osc import base, columns

# Something is wrong, as opposed to: the command failed (1).
EXIT_ERRORS = 4
ERROR, WARNING, UNKNOWN = "error", "warning", "unknown"
_WRONG = (ERROR, WARNING)


class CheckDistributor(base.Calling, command.Lister):
    """Say what is wrong between amphorae and fabric, and what to type

    It prints what is wrong, and nothing if all is well. How much was looked
    at goes to standard error. The exit status is 0, or 4 if there is an
    error.
    """

    _has_error = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "distributor",
            metavar="<distributor>",
            nargs="?",
            help="The distributor (name or ID); without one, all are looked "
            "at, and whether one is the default.",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="Print also what is well, and what could not be found out.",
        )
        parser.add_argument(
            "--long", action="store_true", help="Print all columns."
        )

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        query = {}
        if parsed_args.distributor is not None:
            distributor = self.distributor(parsed_args.distributor)
            query["distributor_id"] = distributor.id
        found = list(self.client.distributor_checks(**query))
        self._has_error = any(one.severity == ERROR for one in found)
        sys.stderr.write(f"{_sum_of(found)}\n")
        wanted = columns.CHECKS_LONG if parsed_args.long else columns.CHECKS
        chosen = [
            one for one in found if parsed_args.all or one.severity in _WRONG
        ]
        return base.listed(chosen, wanted, columns.CHECK_FORMATTERS)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run it; the exit status says whether there is an error."""
        code = super().run(parsed_args)
        return code or (EXIT_ERRORS if self._has_error else 0)


def _sum_of(found: Sequence[sdk.DistributorCheck]) -> str:
    wrong = sum(one.count for one in found if one.severity in _WRONG)
    unknown = sum(one.count for one in found if one.severity == UNKNOWN)
    return (
        f"{sum(one.count for one in found)} things were checked: {wrong} are "
        f"wrong, {unknown} are not known."
    )
