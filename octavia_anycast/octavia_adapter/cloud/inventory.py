# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Servers, ports and security groups in the cloud, told by their names.

Servers, VIP ports and security groups have Octavia's names; those of stock
amphorae and load balancers are the same. Front-end and member ports have
names of ours. All that has such a name is listed; the sweep finds out who
owns it.

Layer: octavia_adapter. Reads only; a constant number of calls each.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from octavia.common import constants
from oslo_utils import timeutils

from octavia_anycast.model.housekeeping import Seen

SERVER_PREFIX = "amphora-"
VIP_PREFIX = "octavia-lb-"
FRONTEND_PREFIX = "octavia-anycast-fe-"
MEMBER_PREFIX = "octavia-anycast-member-"

_ID = "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"


def server_name(amphora_id: str) -> str:
    """The name of an amphora's server: Octavia's."""
    return SERVER_PREFIX + amphora_id


def frontend_port_name(amphora_id: str) -> str:
    """The name of an amphora's front-end port."""
    return FRONTEND_PREFIX + amphora_id


def member_port_name(amphora_id: str, network_id: str) -> str:
    """The name of an amphora's port in a network of members."""
    return f"{MEMBER_PREFIX}{amphora_id}-{network_id}"


def _read(pattern: str, name: str | None) -> str | None:
    """Read the id in a name; None if it is another kind of name."""
    found = re.fullmatch(pattern, name or "")
    return next(filter(None, found.groups())) if found else None


amphora_of_server = partial(_read, SERVER_PREFIX + _ID)
amphora_of_port = partial(
    _read, f"{FRONTEND_PREFIX}{_ID}|{MEMBER_PREFIX}{_ID}-.+"
)
load_balancer_of_port = partial(_read, VIP_PREFIX + _ID)
load_balancer_of_group = partial(
    _read, constants.VIP_SECURITY_GROUP_PREFIX + _ID
)


def servers(driver: Any) -> tuple[Seen, ...]:
    """List servers with names of amphorae, of any provider.

    Octavia's driver interface cannot list. So Nova's own client is asked, or
    ``list_servers()`` of a driver that has it.
    """
    own = getattr(driver, "list_servers", None)
    nova = getattr(driver, "manager", None)
    found: Iterable[tuple[str, str, datetime | None]] = ()
    if own is not None:
        found = own()
    elif nova is not None:
        query = {"name": f"^{SERVER_PREFIX}"}
        found = (
            (server.id, server.name, _moment(server.created))
            for server in nova.list(search_opts=query, limit=-1)
        )
    return tuple(
        Seen(id=str(identifier), amphora_id=amphora_id, created_at=created_at)
        for identifier, name, created_at in found
        if (amphora_id := amphora_of_server(name))
    )


def ports(driver: Any) -> tuple[Seen, ...]:
    """List ports of amphorae in the service project, and all VIP ports.

    A VIP port is one that Octavia made: its owner, its device and its name
    say so. Empty with a network driver that cannot list ports.
    """
    proxy = getattr(driver, "network_proxy", None)
    if proxy is None:
        return ()
    # An attached port has the compute service as its owner: the names
    # tell ours.
    own = [
        Seen(
            id=port.id,
            amphora_id=amphora_id,
            is_named_by_us=True,
            created_at=_moment(port.created_at),
        )
        for port in proxy.ports(project_id=driver.project_id)
        if (amphora_id := amphora_of_port(port.name))
    ]
    vips = [
        port
        for port in proxy.ports(device_owner=constants.OCTAVIA_OWNER)
        if port.device_id == f"lb-{load_balancer_of_port(port.name)}"
    ]
    return (*own, *_of_load_balancers(vips, load_balancer_of_port))


def security_groups(driver: Any) -> tuple[Seen, ...]:
    """List security groups in the service project with names of VIPs'."""
    proxy = getattr(driver, "network_proxy", None)
    if proxy is None:
        return ()
    groups = proxy.security_groups(project_id=driver.project_id)
    return _of_load_balancers(groups, load_balancer_of_group)


def _of_load_balancers(
    things: Iterable[Any], owner_of: Callable[[str | None], str | None]
) -> tuple[Seen, ...]:
    return tuple(
        Seen(
            id=thing.id,
            load_balancer_id=load_balancer_id,
            created_at=_moment(thing.created_at),
        )
        for thing in things
        if (load_balancer_id := owner_of(thing.name))
    )


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    moment: datetime = timeutils.parse_isotime(text)
    return moment.astimezone(UTC)
