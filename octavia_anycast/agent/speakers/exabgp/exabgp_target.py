# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What ExaBGP is to have: neighbours and paths, from what is wanted.

Layer: agent. Pure.
"""

from dataclasses import replace
from ipaddress import ip_network

from octavia_anycast.agent.speakers.base import Path
from octavia_anycast.agent.speakers.exabgp import exabgp_syntax as syntax
from octavia_anycast.model.bgp import IPAddress, Peer, Speaker

RibKey = tuple[IPAddress, str]  # peer_ip, prefix


def without_changed(
    before: tuple[str, tuple[Speaker, ...]] | None,
    router_id: str,
    speakers: tuple[Speaker, ...],
) -> tuple[Speaker, ...]:
    """The speakers without those peers whose session must start over."""
    if before is None:
        return speakers
    old_router_id, old = before
    sessions = {
        peer.peer_ip: syntax.session_key(old_router_id, speaker, peer)
        for speaker in old
        for peer in speaker.peers
    }
    return tuple(
        replace(
            speaker,
            peers=tuple(
                peer
                for peer in speaker.peers
                if sessions.get(peer.peer_ip)
                in (None, syntax.session_key(router_id, speaker, peer))
            ),
        )
        for speaker in speakers
    )


def prefix_of(path: Path) -> str:
    return str(ip_network(path.vip_ip))


def by_peer_id(
    speakers: tuple[Speaker, ...],
) -> dict[str, tuple[Speaker, Peer]]:
    return {
        peer.id: (speaker, peer)
        for speaker in speakers
        for peer in speaker.peers
    }


def commands(
    peers: dict[str, tuple[Speaker, Peer]], paths: frozenset[Path]
) -> dict[RibKey, str]:
    """(peer_ip, prefix) -> the command that announces it."""
    wanted = {}
    for path in paths:
        if path.peer_id in peers:
            speaker, peer = peers[path.peer_id]
            command = syntax.announcement(path, speaker, peer)
            wanted[peer.peer_ip, prefix_of(path)] = command
    return wanted
