# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BIRD 2's configuration files and control protocol; pure functions.

``bird.conf`` has the peers; the paths are in two files a peer (IPv4, IPv6)
that it includes, and of which none need exist; in more where a VIP has
several next hops (:mod:`.bird_slots`).

Layer: agent. Everything that is BIRD's syntax stands here and in
``templates/bird.conf.j2``.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from octavia_anycast.agent.speakers.base import Path
from octavia_anycast.agent.speakers.bird.bird_slots import (
    SLOT_MAX,
    Channel,
    Slots,
    file_name,
    file_of,
)
from octavia_anycast.agent.speakers.template import load
from octavia_anycast.model.bgp import (
    GRACEFUL_SHUTDOWN,
    IPAddress,
    Peer,
    SessionState,
    Speaker,
)

MAIN_FILE = "bird.conf"
ASK_GENERATION = "eval anycast_generation"
ASK_SESSIONS = "show protocols all"
LOAD = "configure"
# BIRD's for static routes. Where a peer does not take several paths of a VIP
# BIRD sends the best: that of the lowest slot, of those that do not drain.
_PREFERENCE = 200
_DRAINING_PREFERENCE = _PREFERENCE - SLOT_MAX
_VALUE_CODE = 23
_PROTOCOL_CODE = 1002
_DETAILS_CODE = 1006
_FIRST_ERROR_CODE = 8000
_STATES = {state.value: state for state in SessionState}
_PLAIN_ID = re.compile(r"[0-9a-zA-Z-]{1,40}")
_CHANNEL = re.compile(r"  Channel ipv([46])$")
_LAST_ERROR = "    Last error:"
_ROUTES = re.compile(r"    Routes: .* (\d+) exported")

Files = dict[str, str]  # file name -> text


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What BIRD answered to one command: (code, text) of each line."""

    lines: tuple[tuple[int, str], ...]

    @property
    def is_error(self) -> bool:
        """Whether the command failed; the last line says how."""
        return self.lines[-1][0] >= _FIRST_ERROR_CODE


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A peer as BIRD sees it.

    ``exported``: IP version -> paths sent, of those families only that the
    session carries now. ``error``: what went wrong last, in BIRD's words.
    """

    state: SessionState = SessionState.UNKNOWN
    since: datetime | None = None
    exported: Mapping[int, int] = field(default_factory=dict)
    error: str = ""

    @property
    def is_established(self) -> bool:
        """Whether paths reach the peer now."""
        return self.state is SessionState.ESTABLISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All files; ``generation`` names their content."""

    generation: str
    files: Files


def protocol_name(peer_id: str) -> str:
    """The name of a peer's protocol; the same for as long as the peer is."""
    if _PLAIN_ID.fullmatch(peer_id):
        return "peer_" + peer_id.replace("-", "_")
    return "peer_" + hashlib.sha256(peer_id.encode()).hexdigest()[:32]


def is_route_file(name: str) -> bool:
    """Whether a file of BIRD's directory holds paths."""
    return name.startswith("peer_") and file_of(name) is not None


def render(
    router_id: str,
    speakers: tuple[Speaker, ...],
    routes: Files,
    directory: str,
    *,
    adds_paths: bool = False,
) -> Configuration:
    """Render all files.

    :param routes: see :func:`render_routes`; those of other peers are left
        out.
    :param adds_paths: offer each peer several paths of a VIP (RFC 7911).
    """
    peers = [(s, peer) for s in speakers for peer in s.peers]
    names = {protocol_name(peer.id) for _, peer in peers}
    places = {
        name: place
        for name in sorted(routes)
        if (place := file_of(name)) and place[0][0] in names
    }
    files = {name: routes[name] for name in places}
    slots: dict[Channel, set[int]] = {}
    for channel, slot in places.values():
        slots.setdefault(channel, set()).add(slot)
    values = {
        "adds_paths": adds_paths,
        "router_id": router_id,
        "directory": directory,
        "neighbors": [_neighbor(s, peer, slots) for s, peer in peers],
        "has_bfd": any(peer.bfd for _, peer in peers),
    }
    template = load("bird.conf.j2")
    draft = template.render(generation="", **values)
    digest = hashlib.sha256(draft.encode())
    for name, text in files.items():
        digest.update(f"{name}\n{text}".encode())
    generation = digest.hexdigest()[:16]
    files[MAIN_FILE] = template.render(generation=generation, **values)
    return Configuration(generation=generation, files=files)


def _neighbor(
    speaker: Speaker, peer: Peer, slots: Mapping[Channel, set[int]]
) -> dict[str, object]:
    """What the template has to know of a peer."""
    name = protocol_name(peer.id)
    return {
        "name": name,
        "peer": peer,
        "local_as": speaker.local_as,
        "statements": _statements(speaker, peer),
        "routes": _routes(name, slots),
    }


def _routes(
    name: str, slots: Mapping[Channel, set[int]]
) -> list[dict[str, object]]:
    """The static protocols of one peer."""
    return [
        {
            "version": version,
            "suffix": f"{version}_{slot}" if slot else str(version),
            "preference": _PREFERENCE - slot if slot else None,
            "file": _pattern(file_name((name, version), slot)),
        }
        for version in (4, 6)
        for slot in sorted(slots.get((name, version), set()) | {0})
    ]


