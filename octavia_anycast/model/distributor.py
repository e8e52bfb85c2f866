# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The distributor: how the amphorae of a cluster meet the fabric."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from octavia_anycast.model.bgp import (
    PeeringNetwork,
    Speaker,
    SpeakerDriver,
    check_fields,
    checked_by,
    within,
)
from octavia_anycast.model.errors import (
    InvalidRequest,
    check_name,
    check_place,
    check_text,
)

DEDICATED_MAX = 4


class DistributorType(StrEnum):
    """The kinds of the blueprint; the fabric's ECMP is the only one."""

    L3_BGP = "L3_BGP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A place for amphorae and the front-end network that it has.

    ``availability_zone`` is Nova's; None is the one anonymous zone. Without
    ``frontend_network_id`` the VIP's own network is the front end; without
    ``frontend_subnet_ids`` Neutron chooses one subnet per VIP family.
    """

    availability_zone: str | None = checked_by(check_place, default=None)
    frontend_network_id: str | None = None
    frontend_subnet_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        if self.frontend_subnet_ids and self.frontend_network_id is None:
            raise InvalidRequest(
                "frontend_network_id", "subnets are given without a network"
            )
        if len(set(self.frontend_subnet_ids)) < len(self.frontend_subnet_ids):
            raise InvalidRequest(
                "frontend_subnet_ids", "each subnet may be named once"
            )


ANONYMOUS_ZONE = Zone()


@dataclass(frozen=True, slots=True, kw_only=True)
class Distributor:
    """A distributor with its speakers and zones (blueprint data model).

    ``dedicated_count``: amphorae of its own, which only speak BGP and
    announce external VIPs.
    """

    id: str
    name: str = checked_by(check_name, default="")
    description: str = checked_by(check_text, default="")
    distributor_type: DistributorType = DistributorType.L3_BGP
    provisioning_status: str = "ACTIVE"
    operating_status: str = "ONLINE"
    status_reason: str = ""
    is_enabled: bool = True
    is_default: bool = False
    speakers: tuple[Speaker, ...] = ()
    zones: tuple[Zone, ...] = ()
    dedicated_count: int = within(0, DEDICATED_MAX, default=0)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.dedicated_count and any(
            peer.peering_network is PeeringNetwork.FRONTEND
            for speaker in self.speakers
            for peer in speaker.peers
        ):
            raise InvalidRequest(
                "dedicated_count",
                "amphorae without a front end peer over the management "
                "network only",
            )
        versions = [speaker.ip_version for speaker in self.speakers]
        if len(set(versions)) != len(versions):
            raise InvalidRequest(
                "ip_version", "one speaker per IP version at most"
            )
        if len({speaker.driver for speaker in self.speakers}) > 1:
            raise InvalidRequest(
                "driver", "the speakers of a distributor share one driver"
            )
        places = [zone.availability_zone for zone in self.zones]
        if len(set(places)) != len(places):
            raise InvalidRequest(
                "availability_zone", "each zone may be named once"
            )

    @property
    def driver(self) -> SpeakerDriver:
        """The speakers' driver; they share one."""
        if not self.speakers:
            return SpeakerDriver.EXABGP
        return self.speakers[0].driver

    def effective_zones(self) -> tuple[Zone, ...]:
        """The zones to place amphorae in: at least the anonymous one."""
        return self.zones or (ANONYMOUS_ZONE,)


DISTRIBUTOR_ID = "distributor_id"
FRONTEND_NETWORK_ID = "frontend_network_id"
FRONTEND_SUBNET_ID = "frontend_subnet_id"
# What carries a whole choice from the API to the provider driver.
CHOICE = "octavia_anycast"
ATTRIBUTES = (DISTRIBUTOR_ID, FRONTEND_NETWORK_ID, FRONTEND_SUBNET_ID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The distributor and front end that a request names; None: no choice."""

    distributor_id: str | None = None
    frontend_network_id: str | None = None
    frontend_subnet_id: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Choice":
        """Read the choice from a request, or from metadata."""
        return cls(**{name: values.get(name) or None for name in ATTRIBUTES})

    @property
    def has_frontend(self) -> bool:
        """Whether it chooses a front end."""
        return bool(self.frontend_network_id or self.frontend_subnet_id)

    def or_else(self, other: "Choice") -> "Choice":
        """Take from another choice what this one leaves open.

        Network and subnet belong together: they come from one of them.
        """
        frontend = self if self.has_frontend else other
        return replace(
            frontend,
            distributor_id=self.distributor_id or other.distributor_id,
        )

    def said(self) -> dict[str, str]:
        """attribute -> value, of those that are chosen."""
        return {k: v for k, v in asdict(self).items() if v is not None}
