# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Arguments that several commands read alike."""

import argparse
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from openstack import connection as openstack_connection
from openstack import exceptions as sdk_exceptions

from octavia_anycast_client.sdk.resource import is_id

Pairs = list[tuple[str, str]]
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")


def pairs_of(text: str, *, required: set[str], allowed: set[str]) -> Pairs:
    """Read ``key=value,key=value``; a key may come several times.

    :raises ArgumentTypeError: which argparse shows beside the usage.
    """
    pairs: Pairs = []
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals or not value or key not in allowed | required:
            raise argparse.ArgumentTypeError(
                f"{part!r} is not one of "
                + ", ".join(f"{k}=..." for k in sorted(allowed | required))
            )
        pairs.append((key, value))
    missing = sorted(required - {key for key, _ in pairs})
    if missing:
        raise argparse.ArgumentTypeError(f"{missing[0]}=... is missing")
    return pairs


def only(pairs: Pairs, key: str) -> str | None:
    """The value of a key that may come once."""
    values = [value for name, value in pairs if name == key]
    if len(values) > 1:
        raise argparse.ArgumentTypeError(f"{key} is given more than once")
    return values[0] if values else None


def every(pairs: Pairs, key: str) -> list[str]:
    """The values of a key that may come several times."""
    return [value for name, value in pairs if name == key]


def duration(text: str) -> int:
    """Read a duration such as ``2h``, ``1h30m`` or ``3600``; seconds.

    :raises ArgumentTypeError: which argparse shows beside the usage.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(n + unit for n, unit in parts) != text:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration such as 90m, 2h, 1h30m or 1d"
        )
    return sum(int(n) * _UNITS[unit] for n, unit in parts)


def moment(text: str) -> str:
    """Read a time; UTC if it names no zone.

    :raises ArgumentTypeError: which argparse shows beside the usage.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time such as 2026-11-30T18:00:00"
        ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return found.isoformat()


def integer(name: str, text: str) -> int:
    """Read a number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{name}: {text!r} is not a number"
        ) from None


def speaker(text: str) -> dict[str, Any]:
    """Read ``--speaker``; peers are names or ids."""
    pairs = pairs_of(
        text,
        required={"ip-version", "local-as"},
        allowed={"driver", "peer"},
    )
    read: dict[str, Any] = {
        "ip_version": integer("ip-version", only(pairs, "ip-version") or ""),
        "local_as": integer("local-as", only(pairs, "local-as") or ""),
        "peers": every(pairs, "peer"),
    }
    driver = only(pairs, "driver")
    return {**read, "driver": driver} if driver else read


def zone(text: str) -> dict[str, Any]:
    """Read ``--zone``; network and subnets are names or ids."""
    pairs = pairs_of(
        text,
        required=set(),
        allowed={"availability-zone", "network", "subnet"},
    )
    return {
        "availability_zone": only(pairs, "availability-zone"),
        "frontend_network_id": only(pairs, "network"),
        "frontend_subnet_ids": every(pairs, "subnet"),
    }


def bfd(text: str) -> dict[str, int]:
    """Read ``--bfd``; what is not given is the API's default."""
    names = ("min-tx-ms", "min-rx-ms", "multiplier")
    pairs = pairs_of(text, required=set(), allowed=set(names))
    values = {name: only(pairs, name) for name in names}
    return {
        name.replace("-", "_"): integer(name, value)
        for name, value in values.items()
        if value is not None
    }


def network_id(
    connection: openstack_connection.Connection, name_or_id: str
) -> str:
    """The id of a network, by Neutron unless it is one."""
    return _neutron_id(connection.network.networks, "network", name_or_id)


def subnet_id(
    connection: openstack_connection.Connection, name_or_id: str
) -> str:
    """The id of a subnet, by Neutron unless it is one."""
    return _neutron_id(connection.network.subnets, "subnet", name_or_id)


def _neutron_id(
    list_of: Callable[..., Iterable[Any]], kind: str, name_or_id: str
) -> str:
    if is_id(name_or_id):
        return name_or_id
    ids = [str(found.id) for found in list_of(name=name_or_id)]
    if len(ids) == 1:
        return ids[0]
    if ids:
        raise sdk_exceptions.DuplicateResource(
            f"{len(ids)} {kind}s have the name {name_or_id}; "
            f"give the ID of one"
        )
    raise sdk_exceptions.NotFoundException(f"No {kind} found for {name_or_id}")


def add_switch(
    parser: argparse.ArgumentParser, name: str, on: str, off: str, help_: str
) -> None:
    """Add two options of which one may be given; neither is None."""
    group = parser.add_mutually_exclusive_group()
    for option, value in ((on, True), (off, False)):
        group.add_argument(
            option,
            dest=name,
            action="store_const",
            const=value,
            default=None,
            help=help_ if value else f"Not so: see {on}.",
        )


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Add ``--wait``."""
    parser.add_argument(
        "--wait",
        action="store_true",
        help="Wait for the amphorae to have it.",
    )
