# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The picture's first document: every cluster, in few octets.

Read with a constant number of queries. Rows are lists, and what repeats is an
index into a list of words, so that a thousand clusters of four fit. Those in
trouble come first; what does not fit is counted.

Layer: controller. It decides nothing: phases are of ``planning``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from octavia_anycast.controller.picture.document import (
    BYTES_MAX,
    cut,
    encoded,
    first_that_fit,
    milliseconds,
)
from octavia_anycast.controller.picture.rates import ConnectionRates
from octavia_anycast.controller.ports import ShownBalancers, World
from octavia_anycast.db.monitoring import pictured, totals
from octavia_anycast.db.monitoring.pictured import (
    PicturedCluster,
    PicturedPeer,
)
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import DrainState
from octavia_anycast.model.monitoring.picture import ShownBalancer
from octavia_anycast.model.wire import GateState
from octavia_anycast.planning.amphora.assessment import Phase
from octavia_anycast.planning.amphora.recorded import (
    CountedAmphora,
    recorded_drain,
    recorded_phase,
)

# Names of all clusters together may take so many octets.
NAMES_BYTES = 60_000
NAME_BYTES = (24, 1024)
PEERS_MAX = 200
PEER_NAME_BYTES = 60
ZONE_NAME_BYTES = 60
ZONES_MAX = 200
PROJECTS_MAX = 1_500
VIPS_MAX = 4
ANNOUNCING, SPARE, DRAINING, REPORTED = 1, 2, 4, 8
WORDS: Mapping[str, tuple[str, ...]] = {
    "phases": tuple(Phase),
    "gates": tuple(GateState),
    "sessions": tuple(SessionState),
}
# Those in trouble first.
_ORDER = ("ERROR", "DEGRADED", "OFFLINE", "DRAINING", "NO_MONITOR", "ONLINE")


