# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The picture's third document: one cluster, with all that is known of it.

Sessions with their errors, paths with their reasons, the gate with its
evidence, pools and members. Addresses and ports of listeners and members are
their tenant's: they are in it if an option allows it.

Layer: controller. It decides nothing: phases are of ``planning``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from octavia_anycast.controller.picture.document import (
    BYTES_MAX,
    cut,
    encoded,
    milliseconds,
)
from octavia_anycast.controller.ports import ShownBalancers, World
from octavia_anycast.db.monitoring import pictured, totals
from octavia_anycast.db.monitoring.pictured import (
    PicturedCluster,
    PicturedPeer,
)
from octavia_anycast.model.monitoring.picture import (
    ShownBalancer,
    ShownContent,
    ShownListener,
    ShownMember,
    ShownPool,
)
from octavia_anycast.model.wire import GateReport, Report
from octavia_anycast.planning.amphora.recorded import (
    CountedAmphora,
    recorded_drain,
    recorded_phase,
)

NAME_BYTES = 1024
# How long a text may be: the first one with which the document fits.
TEXT_BYTES = (600, 120, 24)
SESSIONS_MAX = 32
PATHS_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the queries found; maps by amphora_id."""

    now: datetime
    fresh_since: datetime
    cluster: PicturedCluster
    shown: ShownBalancer | None
    content: ShownContent
    peers: tuple[PicturedPeer, ...]
    amphorae: tuple[CountedAmphora, ...]
    reports: Mapping[str, Report]
    hosts: Mapping[str, str]
    rates: Mapping[str, float]


class Detail:
    """Makes the document of one cluster.

    :param rates: amphora_id -> new connections a second
    """

    def __init__(
        self,
        world: World,
        shown: ShownBalancers,
        rates: Callable[[], Mapping[str, float]],
    ) -> None:
        self._world = world
        self._shown = shown
        self._rates = rates

    def make(self, owner_id: str) -> dict[str, Any] | None:
        """Read it; at most a dozen queries. None: there is none.

        :param owner_id: of a load balancer, or of a distributor with
            amphorae of its own
        :raises Retryable: a database does not answer.
        """
        found = self._read(owner_id)
        if found is None:
            return None
        made: dict[str, Any] = {}
        for text_bytes in TEXT_BYTES:
            made = self._document(found, text_bytes)
            if len(encoded(made)) <= BYTES_MAX:
                return made
        # Not even short texts fit: what is there most often goes.
        for part in ("paths", "sessions"):
            for amphora in made["amphorae"]:
                amphora[part] = []
            if len(encoded(made)) <= BYTES_MAX:
                break
        return made

    def _read(self, owner_id: str) -> Found | None:
        world = self._world
        now, stale = world.now(), world.settings.report_stale_after
        shown = self._shown.one(owner_id)
        content = self._shown.content(owner_id) if shown else ShownContent()
        rates = self._rates()
        with world.database.transaction() as session:
            clusters = pictured.clusters(session, owner_id)
            if not shown:
                clusters = pictured.distributors(session, owner_id)
            if not clusters:
                return None
            return Found(
                now=now,
                fresh_since=now - timedelta(seconds=stale),
                cluster=clusters[0],
                shown=shown,
                content=content,
                peers=tuple(pictured.peers(session)),
                amphorae=tuple(
                    totals.counted_amphorae(
                        session, owner_id, summaries=world.summaries
                    )
                ),
                reports=pictured.reports(session, owner_id),
                hosts=pictured.hosts(session, owner_id),
                rates=rates,
            )

    def _document(self, found: Found, text_bytes: int) -> dict[str, Any]:
        cluster, shown = found.cluster, found.shown
        texts = _Texts(text_bytes, self._world.settings.picture_tenant_details)
        amphorae = [self._amphora(x, found, texts) for x in found.amphorae]
        used = {s["peer"] for x in amphorae for s in x["sessions"]}
        used |= {p["peer"] for x in amphorae for p in x["paths"]}
        return {
            "at": milliseconds(found.now),
            "id": cluster.id,
            "is_distributor": cluster.is_distributor,
            "name": cut(shown.name if shown else cluster.name, NAME_BYTES),
            "project": cluster.project_id,
            "vips": list(shown.vips) if shown else [],
            "provisioning": (shown or cluster).provisioning_status,
            "operating": (shown or cluster).operating_status,
            "reason": texts.cut(cluster.reason),
            "desired": cluster.size_desired,
            "peers": [
                {
                    "id": peer.id,
                    "name": cut(peer.name, NAME_BYTES),
                    "address": str(peer.peer_ip),
                    "zone": peer.availability_zone or "",
                }
                for peer in found.peers
                if peer.id in used
            ],
            "amphorae": amphorae,
            **_content(found.content, texts),
        }

    def _amphora(
        self, row: CountedAmphora, found: Found, texts: "_Texts"
    ) -> dict[str, Any]:
        said = row.said_since(found.fresh_since)
        report = found.reports.get(row.amphora_id)
        rate = found.rates.get(row.amphora_id)
        return {
            "id": row.amphora_id,
            "zone": row.availability_zone or "",
            "host": texts.cut(found.hosts.get(row.amphora_id, "")),
            "phase": recorded_phase(
                row, self._world.settings.policy, found.now, said
            ),
            "spare": row.spare_since is not None,
            "drain": recorded_drain(row),
            "announcing": said is not None and said.is_announcing,
            "rate": None if rate is None else round(rate, 1),
            "connections": said.connections if said else None,
            "reported": _at(row.reported_at),
            "fresh": said is not None,
            "gate": _gate(report.gate, texts) if report and said else None,
            "sessions": _sessions(report, said is not None, texts),
            "paths": _paths(report, said is not None, texts),
        }


class _Texts:
    """Cuts texts, and leaves out what is a tenant's own."""

    def __init__(self, bytes_max: int, has_details: bool) -> None:
        self._bytes_max = bytes_max
        self._has_details = has_details

    def cut(self, text: str) -> str:
        """A text as long as it may be."""
        return cut(text, self._bytes_max)

    def details(self, **values: Any) -> dict[str, Any]:
        """Addresses and ports, if they may be shown."""
        return values if self._has_details else {}


