# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Responses, in WSME's types. No type here has a password."""

from typing import Any

from octavia.api.common import types
from wsme import types as wtypes

from octavia_anycast.model.bgp import Peer, Speaker
from octavia_anycast.model.distributor import Distributor, Zone

Text = wtypes.StringType()


class BfdResponse(types.BaseType):
    """BFD timers; milliseconds."""

    min_tx_ms = wtypes.wsattr(int)
    min_rx_ms = wtypes.wsattr(int)
    multiplier = wtypes.wsattr(int)


class PeerResponse(types.BaseType):
    """A peer; its password is write-only."""

    id = wtypes.wsattr(wtypes.UuidType())
    name = wtypes.wsattr(Text)
    peer_ip = wtypes.wsattr(types.IPAddressType())
    remote_as = wtypes.wsattr(int)
    auth_type = wtypes.wsattr(Text)
    ttl_hops = wtypes.wsattr(int)
    hold_time = wtypes.wsattr(int)
    keepalive_interval = wtypes.wsattr(int)
    bfd = wtypes.wsattr(BfdResponse)
    peering_network = wtypes.wsattr(Text)
    availability_zone = wtypes.wsattr(Text)
    compute_host = wtypes.wsattr(Text)
    max_prefixes = wtypes.wsattr(int)
    communities = wtypes.wsattr([Text])
    as_path_prepend = wtypes.wsattr(int)
    med = wtypes.wsattr(int)
    local_pref = wtypes.wsattr(int)


class SpeakerResponse(types.BaseType):
    """A speaker with its peers."""

    id = wtypes.wsattr(wtypes.UuidType())
    ip_version = wtypes.wsattr(int)
    local_as = wtypes.wsattr(int)
    driver = wtypes.wsattr(Text)
    peers = wtypes.wsattr([PeerResponse])


class ZoneResponse(types.BaseType):
    """A zone with its front-end network."""

    availability_zone = wtypes.wsattr(Text)
    frontend_network_id = wtypes.wsattr(Text)
    frontend_subnet_ids = wtypes.wsattr([Text])


class DistributorResponse(types.BaseType):
    """A distributor with all that it has."""

    id = wtypes.wsattr(wtypes.UuidType())
    name = wtypes.wsattr(Text)
    description = wtypes.wsattr(Text)
    distributor_type = wtypes.wsattr(Text)
    provisioning_status = wtypes.wsattr(Text)
    operating_status = wtypes.wsattr(Text)
    enabled = wtypes.wsattr(bool)
    is_default = wtypes.wsattr(bool)
    speakers = wtypes.wsattr([SpeakerResponse])
    zones = wtypes.wsattr([ZoneResponse])


class DistributorRootResponse(types.BaseType):
    """One distributor."""

    distributor = wtypes.wsattr(DistributorResponse)


class DistributorsRootResponse(types.BaseType):
    """Distributors, and links to the pages before and after."""

    distributors = wtypes.wsattr([DistributorResponse])
    distributors_links = wtypes.wsattr([types.PageType])


def of_distributor(distributor: Distributor) -> DistributorResponse:
    """Make the response of a distributor."""
    return DistributorResponse(
        enabled=distributor.is_enabled,
        speakers=[_of_speaker(speaker) for speaker in distributor.speakers],
        zones=[_of_zone(zone) for zone in distributor.zones],
        **_same_in(
            DistributorResponse, distributor, {"enabled", "speakers", "zones"}
        ),
    )


def _of_speaker(speaker: Speaker) -> SpeakerResponse:
    return SpeakerResponse(
        peers=[_of_peer(peer) for peer in speaker.peers],
        **_same_in(SpeakerResponse, speaker, {"peers"}),
    )


def _of_peer(peer: Peer) -> PeerResponse:
    return PeerResponse(
        peer_ip=str(peer.peer_ip),
        bfd=peer.bfd and BfdResponse(**_same_in(BfdResponse, peer.bfd)),
        communities=list(peer.communities),
        **_same_in(PeerResponse, peer, {"peer_ip", "bfd", "communities"}),
    )


def _of_zone(zone: Zone) -> ZoneResponse:
    return ZoneResponse(
        frontend_subnet_ids=list(zone.frontend_subnet_ids),
        **_same_in(ZoneResponse, zone, {"frontend_subnet_ids"}),
    )


def _same_in(
    kind: Any, value: Any, but: frozenset[str] | set[str] = frozenset()
) -> dict[str, Any]:
    """The attributes that have the same name and meaning in both."""
    return {
        attribute.name: getattr(value, attribute.name)
        for attribute in kind._wsme_attributes
        if attribute.name not in but
    }
