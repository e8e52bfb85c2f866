# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Responses, in WSME's types. No type here has a password."""

from datetime import UTC, datetime
from typing import Any

from octavia.api.common import types
from wsme import types as wtypes

from octavia_anycast.db.distributor.distributors import DistributorRecord
from octavia_anycast.db.distributor.external_vips import VipRecord
from octavia_anycast.db.distributor.peers import PeerRecord
from octavia_anycast.db.distributor.speakers import SpeakerRecord
from octavia_anycast.model.bgp import Speaker
from octavia_anycast.model.distributor import Zone

Text = wtypes.StringType()
Uuid = wtypes.UuidType()
Moment = wtypes.datetime.datetime


class StoredAddress(types.IPAddressType):
    """An address as it is stored: an older release let interfaces in."""

    @staticmethod
    def validate(value: str) -> str:
        """Look at the address; what follows it is shown, too."""
        types.IPAddressType.validate(value.partition("%")[0])
        return value


class Reference(types.BaseType):
    """The id of something else."""

    id = wtypes.wsattr(Uuid)


class BfdResponse(types.BaseType):
    """BFD timers; milliseconds."""

    min_tx_ms = wtypes.wsattr(int)
    min_rx_ms = wtypes.wsattr(int)
    multiplier = wtypes.wsattr(int)


class PeerResponse(types.BaseType):
    """A peer; its password is write-only."""

    id = wtypes.wsattr(Uuid)
    name = wtypes.wsattr(Text)
    peer_ip = wtypes.wsattr(StoredAddress())
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
    speakers = wtypes.wsattr([Reference])
    created_at = wtypes.wsattr(Moment)
    updated_at = wtypes.wsattr(Moment)


class PeerRootResponse(types.BaseType):
    """One peer."""

    bgp_peer = wtypes.wsattr(PeerResponse)


class PeersRootResponse(types.BaseType):
    """Peers, and links to the pages before and after."""

    bgp_peers = wtypes.wsattr([PeerResponse])
    bgp_peers_links = wtypes.wsattr([types.PageType])


class OwnSpeakerResponse(types.BaseType):
    """A speaker within its distributor."""

    id = wtypes.wsattr(Uuid)
    ip_version = wtypes.wsattr(int)
    local_as = wtypes.wsattr(int)
    driver = wtypes.wsattr(Text)
    peers = wtypes.wsattr([Reference])


class SpeakerResponse(OwnSpeakerResponse):
    """A speaker."""

    distributor_id = wtypes.wsattr(Uuid)
    created_at = wtypes.wsattr(Moment)
    updated_at = wtypes.wsattr(Moment)


class SpeakerRootResponse(types.BaseType):
    """One speaker."""

    bgp_speaker = wtypes.wsattr(SpeakerResponse)


class SpeakersRootResponse(types.BaseType):
    """Speakers, and links to the pages before and after."""

    bgp_speakers = wtypes.wsattr([SpeakerResponse])
    bgp_speakers_links = wtypes.wsattr([types.PageType])


class ZoneResponse(types.BaseType):
    """A zone with its front-end network."""

    availability_zone = wtypes.wsattr(Text)
    frontend_network_id = wtypes.wsattr(Text)
    frontend_subnet_ids = wtypes.wsattr([Text])


class DistributorResponse(types.BaseType):
    """A distributor with all that it has."""

    id = wtypes.wsattr(Uuid)
    name = wtypes.wsattr(Text)
    description = wtypes.wsattr(Text)
    distributor_type = wtypes.wsattr(Text)
    provisioning_status = wtypes.wsattr(Text)
    operating_status = wtypes.wsattr(Text)
    status_reason = wtypes.wsattr(Text)
    enabled = wtypes.wsattr(bool)
    is_default = wtypes.wsattr(bool)
    speakers = wtypes.wsattr([OwnSpeakerResponse])
    zones = wtypes.wsattr([ZoneResponse])
    dedicated_count = wtypes.wsattr(int)
    load_balancer_count = wtypes.wsattr(int)
    amphora_count = wtypes.wsattr(int)
    vip_count = wtypes.wsattr(int)
    created_at = wtypes.wsattr(Moment)
    updated_at = wtypes.wsattr(Moment)


class DistributorRootResponse(types.BaseType):
    """One distributor."""

    distributor = wtypes.wsattr(DistributorResponse)


class DistributorsRootResponse(types.BaseType):
    """Distributors, and links to the pages before and after."""

    distributors = wtypes.wsattr([DistributorResponse])
    distributors_links = wtypes.wsattr([types.PageType])