def _at(at: datetime | None) -> int | None:
    return None if at is None else milliseconds(at)


def _gate(gate: GateReport, texts: _Texts) -> dict[str, Any]:
    return {
        "state": gate.state,
        "reason": texts.cut(gate.reason),
        "since": milliseconds(gate.since),
        "evidence": [
            {
                "probe": seen.probe,
                "verdict": seen.verdict,
                "value": texts.cut(seen.value),
            }
            for seen in gate.evidence
        ],
    }


def _sessions(
    report: Report | None, is_fresh: bool, texts: _Texts
) -> list[dict[str, Any]]:
    sessions = report.sessions if report else ()
    return [
        {
            "peer": session.peer_id,
            "state": session.state if is_fresh else "Unknown",
            "since": _at(session.since),
            "error": texts.cut(session.error),
        }
        for session in sessions[:SESSIONS_MAX]
    ]


def _paths(
    report: Report | None, is_fresh: bool, texts: _Texts
) -> list[dict[str, Any]]:
    paths = report.paths if report else ()
    return [
        {
            "vip": str(path.vip_ip),
            "peer": path.peer_id,
            "state": path.state if is_fresh else "unknown",
            "reason": texts.cut(path.reason),
        }
        for path in paths[:PATHS_MAX]
    ]


def _content(content: ShownContent, texts: _Texts) -> dict[str, Any]:
    return {
        "listeners": [_listener(x, texts) for x in content.listeners],
        "pools": [_pool(x, texts) for x in content.pools],
        "listener_count": content.listener_count,
        "pool_count": content.pool_count,
    }


def _object(
    thing: ShownListener | ShownPool | ShownMember, texts: _Texts
) -> dict[str, Any]:
    return {
        "id": thing.id,
        "name": texts.cut(thing.name),
        "operating": thing.operating_status,
        "enabled": thing.is_enabled,
    }


def _listener(listener: ShownListener, texts: _Texts) -> dict[str, Any]:
    return {
        **_object(listener, texts),
        "pools": list(listener.pool_ids),
        **texts.details(protocol=listener.protocol, port=listener.port),
    }


def _pool(pool: ShownPool, texts: _Texts) -> dict[str, Any]:
    return {
        **_object(pool, texts),
        "member_count": pool.member_count,
        "members": _members(pool.members, texts),
        **texts.details(protocol=pool.protocol),
    }


def _members(
    members: Iterable[ShownMember], texts: _Texts
) -> list[dict[str, Any]]:
    return [
        {
            **_object(member, texts),
            **texts.details(address=member.address, port=member.port),
        }
        for member in members
    ]
