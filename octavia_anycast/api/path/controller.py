# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors/ID/paths``: what is announced right now.

From what the agents reported last, and how long ago that is.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from operator import attrgetter
from typing import Any

from octavia_anycast.api import listing, policies, resource
from octavia_anycast.api.fields import moment
from octavia_anycast.api.path.schema import PATH
from octavia_anycast.db.amphora import reports
from octavia_anycast.db.amphora.reports import StoredReport
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.engine import Database
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.model.bgp import Peer, Speaker
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import NotFound
from octavia_anycast.model.stored import unchecked
from octavia_anycast.model.wire import PathReport, SessionReport

_NAMESPACE = uuid.UUID("8c1b4f3e-8f2d-5e0a-9d53-6f1e52c3a7b4")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPath:
    """A path with all that is known of it; the fields are the response's."""

    id: str
    amphora_id: str
    load_balancer_id: str
    vip_address: str
    prefix: str
    next_hop: str
    speaker_id: str | None
    peer_id: str
    peer_name: str | None
    peer_ip: str | None
    session_state: str | None
    session_since: datetime | None
    state: str
    reason: str
    reported_at: datetime
    report_age: float


READERS = {name: attrgetter(name) for name in PATH.names}


class PathsController(resource.Collection):
    """The paths of one distributor."""

    RBAC_TYPE = policies.RBAC_DISTRIBUTOR

    def __init__(self, database: Database, distributor_id: str) -> None:
        super().__init__(database)
        self._distributor_id = distributor_id

    @resource.lists(PATH)
    def get_all(self, fields: Any = None) -> Any:
        """List them, by load balancer, VIP, amphora and peer."""
        self._authorize(policies.GET_PATHS)
        wanted = listing.requested()
        with self._transaction() as session:
            distributor = distributors.get(
                session, self._distributor_id, WithoutPasswords(), unchecked
            )
            if distributor is None:
                raise NotFound("Distributor", self._distributor_id)
            found = reports.list_for_distributor(session, distributor.id)
            page = listing.cut(
                paths_of(distributor, found, datetime.now(UTC)),
                wanted,
                READERS,
            )
        shown = [PATH.shown(path) for path in page]
        return self._list(PATH, shown, wanted, fields)


def paths_of(
    distributor: Distributor, stored: list[StoredReport], now: datetime
) -> list[ShownPath]:
    """All paths that are reported, in their usual order."""
    known = {
        peer.id: (speaker, peer)
        for speaker in distributor.speakers
        for peer in speaker.peers
    }
    paths = [path for one in stored for path in _paths(one, known, now)]
    return sorted(
        paths,
        key=lambda p: (
            p.load_balancer_id,
            p.vip_address,
            p.amphora_id,
            p.peer_id,
        ),
    )


def _paths(
    stored: StoredReport,
    known: dict[str, tuple[Speaker, Peer]],
    now: datetime,
) -> Iterator[ShownPath]:
    sessions = {s.peer_id: s for s in stored.report.sessions}
    for path in stored.report.paths:
        yield _path(
            stored,
            path,
            sessions.get(path.peer_id),
            known.get(path.peer_id),
            now,
        )


def _path(
    stored: StoredReport,
    path: PathReport,
    session: SessionReport | None,
    registered: tuple[Speaker, Peer] | None,
    now: datetime,
) -> ShownPath:
    key = f"{stored.amphora_id} {path.vip_ip} {path.peer_id}"
    speaker, peer = registered or (None, None)
    since = session.since if session else None
    return ShownPath(
        id=str(uuid.uuid5(_NAMESPACE, key)),
        amphora_id=stored.amphora_id,
        load_balancer_id=stored.load_balancer_id,
        vip_address=str(path.vip_ip),
        prefix=str(ip_network(path.vip_ip)),
        next_hop=str(path.nexthop_ip),
        speaker_id=speaker.id if speaker else None,
        peer_id=path.peer_id,
        peer_name=peer.name if peer else None,
        peer_ip=str(session.peer_ip) if session else None,
        session_state=session.state.value if session else None,
        session_since=moment(since) if since else None,
        state=path.state.value,
        reason=path.reason,
        reported_at=stored.reported_at,
        report_age=max(0.0, (now - stored.reported_at).total_seconds()),
    )
