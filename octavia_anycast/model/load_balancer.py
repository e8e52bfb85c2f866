# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's load balancer, as of one read of its rows.

Layer: model. Pure. octavia_adapter makes these from Octavia's rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from octavia_anycast.model.cluster import Vip
from octavia_anycast.model.wire import ListenerSocket

PENDING_CREATE = "PENDING_CREATE"
PENDING_UPDATE = "PENDING_UPDATE"
PENDING_DELETE = "PENDING_DELETE"
PENDING = (PENDING_CREATE, PENDING_UPDATE, PENDING_DELETE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowVersion:
    """What of a load balancer's row changes with anything below it.

    Octavia's API locks the load balancer (PENDING_UPDATE) for each change of
    a listener, pool, member, health monitor or L7 policy, and whoever settles
    it writes the row again.
    """

    provisioning_status: str
    operating_status: str
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An object below the load balancer whose status is PENDING_*."""

    kind: str
    id: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredMember:
    """A member as its users configured it.

    ``is_checked``: its pool has an enabled health monitor.
    """

    id: str
    pool_id: str
    is_enabled: bool
    is_checked: bool

    def is_about(self, word: str) -> bool:
        """Whether HAProxy can say that of it, configured like this."""
        if word == "MAINT":
            return not self.is_enabled
        if word == "no check":
            return self.is_enabled and not self.is_checked
        if word.startswith(("UP", "DOWN")):
            return self.is_enabled and self.is_checked
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancerTree:
    """One load balancer with all that belongs to it, as of one read.

    ``revision`` is the SHA-256 of everything that the configuration of an
    amphora or of its ports depends on. ``left_out_ids``: the objects in
    ERROR, which the configuration leaves out. ``listeners`` are the sockets
    of the enabled TCP-based listeners on every VIP, ``lvs_listener_ids`` the
    enabled UDP and SCTP listeners. ``unused_pool_ids``: pools that no
    listener refers to. ``operating_statuses``: (kind, id) -> status, of
    listeners, pools and members. ``flavor`` and ``availability_zone`` are
    Octavia's metadata of these. ``has_metrics_listener``: it has an
    enabled listener of the protocol PROMETHEUS. ``is_deletion_wanted``: its
    deletion failed, and the work on it goes on.
    """

    id: str
    project_id: str
    provisioning_status: str
    operating_status: str
    is_enabled: bool
    vips: tuple[Vip, ...]
    listeners: tuple[ListenerSocket, ...]
    member_subnet_ids: tuple[str, ...]
    revision: str
    updated_at: datetime | None
    pending: tuple[Pending, ...] = ()
    left_out_ids: frozenset[str] = frozenset()
    lvs_listener_ids: tuple[str, ...] = ()
    has_stick_tables: bool = False
    has_metrics_listener: bool = False
    unused_pool_ids: tuple[str, ...] = ()
    operating_statuses: Mapping[tuple[str, str], str] = field(
        default_factory=dict
    )
    disabled_ids: frozenset[str] = frozenset()
    members: tuple[ConfiguredMember, ...] = ()
    project_ids: frozenset[str] = frozenset()
    flavor: Mapping[str, Any] = field(default_factory=dict)
    availability_zone: Mapping[str, Any] = field(default_factory=dict)
    is_deletion_wanted: bool = False

    @property
    def is_pending(self) -> bool:
        """Whether it is in PENDING_*: somebody waits for the controller."""
        return self.provisioning_status in PENDING

    @property
    def is_in_error(self) -> bool:
        """Whether it is shown as ERROR."""
        return self.provisioning_status == "ERROR"

    @property
    def is_being_deleted(self) -> bool:
        """Whether it and everything below it is to go."""
        return self.is_deletion_wanted or self.provisioning_status in (
            PENDING_DELETE,
            "DELETED",
        )

    @property
    def row_version(self) -> RowVersion:
        """The version that its row had when it was read."""
        return RowVersion(
            provisioning_status=self.provisioning_status,
            operating_status=self.operating_status,
            updated_at=self.updated_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What was found as the ports of a load balancer were prepared.

    :param without_port: ids of amphorae whose front-end port is gone
    :param lacks: sentences about what the ports go without
    """

    without_port: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberNetworks:
    """Networks of members, sorted, and subnets that do not exist."""

    network_ids: tuple[str, ...] = ()
    gone_subnet_ids: tuple[str, ...] = ()
