# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The calls below ``/1.0/anycast``: one VIP, one amphora of a distributor.

Small changes of the desired state in force, for who does not have the whole
of it. The controller sends it whole, and so overrides them.

Layer: model. Pure.
"""

from dataclasses import dataclass
from enum import StrEnum

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.errors import InvalidRequest


class AgentCall(StrEnum):
    """What can be asked of a dedicated distributor's agent."""

    LIST_VIPS = "list_vips"
    REGISTER_VIP = "register_vip"
    UNREGISTER_VIP = "unregister_vip"
    LIST_AMPHORAE = "list_amphorae"
    REGISTER_AMPHORA = "register_amphora"
    UNREGISTER_AMPHORA = "unregister_amphora"
    DRAIN_AMPHORA = "drain_amphora"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoBody:
    """An empty object, or no body at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVip:
    """Where packets to an external VIP go; ``peer_ids`` null: every peer."""

    nexthop_ip: IPAddress
    peer_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AmphoraPath:
    """A VIP that an amphora serves, at its front-end address."""

    vip_ip: IPAddress
    nexthop_ip: IPAddress
    peer_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredAmphora:
    """All paths of an amphora; those that it had before are replaced."""

    paths: tuple[AmphoraPath, ...]
    load_balancer_id: str | None = None

    def __post_init__(self) -> None:
        if not self.paths:
            raise InvalidRequest("paths", "there is none")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedVip:
    """An external VIP of the desired state."""

    vip_ip: IPAddress
    nexthop_ip: IPAddress
    peer_ids: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAmphora:
    """An amphora of the desired state; it drains if all its paths do."""

    amphora_id: str
    load_balancer_id: str | None
    is_draining: bool
    paths: tuple[AmphoraPath, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VipList:
    """The answer to ``GET /1.0/anycast/vips``."""

    vips: tuple[ListedVip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AmphoraList:
    """The answer to ``GET /1.0/anycast/amphorae``."""

    amphorae: tuple[ListedAmphora, ...]
