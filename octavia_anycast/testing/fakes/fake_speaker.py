# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A BGP speaker without BGP, and the peers that it speaks to.

Kept true by the contract suite, which runs against it and against the real
drivers. It changes at once where a daemon takes a moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

from octavia_anycast.agent.speakers.base import Path, SpeakerStatus, Wish
from octavia_anycast.model.bgp import (
    GRACEFUL_SHUTDOWN,
    IPAddress,
    Peer,
    SessionState,
    Speaker,
)
from octavia_anycast.model.wire import SessionReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a peer holds of one path, attributes as the peer received them."""

    nexthop_ip: IPAddress
    as_path: tuple[int, ...]
    communities: frozenset[str] = frozenset()
    med: int | None = None
    is_incomplete: bool = False  # its ORIGIN


@dataclass(slots=True)
class FakePeer:
    """A neighbour: accepts who comes with its AS numbers and password.

    ``takes_paths``: it takes several paths of a prefix (RFC 7911); ``rib``
    has one of them, ``paths`` all.
    """

    local_as: int
    remote_as: int
    password: str | None = None
    is_up: bool = True
    takes_paths: bool = False
    rib: dict[str, Route] = field(default_factory=dict)
    paths: dict[str, list[Route]] = field(default_factory=dict)


class FakeSpeaker:
    """Implements the speaker interface; ``is_up`` False is a dead daemon."""

    def __init__(self, peers: Mapping[IPAddress, FakePeer]) -> None:
        self._peers = peers
        self._wish = Wish()
        self._since: dict[IPAddress, datetime] = {}
        self.is_up = True

    def want(self, wish: Wish) -> None:
        """Have these peers and paths."""
        self._wish = wish
        self.settle()

    def status(self) -> SpeakerStatus:
        """Tell what is."""
        self.settle()
        pairs = self._pairs()
        established = {
            peer.id for s, peer in pairs if self._is_established(s, peer)
        }
        return SpeakerStatus(
            is_running=self.is_up,
            speakers=self._wish.speakers,
            sessions=tuple(
                SessionReport(
                    peer_id=peer.id,
                    peer_ip=peer.peer_ip,
                    state=(
                        SessionState.ESTABLISHED
                        if peer.id in established
                        else SessionState.ACTIVE
                    ),
                    since=self._since.get(peer.peer_ip),
                    ip_versions=(4, 6) if peer.id in established else None,
                )
                for _, peer in pairs
            ),
            paths=frozenset(
                path
                for _, peer in pairs
                if peer.id in established
                for path in self._sent(peer)
            ),
        )

    def close(self) -> None:
        """Let go: what the peers hold stays as it is."""
        self._wish = replace(self._wish, paths=None)

    def settle(self) -> None:
        """Do what a daemon would have done by now."""
        now = datetime.now(UTC)
        live = set()
        for speaker, peer in self._pairs():
            if not self._is_established(speaker, peer):
                continue
            live.add(peer.peer_ip)
            self._since.setdefault(peer.peer_ip, now)
            if self._wish.paths is not None:
                self._fill(speaker, peer)
        for peer_ip, neighbour in self._peers.items():
            if peer_ip not in live:
                # RFC 4271, section 8: the session's routes go with it.
                neighbour.rib, neighbour.paths = {}, {}
                self._since.pop(peer_ip, None)

    def _fill(self, speaker: Speaker, peer: Peer) -> None:
        """Have a peer hold what it is sent."""
        neighbour = self._peers[peer.peer_ip]
        neighbour.paths = {}
        for path in self._sent(peer):
            prefix = str(ip_network(path.vip_ip))
            route = _route(path, speaker, peer)
            neighbour.paths.setdefault(prefix, []).append(route)
        neighbour.rib = {p: found[0] for p, found in neighbour.paths.items()}

    def _sent(self, peer: Peer) -> list[Path]:
        """The paths that are for a peer, and that it can take."""
        found = sorted(
            (p for p in self._wish.paths or () if p.peer_id == peer.id),
            key=lambda p: (p.is_draining, p.nexthop_ip.packed),
        )
        if self._wish.adds_paths and self._peers[peer.peer_ip].takes_paths:
            return found
        return list({p.vip_ip: p for p in reversed(found)}.values())

    def _pairs(self) -> list[tuple[Speaker, Peer]]:
        return [(s, peer) for s in self._wish.speakers for peer in s.peers]

    def _is_established(self, speaker: Speaker, peer: Peer) -> bool:
        neighbour = self._peers.get(peer.peer_ip)
        return (
            self.is_up
            and neighbour is not None
            and neighbour.is_up
            and neighbour.password == peer.password
            and neighbour.local_as == peer.remote_as
            and neighbour.remote_as == speaker.local_as
        )


def _route(path: Path, speaker: Speaker, peer: Peer) -> Route:
    communities = set(peer.communities)
    if path.is_draining:
        communities.add(GRACEFUL_SHUTDOWN)
    return Route(
        nexthop_ip=path.nexthop_ip,
        as_path=(speaker.local_as,) * (1 + peer.as_path_prepend),
        communities=frozenset(communities),
        med=peer.med,
        is_incomplete=path.is_last_choice,
    )


class InParts:
    """A speaker that is told its peers and its paths one after the other."""

    def __init__(self, speaker: Any) -> None:
        self.speaker = speaker
        self._wish = Wish()

    def configure(
        self,
        router_id: str,
        speakers: tuple[Speaker, ...],
        *,
        adds_paths: bool = False,
    ) -> None:
        """Have exactly these peers."""
        self._wish = replace(
            self._wish,
            router_id=router_id,
            speakers=speakers,
            adds_paths=adds_paths,
        )
        self.speaker.want(self._wish)

    def set_paths(self, paths: frozenset[Path]) -> None:
        """Announce exactly these paths, once there are peers."""
        self._wish = replace(self._wish, paths=paths)
        if self._wish.router_id:
            self.speaker.want(self._wish)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.speaker, name)
