# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What all commands have in common."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions
from osc_lib.command import command

from octavia_anycast_client import sdk

Columns = Sequence[str]
Formatters = dict[str, Callable[[Any], Any]]
Found = TypeVar("Found")


class Calling:
    """Calls the API, and says in a sentence why it refuses."""

    app: Any

    @property
    def client(self) -> sdk.Proxy:
        """The SDK's proxy."""
        client: sdk.Proxy = self.app.client_manager.load_balancer_anycast
        return client

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The parser of the command's arguments."""
        parser: argparse.ArgumentParser
        parser = super().get_parser(prog_name)  # type: ignore[misc]
        self.add_arguments(parser)
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's own arguments."""

    def distributor(self, name_or_id: str) -> sdk.Distributor:
        """The distributor of this name or id."""
        return _there(self.client.find_distributor(name_or_id, False))

    def peer(self, name_or_id: str) -> sdk.BgpPeer:
        """The BGP peer of this name or id."""
        return _there(self.client.find_bgp_peer(name_or_id, False))

    def speaker(self, name_or_id: str) -> sdk.BgpSpeaker:
        """The BGP speaker of this id, or that of fabric/4."""
        return _there(self.client.find_bgp_speaker(name_or_id, False))

    def load_balancer(self, name_or_id: str) -> sdk.LoadBalancer:
        """The load balancer of this name or id."""
        return _there(self.client.find_load_balancer(name_or_id, False))

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command."""
        try:
            code: int = super().run(parsed_args)  # type: ignore[misc]
        except sdk_exceptions.HttpException as e:
            raise exceptions.CommandError(sentence_of(e)) from e
        return code


class Command(Calling, command.Command):
    """A command that prints nothing."""


class ShowOne(Calling, command.ShowOne):
    """A command that prints one resource."""


class Lister(Calling, command.Lister):
    """A command that prints a table, a page of it if that is asked for."""

    limit: int | None = None  # how many it prints if it is not told

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add what every list has."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--sort",
            metavar="<attribute>[:asc|:desc][,...]",
            help="Have the API sort by these attributes.",
        )
        parser.add_argument(
            "--limit",
            metavar="<number>",
            type=int,
            default=self.limit,
            help="Print this many at most"
            + (f" (default: {self.limit})." if self.limit else "."),
        )
        parser.add_argument(
            "--marker",
            metavar="<id>",
            help="Print those after this one.",
        )
        return parser

    def query(
        self, parsed_args: argparse.Namespace, *names: str
    ) -> dict[str, Any]:
        """The arguments of a list call; those named, and every list's."""
        query = given(parsed_args, *names, "sort", "limit", "marker")
        if "limit" in query:
            query["paginated"] = False
        return query


def _there(found: Found | None) -> Found:
    assert found is not None, "it would have been raised"
    return found


def sentence_of(error: sdk_exceptions.HttpException) -> str:
    """What an error of the API says, as python-octaviaclient puts it."""
    if error.status_code is None:
        return str(error.message)
    return (
        f"{error.details or error.message} (HTTP {error.status_code}) "
        f"(Request-ID: {error.request_id})"
    )


def given(parsed_args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those of the options that were given."""
    values = {name: getattr(parsed_args, name, None) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def cleared(parsed_args: argparse.Namespace, *names: str) -> dict[str, None]:
    """Those of an unset command's flags that were given."""
    return {name: None for name in names if getattr(parsed_args, name)}


def shown(
    resource: Any, columns: Columns, formatters: Formatters
) -> tuple[Columns, tuple[Any, ...]]:
    """A resource as cliff wants it."""
    return columns, _values(resource, columns, formatters)


def listed(
    resources: Iterable[Any], columns: Columns, formatters: Formatters
) -> tuple[Columns, list[tuple[Any, ...]]]:
    """Resources as cliff wants them."""
    return columns, [_values(item, columns, formatters) for item in resources]


def _values(
    resource: Any, columns: Columns, formatters: Formatters
) -> tuple[Any, ...]:
    document = resource.to_dict(computed=False, original_names=True)
    return tuple(
        formatters.get(column, _as_it_is)(document.get(column))
        for column in columns
    )


def _as_it_is(value: Any) -> Any:
    return value
