# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Register what a distributor's own amphorae announce, and drain it.

The API and the distributor driver do this and nothing else, so that they
refuse the same. The session is given and the caller owns the transaction.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import (
    distributors,
    external_vips,
    lifecycle,
)
from octavia_anycast.db.distributor.external_vips import VipRecord
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.db.registration import (
    amphora_registrations,
    registered_paths,
)
from octavia_anycast.db.registration.amphora_registrations import (
    RegistrationRecord,
)
from octavia_anycast.model.bgp import IPAddress, Peer
from octavia_anycast.model.cluster import AmphoraStatus, DrainLimits
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import Conflict, InvalidRequest, NotFound
from octavia_anycast.model.registration import (
    AmphoraRegistration,
    ExternalVip,
)
from octavia_anycast.model.stored import unchecked
from octavia_anycast.planning.amphora.draining import wish

_PENDING_DELETE = "PENDING_DELETE"


class VipHolders(Protocol):
    """What Octavia's tables say of load balancers and their VIPs."""

    def status_of(self, load_balancer_id: str) -> str | None:
        """The provisioning status; None: there is no such load balancer."""

    def counts_of(self, load_balancer_ids: Iterable[str]) -> Mapping[str, int]:
        """load_balancer_id -> how many VIPs it has."""

    def holder_of(self, address: IPAddress) -> str | None:
        """The load balancer that has this VIP; None: nobody has it."""


def register_vip(
    session: Session,
    holders: VipHolders,
    distributor_id: str,
    vip: ExternalVip,
) -> VipRecord:
    """Have a distributor announce an external VIP.

    :raises NotFound: no such distributor.
    :raises InvalidRequest: the distributor has no such peer.
    :raises Conflict: a load balancer or a distributor has the VIP, nobody
        can announce it, or it is too much for a peer.
    """
    holder = holders.holder_of(vip.vip_ip)
    if holder is not None:
        raise Conflict(
            f"vip_address: {vip.vip_ip} is a VIP of load balancer {holder}."
        )
    made = external_vips.register(session, distributor_id, vip)
    _check_peers(session, holders, distributor_id, vip.peer_id)
    return made


def register_amphora(
    session: Session,
    holders: VipHolders,
    distributor_id: str,
    wanted: AmphoraRegistration,
) -> RegistrationRecord:
    """Have a distributor announce one amphora of a load balancer, or all.

    :raises NotFound: no such distributor, load balancer or amphora.
    :raises InvalidRequest: the amphora is another load balancer's, or the
        distributor has no such peer.
    :raises Conflict: the load balancer is another provider's or is being
        deleted, some of it is registered already, nobody can announce it,
        or it is too much for a peer.
    """
    if not distributors.exists(session, distributor_id):
        raise NotFound("Distributor", distributor_id)
    _check_load_balancer(session, holders, wanted.load_balancer_id)
    _check_amphora(session, wanted)
    made = amphora_registrations.register(session, distributor_id, wanted)
    registered_paths.check_driver(session, distributor_id)
    _check_peers(session, holders, distributor_id, wanted.peer_id)
    return made


def drain_amphora(
    session: Session,
    distributor_id: str,
    registration_id: str,
    limits: DrainLimits,
    now: datetime,
    timeout: float | None = None,
) -> RegistrationRecord:
    """Drain the paths of a registration; idempotent.

    :param timeout: seconds from when it was first asked for; None: as it
        was, or the limits' ``drain_timeout``
    :raises NotFound: no such distributor or registration.
    :raises Conflict: nobody else announces one of its VIPs.
    """
    lifecycle.locked(session, distributor_id)
    stored = amphora_registrations.get(
        session, distributor_id, registration_id
    ).registration
    if stored.drain_wanted_since is None:
        registered_paths.check_drain(
            session, distributor_id, stored, limits, now
        )
    return amphora_registrations.set_drain(
        session,
        distributor_id,
        registration_id,
        **wish(stored, timeout, limits, now),
    )


def _check_load_balancer(
    session: Session, holders: VipHolders, load_balancer_id: str
) -> None:
    """See that it is there to stay, and ours."""
    status = holders.status_of(load_balancer_id)
    if status is None:
        raise NotFound("Load Balancer", load_balancer_id)
    if clusters.get(session, load_balancer_id) is None:
        raise Conflict(
            f"load_balancer_id: load balancer {load_balancer_id} belongs to "
            "another provider than anycast: its amphorae cannot be "
            "registered."
        )
    if status == _PENDING_DELETE:
        raise Conflict(
            f"load_balancer_id: load balancer {load_balancer_id} is in "
            f"{status}: its amphorae cannot be registered."
        )


def _check_amphora(session: Session, wanted: AmphoraRegistration) -> None:
    if wanted.amphora_id is None:
        return
    record = amphorae.get(session, wanted.amphora_id)
    if record is None or record.status is AmphoraStatus.DELETED:
        raise NotFound("Amphora", wanted.amphora_id)
    if record.load_balancer_id != wanted.load_balancer_id:
        raise InvalidRequest(
            "amphora_id",
            f"amphora {record.id} is not one of load balancer "
            f"{wanted.load_balancer_id}",
        )


def _check_peers(
    session: Session,
    holders: VipHolders,
    distributor_id: str,
    peer_id: str | None,
) -> None:
    """See that there is a peer for it, and that none is told too much.

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
        session, holders, distributor_id
    )
    if held > min(limits):
        raise Conflict(
            f"A BGP peer of distributor {distributor_id} accepts "
            f"{min(limits)} prefixes (max_prefixes), and {held} paths might "
            "be announced to it: too many would end its sessions."
        )


def _paths(session: Session, holders: VipHolders, distributor_id: str) -> int:
    """How many paths of registered amphorae there may be at most."""
    registered = amphora_registrations.of_distributor(session, distributor_id)
    if not registered:
        return 0
    vips = holders.counts_of({one.load_balancer_id for one in registered})
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
