# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What there is in Nova and in Neutron, by name.

Everything whose name says that it is of an amphora or a load balancer,
stock Octavia's too: whose it is, the sweep finds out.

Layer: octavia_adapter. Reads only; a constant number of calls each.
"""

from datetime import UTC, datetime
from typing import Any

from octavia.common import constants
from oslo_utils import timeutils

from octavia_anycast.model.housekeeping import Seen
from octavia_anycast.octavia_adapter.cloud import names


def servers(driver: Any) -> tuple[Seen, ...]:
    """Servers named as those of amphorae, of any provider.

    Octavia's driver interface cannot list: Nova's own client is asked, or
    ``list_servers()`` of another driver that has it.
    """
    own = getattr(driver, "list_servers", None)
    if own is not None:
        found = list(own())
    else:
        found = _nova_servers(getattr(driver, "manager", None))
    return tuple(
        Seen(
            id=str(identifier),
            amphora_id=amphora_id,
            created_at=created_at,
        )
        for identifier, name, created_at in found
        if (amphora_id := names.amphora_of_server(name))
    )


def _nova_servers(manager: Any) -> list[tuple[str, str, datetime | None]]:
    if manager is None or not hasattr(manager, "list"):
        return []
    listed = manager.list(
        search_opts={"name": f"^{names.SERVER_PREFIX}"}, limit=-1
    )
    return [
        (server.id, server.name, _moment(getattr(server, "created", None)))
        for server in listed
    ]


def ports(driver: Any) -> tuple[Seen, ...]:
    """Ports of amphorae in the service project, and VIP ports in any.

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
        if (amphora_id := names.amphora_of_port(port.name))
    ]
    vips = [
        Seen(
            id=port.id,
            load_balancer_id=load_balancer_id,
            created_at=_moment(port.created_at),
        )
        for port in proxy.ports(device_owner=constants.OCTAVIA_OWNER)
        if (load_balancer_id := names.load_balancer_of_port(port.name))
        and port.device_id == f"lb-{load_balancer_id}"
    ]
    return (*own, *vips)


def security_groups(driver: Any) -> tuple[Seen, ...]:
    """Security groups in the service project named as those of VIPs."""
    proxy = getattr(driver, "network_proxy", None)
    if proxy is None:
        return ()
    return tuple(
        Seen(
            id=group.id,
            load_balancer_id=load_balancer_id,
            created_at=_moment(group.created_at),
        )
        for group in proxy.security_groups(project_id=driver.project_id)
        if (load_balancer_id := names.load_balancer_of_group(group.name))
    )


def _moment(text: str | None) -> datetime | None:
    """Read the time that an API gives; None if it gives none."""
    if not text:
        return None
    moment: datetime = timeutils.parse_isotime(text)
    return moment.astimezone(UTC)
