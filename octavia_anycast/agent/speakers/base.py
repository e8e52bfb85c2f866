# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the agent needs of a BGP daemon; the intersection of all drivers.

Declarative: the caller gives the whole of what is to be, the driver makes it
so in its own thread, at once and again after each fault. No call blocks.

Layer: agent. No type of a daemon leaks out.
"""

from dataclasses import dataclass
from typing import Protocol

from octavia_anycast.model.bgp import IPAddress, Peer, Speaker
from octavia_anycast.model.wire import SessionReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A host route towards one peer.

    The other attributes (communities, med, ...) are the peer's own;
    ``is_yielding`` makes the ORIGIN INCOMPLETE, ``is_draining`` that and adds
    GRACEFUL_SHUTDOWN (RFC 8326). Several next hops of one VIP are several
    paths, where ``adds_paths`` is set.
    """

    vip_ip: IPAddress
    nexthop_ip: IPAddress
    peer_id: str
    is_draining: bool = False
    is_yielding: bool = False

    @property
    def is_last_choice(self) -> bool:
        """Whether any other path of its VIP is to be preferred."""
        return self.is_yielding or self.is_draining

    @property
    def prefix(self) -> str:
        """The VIP as a host route, such as ``198.51.100.1/32``."""
        return f"{self.vip_ip}/{self.vip_ip.max_prefixlen}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """All that is wanted of a speaker.

    ``adds_paths``: a VIP may have several next hops, each of which is a path
    to its peer (ADD-PATH, RFC 7911). It is settled when a session begins, so
    it does not follow from the paths. ``paths`` None: nothing was said yet,
    so the paths that the daemon announces stay.
    """

    router_id: str = ""
    speakers: tuple[Speaker, ...] = ()
    adds_paths: bool = False
    paths: frozenset[Path] | None = None

    def peers(self) -> tuple[Peer, ...]:
        """The peers of all speakers."""
        return tuple(p for speaker in self.speakers for p in speaker.peers)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerStatus:
    """What a speaker does now.

    ``paths`` are in the Adj-RIB-Out (RFC 4271, section 3.2) of established
    sessions only. ``speakers`` are those that the daemon has loaded, and that
    sessions and paths belong to; None: not known, or others are being loaded.
    """

    is_running: bool = False
    speakers: tuple[Speaker, ...] | None = None
    sessions: tuple[SessionReport, ...] = ()
    paths: frozenset[Path] = frozenset()


class BgpSpeaker(Protocol):
    """A BGP daemon under control of the agent."""

    def want(self, wish: Wish) -> None:
        """Have exactly these peers, and announce exactly these paths to them.

        Sessions of unchanged peers stay up; other peers' paths are left out.
        """

    def status(self) -> SpeakerStatus:
        """Report from memory."""

    def close(self) -> None:
        """Disconnect; the daemon goes on as it is (fail-static)."""


class Service(Protocol):
    """What runs a daemon: systemd, or a test."""

    def start(self) -> None:
        """Run it, and again each time that it ends."""

    def stop(self) -> None:
        """End it and leave it ended."""

    def kill(self) -> None:
        """Kill it; it is started again."""
