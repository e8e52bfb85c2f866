# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Register what a distributor's own amphorae announce, and drain it.

The API and the distributor driver do this and nothing else, so that they
refuse the same. The session is given and the caller owns the transaction.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy.orm import Session

from octavia_anycast.db import dedicated
from octavia_anycast.db.amphora import amphorae, serving_amphorae
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import (
    distributors,
    external_vips,
    lifecycle,
)
from octavia_anycast.db.distributor.external_vips import VipRecord
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.db.registration import amphora_registrations
from octavia_anycast.db.registration.amphora_registrations import (
    RegistrationRecord,
)
from octavia_anycast.db.registration.registrations import AnnouncedVip
from octavia_anycast.model.bgp import IPAddress, SpeakerDriver
from octavia_anycast.model.cluster import AmphoraStatus, DrainLimits
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import Conflict, InvalidRequest, NotFound
from octavia_anycast.model.registration import (
    AmphoraRegistration,
    ExternalVip,
    RegisteredPath,
    ShownRegisteredPath,
)
from octavia_anycast.model.stored import unchecked
from octavia_anycast.model.wire import Intent, PathState, Report
from octavia_anycast.planning.amphora.draining import wish
from octavia_anycast.planning.dedicated import has_sent_all
from octavia_anycast.planning.registration import (
    only_announcer_of,
    paths_of,
    peers_of,
)

_PENDING_DELETE = "PENDING_DELETE"
_STATES = {
    Intent.ADVERTISE: PathState.ADVERTISED,
    Intent.DRAIN: PathState.DRAINING,
    Intent.WITHDRAW: PathState.ADVERTISED,  # and about to be withdrawn
}


class VipHolders(Protocol):
    """What Octavia's tables say of load balancers and their VIPs."""

    def status_of(self, load_balancer_id: str) -> str | None:
        """The provisioning status; None: there is no such load balancer."""

    def counts_of(self, load_balancer_ids: Iterable[str]) -> Mapping[str, int]:
        """load_balancer_id -> how many VIPs it has; two queries."""

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
    check_driver(session, distributor_id)
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
        was, or five
    :raises NotFound: no such distributor or registration.
    :raises Conflict: nobody else announces one of its VIPs.
    """
    lifecycle.locked(session, distributor_id)
    stored = amphora_registrations.get(
        session, distributor_id, registration_id
    ).registration
    if stored.drain_wanted_since is None:
        _check_drain(session, distributor_id, stored, limits, now)
    return amphora_registrations.set_drain(
        session,
        distributor_id,
        registration_id,
        **wish(stored, timeout, limits, now),
    )


def _distributor(session: Session, distributor_id: str) -> Distributor:
    """Read a distributor as it is stored, without passwords.

    :raises NotFound: if there is no such distributor.
    """
    found = distributors.get(
        session, distributor_id, WithoutPasswords(), unchecked
    )
    if found is None:
        raise NotFound("Distributor", distributor_id)
    return found


def _check_load_balancer(
    session: Session, holders: VipHolders, load_balancer_id: str
) -> None:
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
    """Check that the peer exists, and that none is told too much.

    :param peer_id: of what was just registered; None: it is for all peers
    :raises InvalidRequest: the distributor has no such peer.
    :raises Conflict: one would be told more than its max_prefixes.
    """
    distributor = _distributor(session, distributor_id)
    peers = {peer.id: peer for s in distributor.speakers for peer in s.peers}
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


class PathsOfDistributor:
    """The paths of one distributor's registrations, as of now."""

    def __init__(
        self,
        session: Session,
        distributor_id: str,
        limits: DrainLimits,
        now: datetime,
    ) -> None:
        self._distributor = _distributor(session, distributor_id)
        self._limits, self._now = limits, now
        self._serving = serving_amphorae.registered(session, now)
        self._announced = dedicated.announced_paths(session, distributor_id)
        self._reports = {
            report.amphora_id: report
            for report in dedicated.reports_of(session, distributor_id)
        }

    def of(
        self, registration: AmphoraRegistration
    ) -> tuple[ShownRegisteredPath, ...]:
        """The paths of one registration."""
        amphorae = self._serving.by_load_balancer.get(
            registration.load_balancer_id, ()
        )
        paths = paths_of(
            registration, amphorae, self._now, self._limits.silent_after
        )
        return tuple(self._shown(path) for path in paths)

    def announced_vips(
        self, registration: AmphoraRegistration
    ) -> set[IPAddress]:
        """The VIPs that some path of it announces now."""
        return {
            shown.path.vip_ip
            for shown in self.of(registration)
            if shown.announcing_count
        }

    def _shown(self, path: RegisteredPath) -> ShownRegisteredPath:
        count = self._count(path)
        if path.intent is not Intent.WITHDRAW and (
            peers_of(path, self._distributor) == ()
        ):
            path = replace(
                path,
                intent=Intent.WITHDRAW,
                reason="the distributor has no BGP peer for its zone and host",
            )
        state = _STATES[path.intent]
        if not count:
            is_wanted = path.intent is not Intent.WITHDRAW
            state = PathState.PENDING if is_wanted else PathState.WITHDRAWN
        return ShownRegisteredPath(
            path=path, state=state, announcing_count=count
        )

    def _count(self, path: RegisteredPath) -> int:
        """How many have confirmed it, and have sent all that they have."""
        return sum(
            1
            for amphora_id, rows in self._announced.items()
            if _announces(path, rows, self._reports.get(amphora_id))
        )


