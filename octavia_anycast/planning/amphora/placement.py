# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Placement: in which zone the next amphora boots, which one leaves first.

Layer: planning. Pure.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from octavia_anycast.model.cluster import DesiredCluster
from octavia_anycast.model.distributor import Distributor, Zone
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Group,
    is_outdated,
)
from octavia_anycast.planning.amphora.backoff import streak

FULL_AFTER = 3  # so many failures of a zone, and another one is tried


class Pinned(Protocol):
    """A cluster, as far as it says where its amphorae may be."""

    @property
    def distributor(self) -> Distributor:
        """Its distributor."""

    @property
    def frontend_network_id(self) -> str | None:
        """The front-end network that it is pinned to."""

    @property
    def frontend_subnet_id(self) -> str | None:
        """The front-end subnet that it is pinned to."""


def candidate_zones(desired: Pinned) -> tuple[Zone, ...]:
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


def place(group: Group, zones: Sequence[Zone], count: int) -> tuple[Zone, ...]:
    """Choose the zones of ``count`` new amphorae: those with the fewest first.

    Amphorae about to be replaced do not count: what matters is how they
    stand when these are gone. A zone that is full is passed over, unless all
    are, and so is one that is drained.
    """
    avoided, full = group.desired.avoided_zones, _full(group)
    zones = [z for z in zones if z.availability_zone not in avoided] or zones
    zones = [z for z in zones if z.availability_zone not in full] or zones
    held = Counter(
        member.amphora.record.availability_zone
        for member in group.live
        if not is_outdated(group.desired, member.amphora)
    )
    chosen = []
    for _ in range(count):
        zone = min(zones, key=lambda z: held[z.availability_zone])
        held[zone.availability_zone] += 1
        chosen.append(zone)
    return tuple(chosen)


def _full(group: Group) -> frozenset[str | None]:
    """The zones in which the last boots failed before a server ran.

    Until an amphora comes up, wherever: the next one is tried there first.
    """
    failed = Counter(
        failure.availability_zone
        for failure in streak(group)
        if not failure.has_run
    )
    return frozenset(z for z, count in failed.items() if count >= FULL_AFTER)


def leaving_order(group: Group) -> tuple[Assessment, ...]:
    """Order the live amphorae by how little each would be missed.

    One that somebody took out of service comes before one that does not
    announce just now: it would not announce again by itself.
    """
    paths = group.all_paths()
    crowd = Counter(m.amphora.record.availability_zone for m in group.live)

    def merit(member: Assessment) -> tuple[bool, bool, bool, bool, int, str]:
        record = member.amphora.record
        return (
            not is_outdated(group.desired, member.amphora),
            record.drained_at is None,
            bool(paths) and paths <= group.announced(member.amphora),
            group.is_ready(member.amphora),
            -crowd[record.availability_zone],
            member.id,
        )

    return tuple(sorted(group.live, key=merit))
