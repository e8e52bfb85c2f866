# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What became of registrations of amphorae: their paths, counted.

The session is given and the caller owns the transaction.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from octavia_anycast.db import dedicated
from octavia_anycast.db.amphora import serving_amphorae
from octavia_anycast.db.amphora.serving_amphorae import Serving
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.db.registration import amphora_registrations
from octavia_anycast.db.registration.registrations import AnnouncedVip
from octavia_anycast.model.bgp import IPAddress, SpeakerDriver
from octavia_anycast.model.cluster import DrainLimits
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.model.registration import (
    AmphoraRegistration,
    RegisteredPath,
    ShownRegisteredPath,
)
from octavia_anycast.model.stored import unchecked
from octavia_anycast.model.wire import Intent, PathState, Report
from octavia_anycast.planning.dedicated import has_sent_all
from octavia_anycast.planning.registration import (
    only_announcer_of,
    paths_of,
    peers_of,
)

_STATES = {
    Intent.ADVERTISE: PathState.ADVERTISED,
    Intent.DRAIN: PathState.DRAINING,
    Intent.WITHDRAW: PathState.ADVERTISED,  # and about to be withdrawn
}


class PathsOfDistributor:
    """The paths of one distributor's registrations, as of now."""

    def __init__(
        self,
        session: Any,
        distributor_id: str,
        limits: DrainLimits,
        now: datetime,
    ) -> None:
        found = distributors.get(
            session, distributor_id, WithoutPasswords(), unchecked
        )
        if found is None:
            raise NotFound("Distributor", distributor_id)
        self._distributor: Distributor = found
        self._limits, self._now = limits, now
        self._serving: Serving = serving_amphorae.registered(session, now)
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


def check_driver(session: Any, distributor_id: str) -> None:
    """See that its speakers can announce what is registered with it.

    :raises Conflict: if they announce one next hop of a VIP only.
    """
    if not amphora_registrations.count(session, distributor_id):
        return
    found = distributors.get(
        session, distributor_id, WithoutPasswords(), unchecked
    )
    if found is None or not found.speakers:
        return
    if found.driver is not SpeakerDriver.BIRD:
        raise Conflict(
            f"Speakers of the driver {found.driver} announce one next hop of "
            f"a VIP only: amphorae of load balancers are registered with "
            f"distributor {distributor_id} only as long as its driver is "
            "bird."
        )


def check_drain(
    session: Any,
    distributor_id: str,
    registration: AmphoraRegistration,
    limits: DrainLimits,
    now: datetime,
) -> None:
    """See that somebody goes on announcing what it does (invariant 1).

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
    session: Any,
    load_balancer_id: str,
    limits: DrainLimits,
    now: datetime,
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
