# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Placement: in which zone the next amphora boots, which one leaves first.

Layer: planning. Pure.
"""

from collections import Counter
from dataclasses import replace

from octavia_anycast.model.cluster import DesiredCluster
from octavia_anycast.model.distributor import Zone
from octavia_anycast.planning.amphora.life import spread
from octavia_anycast.planning.cluster.assessment import (
    Assessment,
    Cluster,
    is_announcing,
    is_outdated,
    is_ready,
)


def candidate_zones(desired: DesiredCluster) -> tuple[Zone, ...]:
    """The zones that this cluster may use.

    A front-end subnet or network pinned on the load balancer leaves the
    zones that have it, with nothing but it; pinned to one that no zone names,
    it is the anonymous zone's.
    """
    zones = desired.distributor.effective_zones()
    subnet_id = desired.frontend_subnet_id
    network_id = desired.frontend_network_id
    if subnet_id is not None:
        pinned = tuple(
            replace(zone, frontend_subnet_ids=(subnet_id,))
            for zone in zones
            if subnet_id in zone.frontend_subnet_ids
        )
        return pinned or (
            Zone(
                frontend_network_id=network_id,
                frontend_subnet_ids=(subnet_id,),
            ),
        )
    if network_id is not None:
        pinned = tuple(z for z in zones if z.frontend_network_id == network_id)
        return pinned or (Zone(frontend_network_id=network_id),)
    return zones


def frontend_networks(desired: DesiredCluster) -> frozenset[str]:
    """The networks that amphorae of this cluster have as front ends."""
    own = desired.vips[0].network_id if desired.vips else None
    networks = {
        zone.frontend_network_id or own for zone in candidate_zones(desired)
    }
    return frozenset(network for network in networks if network is not None)


def place(cluster: Cluster, count: int) -> tuple[Zone, ...]:
    """Choose the zones of ``count`` new amphorae, evenly.

    Amphorae about to be replaced do not count: what matters is how the
    cluster stands when they are gone.
    """
    staying = [
        m for m in cluster.live if not is_outdated(cluster.desired, m.amphora)
    ]
    return spread(candidate_zones(cluster.desired), staying, count)


def leaving_order(cluster: Cluster) -> tuple[Assessment, ...]:
    """Order the live amphorae by how little each would be missed.

    One that somebody took out of service comes before one that does not
    announce just now: it would not announce again by itself.
    """
    crowd = Counter(m.amphora.record.availability_zone for m in cluster.live)

    def merit(member: Assessment) -> tuple[bool, bool, bool, bool, int, str]:
        record = member.amphora.record
        return (
            not is_outdated(cluster.desired, member.amphora),
            record.drained_at is None,
            is_announcing(cluster.desired, member.amphora),
            is_ready(cluster.desired, member.amphora),
            -crowd[record.availability_zone],
            member.id,
        )

    return tuple(sorted(cluster.live, key=merit))