def check_driver(session: Session, distributor_id: str) -> None:
    """Check that its speakers can announce what is registered with it.

    :raises Conflict: if they announce one next hop of a VIP only.
    """
    if not amphora_registrations.count(session, distributor_id):
        return
    found = _distributor(session, distributor_id)
    if found.speakers and found.driver is not SpeakerDriver.BIRD:
        raise Conflict(
            f"Speakers of the driver {found.driver} announce one next hop of "
            f"a VIP only: distributor {distributor_id} needs the driver bird "
            "as long as amphorae of load balancers are registered with it."
        )


def _check_drain(
    session: Session,
    distributor_id: str,
    registration: AmphoraRegistration,
    limits: DrainLimits,
    now: datetime,
) -> None:
    """Check that its VIPs stay announced without it (invariant 1).

    :raises Conflict: if nobody else announces one of its VIPs.
    """
    mine = PathsOfDistributor(session, distributor_id, limits, now)
    announced = mine.announced_vips(registration)
    if not announced:
        return
    elsewhere = _by_themselves(
        session, registration.load_balancer_id, limits, now
    )
    beside = amphora_registrations.of_load_balancer(
        session, registration.load_balancer_id
    )
    for other_id, some in beside.items():
        view = (
            mine
            if other_id == distributor_id
            else PathsOfDistributor(session, other_id, limits, now)
        )
        for other in some:
            is_other = other.id != registration.id
            if is_other and other.drain_wanted_since is None:
                elsewhere |= view.announced_vips(other)
    alone = only_announcer_of(announced, elsewhere)
    if alone:
        raise Conflict(
            f"Registration {registration.id} cannot be drained: it is the "
            f"last one that announces {alone[0]}."
        )


def _by_themselves(
    session: Session, load_balancer_id: str, limits: DrainLimits, now: datetime
) -> set[IPAddress]:
    """The VIPs that amphorae of a load balancer announce themselves."""
    fresh_since = now - timedelta(seconds=limits.stale_after)
    serving = serving_amphorae.registered(
        session, now, load_balancer_id=load_balancer_id
    )
    return {
        vip
        for moment, report in serving.reports.values()
        if report is not None and moment >= fresh_since
        for vip in report.announced()
    }


def _announces(
    path: RegisteredPath, rows: Iterable[AnnouncedVip], report: Report | None
) -> bool:
    if report is None:
        return False
    return any(
        has_sent_all(report, row.peer_id)
        for row in rows
        if (row.load_balancer_id, row.vip_ip, row.nexthop_ip)
        == (path.load_balancer_id, path.vip_ip, path.nexthop_ip)
        and path.peer_id in (None, row.peer_id)
    )
