# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a picture shows of Octavia's objects: names, statuses, addresses.

Layer: model. Pure. octavia_adapter makes these from Octavia's rows.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownBalancer:
    """A load balancer of ours that is not DELETED; ``vips``: as texts."""

    id: str
    name: str
    project_id: str
    provisioning_status: str
    operating_status: str
    vips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMember:
    """A member; its address and port are its tenant's."""

    id: str
    name: str
    operating_status: str
    is_enabled: bool
    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPool:
    """A pool and the first of its ``member_count`` members."""

    id: str
    name: str
    operating_status: str
    is_enabled: bool
    protocol: str
    members: tuple[ShownMember, ...] = ()
    member_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownListener:
    """A listener; ``pool_ids``: where it or an L7 policy of it sends to."""

    id: str
    name: str
    operating_status: str
    is_enabled: bool
    protocol: str
    port: int
    pool_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownContent:
    """The first listeners and pools of a load balancer; how many there are."""

    listeners: tuple[ShownListener, ...] = ()
    pools: tuple[ShownPool, ...] = ()
    listener_count: int = 0
    pool_count: int = 0