def _pattern(name: str) -> str:
    """The file, as a pattern: BIRD takes it well if a pattern finds none."""
    return f"{name[:-1]}[{name[-1]}]"


def _statements(speaker: Speaker, peer: Peer) -> list[str]:
    """What a peer's export filter does with each path."""
    found = []
    if speaker.local_as != peer.remote_as:
        # Not towards our own AS, whose speakers would take it for a loop
        # (RFC 4271, 9.1.2).
        found += [
            f"bgp_path.prepend({speaker.local_as})"
        ] * peer.as_path_prepend
    elif peer.local_pref is not None:
        found.append(f"bgp_local_pref = {peer.local_pref}")
    if peer.med is not None:
        found.append(f"bgp_med = {peer.med}")
    return found + [_add_community(value) for value in peer.communities]


def _add_community(value: str) -> str:
    parts = value.split(":")
    kind = "bgp_community" if len(parts) == 2 else "bgp_large_community"
    return f"{kind}.add(({', '.join(parts)}))"


def channels(
    speakers: tuple[Speaker, ...], paths: frozenset[Path]
) -> dict[Path, Channel]:
    """Where each path goes; those to nobody that is known are left out."""
    names = {p.id: protocol_name(p.id) for s in speakers for p in s.peers}
    return {
        path: (names[path.peer_id], path.vip_ip.version)
        for path in paths
        if path.peer_id in names
    }


def render_routes(
    targets: Mapping[Path, Channel], slots: Slots, *, adds_paths: bool = False
) -> Files:
    """Render the paths: file name -> text, for those peers that have any."""
    lines: dict[tuple[Channel, int], list[str]] = {}
    for path, channel in targets.items():
        slot = slots[path]
        preference = None
        if path.is_draining and adds_paths:
            preference = _DRAINING_PREFERENCE - slot
        lines.setdefault((channel, slot), []).append(_route(path, preference))
    return {
        file_name(*place): "".join(sorted(found))
        for place, found in lines.items()
    }


def _route(path: Path, preference: int | None) -> str:
    statements = [f"bgp_next_hop = {path.nexthop_ip};"]
    if path.is_draining:
        statements.append(f"{_add_community(GRACEFUL_SHUTDOWN)};")
    if preference is not None:
        statements.append(f"preference = {preference};")
    prefix = _prefix(path.vip_ip)
    return f"route {prefix} unreachable {{ {' '.join(statements)} }};\n"


def generation_from(reply: Reply) -> str:
    """Read the answer to ``ASK_GENERATION``; empty if BIRD has none."""
    return next((t for code, t in reply.lines if code == _VALUE_CODE), "")


def sessions_from(reply: Reply) -> dict[str, Session]:
    """Read the answer to ``ASK_SESSIONS``: protocol name -> session."""
    sessions: dict[str, Session] = {}
    name, since = "", None
    for code, text in reply.lines:
        if code == _PROTOCOL_CODE:
            name, kind, since = _protocol_from(text)
            if kind != "BGP":
                name = ""
        elif code == _DETAILS_CODE and name:
            sessions[name] = _session_from(text, since)
    return sessions


def _protocol_from(text: str) -> tuple[str, str, datetime | None]:
    """Read name, kind and since when it is as it is."""
    words = text.split(None, 5)
    since = None
    if len(words) > 4 and words[4].isdigit():
        since = datetime.fromtimestamp(int(words[4]), UTC)
    return words[0], words[1], since


def _session_from(text: str, since: datetime | None) -> Session:
    state, version, is_up, error = SessionState.UNKNOWN, 0, False, ""
    exported = {}
    for line in text.splitlines():
        if line.startswith("  BGP state:"):
            # BIRD has Down and Close besides, which RFC 4271 calls Idle.
            word = line.split(":", 1)[1].strip()
            state = _STATES.get(word, SessionState.IDLE)
        elif line.startswith(_LAST_ERROR):
            error = line.removeprefix(_LAST_ERROR).strip()
        elif found := _CHANNEL.match(line):
            version, is_up = int(found[1]), False
        elif version and line.startswith("    State:"):
            is_up = line.split(":", 1)[1].strip() == "UP"
        elif version and is_up and (found := _ROUTES.match(line)):
            exported[version] = int(found[1])
    if state is SessionState.ESTABLISHED:
        error = ""  # of the session before
    return Session(state=state, since=since, exported=exported, error=error)


Change = tuple[IPAddress, IPAddress, str]  # VIP, next hop, peer_id


def changes(
    before: Iterable[Path], after: Iterable[Path]
) -> tuple[set[Change], set[Change]]:
    """The paths that come, and those that go."""
    old = {(path.vip_ip, path.nexthop_ip, path.peer_id) for path in before}
    new = {(path.vip_ip, path.nexthop_ip, path.peer_id) for path in after}
    return new - old, old - new


def named(found: Iterable[Change]) -> list[tuple[str, str, str]]:
    """(prefix, next hop, peer_id) of some of these, in order."""
    return sorted((_prefix(v), str(n), peer_id) for v, n, peer_id in found)


def _prefix(address: IPAddress) -> str:
    return f"{address}/{address.max_prefixlen}"