class Index:
    """Gives each text its place in a list; -1 beyond its limit."""

    def __init__(self, limit: int = 3_000) -> None:
        self._limit = limit
        self._places: dict[str, int] = {}

    def __getitem__(self, text: str) -> int:
        if len(self) >= self._limit:
            return self._places.get(text, -1)
        return self._places.setdefault(text, len(self))

    def __len__(self) -> int:
        return len(self._places)

    def texts(self) -> list[str]:
        """The list."""
        return list(self._places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the queries found.

    ``owners``: amphora_id -> distributor_id, of distributors' own;
    ``rates``: amphora_id -> new connections a second.
    """

    now: datetime
    fresh_since: datetime
    shown: Mapping[str, ShownBalancer]
    clusters: tuple[PicturedCluster, ...]
    peers: tuple[PicturedPeer, ...]
    amphorae: tuple[CountedAmphora, ...]
    owners: Mapping[str, str]
    rates: Mapping[str, float]


class Overview:
    """Makes the document of the whole deployment."""

    def __init__(self, world: World, shown: ShownBalancers) -> None:
        self._world = world
        self._shown = shown
        self._rates = ConnectionRates()

    def make(self) -> dict[str, Any]:
        """Read everything; eight queries, or nine.

        :raises Retryable: a database does not answer.
        """
        return self.document(self._read())

    def rates(self) -> dict[str, float]:
        """amphora_id -> new connections a second; one query."""
        with self._world.database.transaction() as session:
            counted = pictured.connections(session)
        return self._rates.look(counted, self._world.now())

    def _read(self) -> Found:
        world = self._world
        now, stale = world.now(), world.settings.report_stale_after
        shown = self._shown.all()
        with world.database.transaction() as session:
            return Found(
                now=now,
                fresh_since=now - timedelta(seconds=stale),
                shown={x.id: x for x in shown},
                clusters=(
                    *pictured.clusters(session),
                    *pictured.distributors(session),
                ),
                peers=tuple(pictured.peers(session)),
                amphorae=tuple(
                    totals.counted_amphorae(session, summaries=world.summaries)
                ),
                owners=pictured.dedicated(session),
                rates=self._rates.look(pictured.connections(session), now),
            )

    def document(self, found: Found) -> dict[str, Any]:
        """Make the document; it has :data:`BYTES_MAX` octets at most."""
        zones, projects = Index(ZONES_MAX), Index(PROJECTS_MAX)
        peers = found.peers[:PEERS_MAX]
        rows = _Rows(self._world, found, zones, projects)
        made = [rows.of(cluster) for cluster in _in_order(found)]
        head: dict[str, Any] = {
            "at": milliseconds(found.now),
            "words": WORDS,
            "zones": [cut(zone, ZONE_NAME_BYTES) for zone in zones.texts()],
            "projects": projects.texts(),
            "peers": [_peer(peer) for peer in peers],
            "peers_left_out": len(found.peers) - len(peers),
            "totals": {
                "clusters": len(found.clusters),
                "amphorae": len(found.amphorae),
            },
            "left_out": len(made),
        }
        left = BYTES_MAX - len(encoded(head)) - 32
        clusters = first_that_fit(made, left)
        return head | {
            "left_out": len(made) - len(clusters),
            "clusters": clusters,
        }


def _in_order(found: Found) -> list[PicturedCluster]:
    """The clusters: those in trouble first, then by name."""

    def rank(cluster: PicturedCluster) -> tuple[int, str, str]:
        status = _operating(found, cluster)
        place = _ORDER.index(status) if status in _ORDER else 0
        return place, _name(found, cluster), cluster.id

    return sorted(found.clusters, key=rank)


def _name(found: Found, cluster: PicturedCluster) -> str:
    shown = found.shown.get(cluster.id)
    return shown.name if shown else cluster.name


def _operating(found: Found, cluster: PicturedCluster) -> str:
    shown = found.shown.get(cluster.id)
    return shown.operating_status if shown else cluster.operating_status


def _peer(peer: PicturedPeer) -> list[str]:
    """Id, name, address, zone."""
    return [
        peer.id,
        cut(peer.name, PEER_NAME_BYTES),
        str(peer.peer_ip),
        cut(peer.availability_zone or "", ZONE_NAME_BYTES),
    ]


class _Rows:
    """Makes the rows of clusters and of their amphorae."""

    def __init__(
        self, world: World, found: Found, zones: Index, projects: Index
    ) -> None:
        self._policy = world.settings.policy
        self._found = found
        self._zones = zones
        self._projects = projects
        self._peers = {
            peer.id: place
            for place, peer in enumerate(found.peers[:PEERS_MAX])
        }
        low, high = NAME_BYTES
        each = NAMES_BYTES // max(1, len(found.clusters))
        self._name_bytes = min(high, max(low, each))
        self._amphorae: dict[str, list[CountedAmphora]] = {}
        for amphora in found.amphorae:
            owner = amphora.load_balancer_id or found.owners.get(
                amphora.amphora_id, ""
            )
            self._amphorae.setdefault(owner, []).append(amphora)

    def of(self, cluster: PicturedCluster) -> list[Any]:
        """Id, name, project, VIPs, statuses, desired size, amphorae."""
        shown = self._found.shown.get(cluster.id)
        is_balancers = not cluster.is_distributor
        return [
            cluster.id,
            cut(_name(self._found, cluster), self._name_bytes),
            self._projects[cluster.project_id] if is_balancers else None,
            list(shown.vips[:VIPS_MAX]) if shown else [],
            shown.provisioning_status if shown else "",
            _operating(self._found, cluster),
            cluster.size_desired,
            [self._amphora(x) for x in self._amphorae.get(cluster.id, ())],
        ]

    def _amphora(self, row: CountedAmphora) -> list[Any]:
        """Short id, zone, phase, gate, marks, connections, sessions."""
        found, last = self._found, row.said
        said = row.said_since(found.fresh_since)
        phase = recorded_phase(row, self._policy, found.now, said)
        gate = WORDS["gates"].index(said.gate) if said else -1
        rate = found.rates.get(row.amphora_id)
        marks = (
            ANNOUNCING * (said is not None and said.is_announcing)
            | SPARE * (row.spare_since is not None)
            | DRAINING * (recorded_drain(row) is not DrainState.NONE)
            | REPORTED * (said is not None)
        )
        return [
            short(row.amphora_id),
            self._zones[row.availability_zone or ""],
            WORDS["phases"].index(phase),
            gate,
            marks,
            -1 if rate is None else round(rate, 1),
            self._sessions(last.sessions if last else (), said is not None),
        ]

    def _sessions(
        self, sessions: Iterable[tuple[str, str]], is_fresh: bool
    ) -> list[int]:
        """Peer, state, peer, state, ..."""
        states: list[int] = []
        words = WORDS["sessions"]
        for peer_id, state in sessions:
            if peer_id in self._peers and state in words:
                now = state if is_fresh else SessionState.UNKNOWN
                states += (self._peers[peer_id], words.index(now))
        return states


def short(amphora_id: str) -> str:
    """The part of an id that people read."""
    return amphora_id[:8]
