# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The desired state of one amphora's agent.

Layer: planning. Pure: from the cluster and the amphora's record to the
document of the agent contract.
"""

import hashlib
from ipaddress import IPv4Address

from octavia_anycast.model.bgp import Speaker
from octavia_anycast.model.cluster import AmphoraRecord, DesiredCluster
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.wire import (
    DesiredState,
    Intent,
    ListenerSocket,
    VipState,
)


def router_id(amphora_id: str) -> str:
    """Choose the BGP Identifier (RFC 4271, section 4.2), for good.

    Four octets of the amphora id's hash, the first one in 1..223. It is not
    the management address: that one is unknown when the first state is
    written, and a changed identifier resets every session. RFC 6286 asks for
    uniqueness within the AS only, and no session runs between amphorae.
    """
    octets = hashlib.sha256(amphora_id.encode()).digest()[:4]
    return str(IPv4Address(bytes([octets[0] % 223 + 1]) + octets[1:]))


def speakers_for(
    distributor: Distributor, zone: str | None, host: str | None
) -> tuple[Speaker, ...]:
    """The speakers with only the peers that select this place."""
    return tuple(
        Speaker(
            id=speaker.id,
            ip_version=speaker.ip_version,
            local_as=speaker.local_as,
            driver=speaker.driver,
            peers=tuple(p for p in speaker.peers if p.selects(zone, host)),
        )
        for speaker in distributor.speakers
    )


def agent_state(
    desired: DesiredCluster,
    record: AmphoraRecord,
    *,
    intent: Intent,
    revision: str,
    listeners: tuple[ListenerSocket, ...],
) -> DesiredState:
    """Compose the whole desired state of one amphora.

    A VIP whose family the front end lacks has no next hop and is left out:
    an announcement without a data path is worse than none.
    """
    speakers = speakers_for(
        desired.distributor, record.availability_zone, record.compute_host
    )
    return DesiredState(
        amphora_id=record.id,
        revision=revision,
        router_id=router_id(record.id),
        driver=desired.distributor.driver,
        speakers=speakers,
        vips=_vips(desired, record, intent),
        frontend=record.frontend,
        load_balancer_id=desired.load_balancer_id,
        listeners=listeners,
        gate=desired.policy.gate,
    )


def _vips(
    desired: DesiredCluster, record: AmphoraRecord, intent: Intent
) -> tuple[VipState, ...]:
    if record.frontend is None:
        return ()
    next_hops = {
        address.ip_address.version: address.ip_address
        for address in reversed(record.frontend.addresses)
    }
    return tuple(
        VipState(
            vip_ip=vip.ip_address,
            nexthop_ip=next_hops[vip.ip_address.version],
            load_balancer_id=desired.load_balancer_id,
            intent=intent,
        )
        for vip in desired.vips
        if vip.ip_address.version in next_hops
    )
