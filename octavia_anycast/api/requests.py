# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Bodies of requests: strict documents that become the domain's types.

WSME would read "3", 3.9 and true as integers, and would repeat a whole body,
passwords included, in its complaint. So bodies are read by the codec of the
agent contract: the dataclasses here are the schema, and a complaint names
the path of the field, such as ``speakers[0].peers[1].hold_time``.
"""

import uuid
from dataclasses import dataclass, field, fields
from typing import Any

from octavia_anycast.model import codec
from octavia_anycast.model.bgp import (
    Asn,
    AuthType,
    BfdTimers,
    IPAddress,
    Peer,
    PeeringNetwork,
    Speaker,
    SpeakerDriver,
)
from octavia_anycast.model.distributor import (
    NAME_MAX_LENGTH,
    Distributor,
    DistributorType,
    Zone,
)
from octavia_anycast.model.errors import InvalidRequest

ROOT = "distributor"
# The drivers that the amphora's agent has.
DRIVERS = frozenset((SpeakerDriver.EXABGP,))


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRequest:
    """A peer as the user writes it."""

    peer_ip: IPAddress
    remote_as: int
    name: str = ""
    auth_type: AuthType | None = None
    password: str | None = field(default=None, repr=False)
    ttl_hops: int | None = None
    hold_time: int = 90
    keepalive_interval: int | None = None
    bfd: BfdTimers | None = None
    peering_network: PeeringNetwork = PeeringNetwork.MANAGEMENT
    availability_zone: str | None = None
    compute_host: str | None = None
    max_prefixes: int | None = None
    communities: tuple[str, ...] = ()
    as_path_prepend: int = 0
    med: int | None = None
    local_pref: int | None = None

    def __post_init__(self) -> None:
        for name in ("name", "availability_zone", "compute_host"):
            _check_text(name, getattr(self, name))
        self.to_model()

    def to_model(self) -> Peer:
        """Make the peer, with an id of its own."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return Peer(id=_new_id(), **values)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerRequest:
    """A speaker as the user writes it."""

    ip_version: int
    local_as: int
    driver: SpeakerDriver = SpeakerDriver.EXABGP
    peers: tuple[PeerRequest, ...] = ()

    def __post_init__(self) -> None:
        if self.driver not in DRIVERS:
            raise InvalidRequest(
                "driver", f"there is no {self.driver} driver in this release"
            )
        self.to_model()

    def to_model(self) -> Speaker:
        """Make the speaker, with ids of its own."""
        return Speaker(
            id=_new_id(),
            ip_version=self.ip_version,
            local_as=Asn(self.local_as),
            driver=self.driver,
            peers=tuple(peer.to_model() for peer in self.peers),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRequest:
    """A zone as the user writes it."""

    availability_zone: str | None = None
    frontend_network_id: str | None = None
    frontend_subnet_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_text("availability_zone", self.availability_zone)
        if self.frontend_network_id is not None:
            _check_id("frontend_network_id", self.frontend_network_id)
        for subnet_id in self.frontend_subnet_ids:
            _check_id("frontend_subnet_ids", subnet_id)
        if self.frontend_subnet_ids and self.frontend_network_id is None:
            raise InvalidRequest(
                "frontend_network_id", "subnets are given without a network"
            )
        if len(set(self.frontend_subnet_ids)) < len(self.frontend_subnet_ids):
            raise InvalidRequest(
                "frontend_subnet_ids", "each subnet may be named once"
            )

    def to_model(self) -> Zone:
        """Make the zone."""
        return Zone(
            availability_zone=self.availability_zone,
            frontend_network_id=self.frontend_network_id,
            frontend_subnet_ids=self.frontend_subnet_ids,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributorRequest:
    """A distributor as the user writes it."""

    name: str = ""
    description: str = ""
    distributor_type: DistributorType = DistributorType.L3_BGP
    enabled: bool = True
    is_default: bool = False
    speakers: tuple[SpeakerRequest, ...]
    zones: tuple[ZoneRequest, ...] = ()

    def __post_init__(self) -> None:
        for name in ("name", "description"):
            _check_text(name, getattr(self, name))
        if not self.speakers:
            raise InvalidRequest("speakers", "at least one is needed")
        self.to_model()

    def to_model(self) -> Distributor:
        """Make the distributor, with ids of its own."""
        return Distributor(
            id=_new_id(),
            name=self.name,
            description=self.description,
            distributor_type=self.distributor_type,
            is_enabled=self.enabled,
            is_default=self.is_default,
            speakers=tuple(speaker.to_model() for speaker in self.speakers),
            zones=tuple(zone.to_model() for zone in self.zones),
        )


def distributor_from(body: Any) -> Distributor:
    """Read the body of a POST: ``{"distributor": {...}}``.

    :raises InvalidRequest: with the path of the offending field.
    """
    if not isinstance(body, dict) or set(body) != {ROOT}:
        raise InvalidRequest(
            ROOT, "the body is not an object with this one attribute"
        )
    return codec.read(DistributorRequest, body[ROOT]).to_model()


def _new_id() -> str:
    return str(uuid.uuid4())


def _check_text(name: str, value: str | None) -> None:
    if value is None:
        return
    if len(value) > NAME_MAX_LENGTH:
        raise InvalidRequest(
            name, f"it is longer than {NAME_MAX_LENGTH} characters"
        )
    try:
        value.encode()
    except UnicodeEncodeError as e:
        raise InvalidRequest(name, "it is not valid Unicode") from e


def _check_id(name: str, value: str) -> None:
    try:
        is_id = str(uuid.UUID(value)) == value.lower()
    except ValueError:
        is_id = False
    if not is_id:
        raise InvalidRequest(name, f"{value!r} is not a UUID")
