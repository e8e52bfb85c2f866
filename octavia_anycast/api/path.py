# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors/ID/paths``: what is announced right now.

From what the agents reported last, and how long ago that is.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from octavia_anycast.api.declaration import calls, listing, resource
from octavia_anycast.api.declaration.calls import ours
from octavia_anycast.api.declaration.fields import (
    ADDRESS,
    ID,
    MOMENT,
    NUMBER,
    STORED_ADDRESS,
    TEXT,
    UUID,
    Resource,
    moment,
    one_of,
)
from octavia_anycast.db.amphora import reports
from octavia_anycast.db.amphora.reports import StoredReport
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.model.bgp import Peer, SessionState, Speaker
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import NotFound
from octavia_anycast.model.stored import unchecked
from octavia_anycast.model.wire import PathReport, PathState, SessionReport

_FIELDS = {
    "id": ID,
    "amphora_id": UUID("The amphora that announces it."),
    "load_balancer_id": UUID("The load balancer that it serves."),
    "vip_address": ADDRESS("The VIP."),
    "prefix": TEXT("The VIP as a host route."),
    "next_hop": ADDRESS(
        "The front-end address of the amphora; for an external VIP, its "
        "endpoint."
    ),
    "speaker_id": UUID.or_null(
        "The BGP speaker; null if the peer is no longer registered."
    ),
    "peer_id": TEXT("The BGP peer to which it is announced."),
    "peer_name": TEXT.or_null(
        "The peer's name; null if the peer is no longer registered."
    ),
    "peer_ip": STORED_ADDRESS.or_null("The peer's address."),
    "session_state": one_of(*SessionState).or_null(
        "The state of the session (RFC 4271); null: unknown."
    ),
    "session_since": MOMENT.or_null(
        "When the session entered its state (UTC); null if unknown."
    ),
    "state": one_of(*PathState)(
        "advertised; draining: with GRACEFUL_SHUTDOWN (RFC 8326); "
        "pending: to be advertised, but the session is down; withdrawn."
    ),
    "reason": TEXT("Why it is not advertised, if it is not."),
    "reported_at": MOMENT("When the amphora's agent reported it (UTC)."),
    "report_age": NUMBER("The age of that report, in seconds."),
}
PATH = Resource(
    name="Path",
    title="path",
    root="path",
    plural="paths",
    filters=_FIELDS,
    fields=_FIELDS,
)
SCHEMAS = {"Path": PATH.answer()}
CALLS = {
    "get_all": calls.on(
        PATH,
        "get_all",
        "/v2/lbaas/distributors/{distributor_id}/paths",
        "list",
        ours("distributor:get_paths", calls.OPERATORS),
        (400, 404),
    )
}


_NAMESPACE = uuid.UUID("8c1b4f3e-8f2d-5e0a-9d53-6f1e52c3a7b4")
_READERS = {name: attrgetter(name) for name in PATH.names}
_ORDER = attrgetter("load_balancer_id", "vip_address", "amphora_id", "peer_id")


class PathsController(resource.Collection):
    """The paths of one distributor."""

    OF = PATH
    CALLS = CALLS

    def _page(self, session: Any, wanted: Any) -> Sequence[Any]:
        distributor = distributors.get(
            session, self._id, WithoutPasswords(), unchecked
        )
        if distributor is None:
            raise NotFound("Distributor", self._id)
        found = reports.list_for_distributor(session, self._id)
        paths = paths_of(distributor, found, datetime.now(UTC))
        return listing.cut(paths, wanted, _READERS)


def paths_of(
    distributor: Distributor, stored: list[StoredReport], now: datetime
) -> list[SimpleNamespace]:
    """All reported paths with the attributes of PATH, in their usual order."""
    known = {
        peer.id: (speaker, peer)
        for speaker in distributor.speakers
        for peer in speaker.peers
    }
    paths = []
    for one in stored:
        sessions = {s.peer_id: s for s in one.report.sessions}
        paths += [
            _path(one, path, sessions.get(path.peer_id), known, now)
            for path in one.report.paths
        ]
    return sorted(paths, key=_ORDER)


def _path(
    stored: StoredReport,
    path: PathReport,
    session: SessionReport | None,
    known: Mapping[str, tuple[Speaker, Peer]],
    now: datetime,
) -> SimpleNamespace:
    key = f"{stored.amphora_id} {path.vip_ip} {path.peer_id}"
    speaker, peer = known.get(path.peer_id, (None, None))
    since = session.since if session else None
    return SimpleNamespace(
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