class PathResponse(types.BaseType):
    """What one amphora announces of one VIP to one peer."""

    id = wtypes.wsattr(Uuid)
    amphora_id = wtypes.wsattr(Uuid)
    load_balancer_id = wtypes.wsattr(Uuid)
    vip_address = wtypes.wsattr(types.IPAddressType())
    prefix = wtypes.wsattr(Text)
    next_hop = wtypes.wsattr(types.IPAddressType())
    speaker_id = wtypes.wsattr(Uuid)
    peer_id = wtypes.wsattr(Text)
    peer_name = wtypes.wsattr(Text)
    peer_ip = wtypes.wsattr(StoredAddress())
    session_state = wtypes.wsattr(Text)
    session_since = wtypes.wsattr(Moment)
    state = wtypes.wsattr(Text)
    reason = wtypes.wsattr(Text)
    reported_at = wtypes.wsattr(Moment)
    report_age = wtypes.wsattr(float)


class PathsRootResponse(types.BaseType):
    """Paths, and links to the pages before and after."""

    paths = wtypes.wsattr([PathResponse])
    paths_links = wtypes.wsattr([types.PageType])


class VipResponse(types.BaseType):
    """An external VIP."""

    id = wtypes.wsattr(Uuid)
    distributor_id = wtypes.wsattr(Uuid)
    vip_address = wtypes.wsattr(types.IPAddressType())
    next_hop = wtypes.wsattr(types.IPAddressType())
    peer_id = wtypes.wsattr(Uuid)
    announcing_count = wtypes.wsattr(int)
    created_at = wtypes.wsattr(Moment)
    updated_at = wtypes.wsattr(Moment)


class VipRootResponse(types.BaseType):
    """One external VIP."""

    vip = wtypes.wsattr(VipResponse)


class VipsRootResponse(types.BaseType):
    """External VIPs, and links to the pages before and after."""

    vips = wtypes.wsattr([VipResponse])
    vips_links = wtypes.wsattr([types.PageType])


def of_vip(record: VipRecord, announcing_count: int) -> VipResponse:
    """Make the response of an external VIP."""
    vip = record.vip
    return VipResponse(
        id=vip.id,
        distributor_id=record.distributor_id,
        vip_address=str(vip.vip_ip),
        next_hop=str(vip.nexthop_ip),
        peer_id=vip.peer_id,
        announcing_count=announcing_count,
        **_times(record),
    )


def of_distributor(record: DistributorRecord) -> DistributorResponse:
    """Make the response of a distributor."""
    distributor = record.distributor
    return DistributorResponse(
        enabled=distributor.is_enabled,
        speakers=[
            OwnSpeakerResponse(**_speaker_values(speaker))
            for speaker in distributor.speakers
        ],
        zones=[_of_zone(zone) for zone in distributor.zones],
        load_balancer_count=record.counts.load_balancers,
        amphora_count=record.counts.amphorae,
        vip_count=record.counts.vips,
        **_times(record),
        **_same_in(DistributorResponse, distributor),
    )


def of_peer(record: PeerRecord) -> PeerResponse:
    """Make the response of a peer."""
    peer = record.peer
    return PeerResponse(
        **_same_in(PeerResponse, peer)
        | {
            "peer_ip": str(peer.peer_ip),
            "bfd": peer.bfd and BfdResponse(**_same_in(BfdResponse, peer.bfd)),
            "communities": list(peer.communities),
        },
        speakers=[Reference(id=one) for one in record.speaker_ids],
        **_times(record),
    )


def of_speaker(record: SpeakerRecord) -> SpeakerResponse:
    """Make the response of a speaker."""
    return SpeakerResponse(
        distributor_id=record.distributor_id,
        **_speaker_values(record.speaker),
        **_times(record),
    )


def moment(value: datetime | None) -> datetime | None:
    """A time as Octavia shows it: UTC, whole seconds, no zone."""
    if value is None:
        return None
    return value.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def _of_zone(zone: Zone) -> ZoneResponse:
    return ZoneResponse(
        **_same_in(ZoneResponse, zone)
        | {"frontend_subnet_ids": list(zone.frontend_subnet_ids)}
    )


def _speaker_values(speaker: Speaker) -> dict[str, Any]:
    return _same_in(OwnSpeakerResponse, speaker) | {
        "peers": [Reference(id=peer.id) for peer in speaker.peers]
    }


def _times(record: Any) -> dict[str, datetime | None]:
    return {
        "created_at": moment(record.created_at),
        "updated_at": moment(record.updated_at),
    }


def _same_in(kind: Any, value: Any) -> dict[str, Any]:
    """The attributes that are fields of the same name in both.

    Lists of objects are not: they are made one by one.
    """
    return {
        attribute.name: getattr(value, attribute.name)
        for attribute in kind._wsme_attributes
        if attribute.name in type(value).__dataclass_fields__
        and attribute.name not in ("speakers", "zones")
    }
