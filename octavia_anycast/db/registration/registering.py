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
from octavia_anycast.db.registration import (
    amphora_registrations,
    prefix_limits,
    registered_paths,
)
from octavia_anycast.db.registration.amphora_registrations import (
    RegistrationRecord,
)
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraStatus, DrainLimits
from octavia_anycast.model.errors import Conflict, InvalidRequest, NotFound
from octavia_anycast.model.registration import (
    AmphoraRegistration,
    ExternalVip,
)
from octavia_anycast.planning.amphora.drain_check import wish

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
    prefix_limits.check_peers(session, holders, distributor_id, vip.peer_id)
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
    prefix_limits.check_peers(session, holders, distributor_id, wanted.peer_id)
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
