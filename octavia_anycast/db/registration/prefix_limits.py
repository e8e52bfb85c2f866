# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whether a distributor's peers take what its own amphorae are to announce.

The session is given and the caller owns the transaction.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from sqlalchemy.orm import Session

from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import distributors, external_vips
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.db.registration import amphora_registrations
from octavia_anycast.model.bgp import Peer
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import Conflict, InvalidRequest
from octavia_anycast.model.registration import AmphoraRegistration
from octavia_anycast.model.stored import unchecked


class VipCounts(Protocol):
    """How many VIPs load balancers have."""

    def counts_of(self, load_balancer_ids: Iterable[str]) -> Mapping[str, int]:
        """load_balancer_id -> how many VIPs it has."""


def check_peers(
    session: Session,
    counts: VipCounts,
    distributor_id: str,
    peer_id: str | None,
) -> None:
    """See that there is a peer for it, and that none is told too much.

    :param counts: Octavia's tables
    :param peer_id: of what was registered just now; None: it is for all
    :raises InvalidRequest: the distributor has no such peer.
    :raises Conflict: one would be told more than its max_prefixes.
    """
    distributor = distributors.get(
        session, distributor_id, WithoutPasswords(), unchecked
    )
    assert distributor is not None
    peers = _peers_of(distributor)
    if peer_id is not None and peer_id not in peers:
        raise InvalidRequest(
            "peer_id", f"the distributor has no BGP peer {peer_id}"
        )
    limits = [
        peer.max_prefixes
        for peer in peers.values()
        if peer.max_prefixes is not None and peer_id in (None, peer.id)
    ]
    if not limits:
        return
    held = external_vips.count(session, distributor_id) + _paths(
        session, counts, distributor_id
    )
    if held > min(limits):
        raise Conflict(
            f"A BGP peer of distributor {distributor_id} accepts "
            f"{min(limits)} prefixes (max_prefixes), and {held} paths might "
            "be announced to it: too many would end its sessions."
        )


def _paths(session: Session, counts: VipCounts, distributor_id: str) -> int:
    """How many paths of registered amphorae there may be at most."""
    registered = amphora_registrations.of_distributor(session, distributor_id)
    if not registered:
        return 0
    vips = counts.counts_of({one.load_balancer_id for one in registered})
    return sum(
        vips.get(one.load_balancer_id, 1) * _amphorae_of(session, one)
        for one in registered
    )


def _amphorae_of(session: Session, registration: AmphoraRegistration) -> int:
    """One that is named; else the largest size, and one that replaces."""
    if registration.amphora_id is not None:
        return 1
    cluster = clusters.get(session, registration.load_balancer_id)
    return cluster.size.maximum + 1 if cluster else 1


def _peers_of(distributor: Distributor) -> dict[str, Peer]:
    return {
        peer.id: peer
        for speaker in distributor.speakers
        for peer in speaker.peers
    }
