# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""BIRD 2's configuration files and control protocol; pure functions.

``bird.conf`` has the peers. It includes two files of paths a peer (IPv4,
IPv6), which need not exist, and more where a VIP has several next hops: a
static protocol of BIRD has one route of a prefix, so that they need as many
protocols. These are the slots, numbered from 0. RFC 7911's path identifier is
the protocol's, so a path keeps its slot for as long as it is there, whatever
comes and goes beside it: else its peer would hear a withdrawal.

Layer: agent. Everything that is BIRD's syntax stands here and in
``templates/bird.conf.j2``.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from octavia_anycast.agent.speakers import driver
from octavia_anycast.agent.speakers.base import Path
from octavia_anycast.agent.speakers.driver import Configuration, Files, Session
from octavia_anycast.model.bgp import (
    GRACEFUL_SHUTDOWN,
    IPAddress,
    Peer,
    SessionState,
    Speaker,
)
from octavia_anycast.model.wire import NEXT_HOPS_MAX

MAIN_FILE = "bird.conf"
ASK_GENERATION = "eval anycast_generation"
ASK_SESSIONS = "show protocols all"
ASK_BFD = "show bfd sessions"
LOAD = "configure"
# BIRD's for static routes. Where a peer does not take several paths of a VIP
# BIRD sends the best: that of the lowest slot, of those that do not drain.
_PREFERENCE = 200
_DRAINING_PREFERENCE = _PREFERENCE - NEXT_HOPS_MAX
_VALUE_CODE = 23
_PROTOCOL_CODE = 1002
_DETAILS_CODE = 1006
_BFD_CODE = 1020
_BFD_COLUMNS = 6  # address, interface, state, since, interval, timeout
_FIRST_ERROR_CODE = 8000
_STATES = {state.value: state for state in SessionState}
_PLAIN_ID = re.compile(r"[0-9a-zA-Z-]{1,40}")
_CHANNEL = re.compile(r"  Channel ipv([46])$")
_LAST_ERROR = "    Last error:"
_ROUTES = re.compile(r"    Routes: .* (\d+) exported")
_SUFFIX = ".routes"
_NAME = re.compile(rf"(peer_\w+)_([46])(?:\.([0-9]+))?{re.escape(_SUFFIX)}")
_ROUTE = re.compile(r"route (\S+)/\d+ unreachable \{ bgp_next_hop = (\S+);")

Channel = tuple[str, int]  # name of a peer's protocol, IP version
Slots = Mapping[Path, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What BIRD answered to one command: (code, text) of each line."""

    lines: tuple[tuple[int, str], ...]

    @property
    def is_error(self) -> bool:
        """Whether the command failed; the last line says how."""
        return self.lines[-1][0] >= _FIRST_ERROR_CODE


def protocol_name(peer_id: str) -> str:
    """The name of a peer's protocol; it never changes."""
    if _PLAIN_ID.fullmatch(peer_id):
        return "peer_" + peer_id.replace("-", "_")
    return "peer_" + hashlib.sha256(peer_id.encode()).hexdigest()[:32]


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
    return driver.render(MAIN_FILE, values, files)


def _neighbor(
    speaker: Speaker, peer: Peer, slots: Mapping[Channel, set[int]]
) -> dict[str, object]:
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
    """The file as a pattern: BIRD allows that a pattern matches no file."""
    return f"{name[:-1]}[{name[-1]}]"


def _statements(speaker: Speaker, peer: Peer) -> list[str]:
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
    """The channel of each path; paths to unknown peers are left out."""
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
    ends: dict[tuple[IPAddress, bool, bool, int | None], str] = {}
    for path, channel in targets.items():
        slot, vip = slots[path], path.vip_ip
        preference = None
        if path.is_draining and adds_paths:
            preference = _DRAINING_PREFERENCE - slot
        # Thousands of VIPs have few next hops.
        kind = (
            path.nexthop_ip,
            path.is_draining,
            path.is_last_choice,
            preference,
        )
        end = ends.get(kind)
        if end is None:
            end = ends[kind] = _attributes(path, preference)
        lines.setdefault((channel, slot), []).append(
            f"route {vip}/{vip.max_prefixlen} unreachable {end};\n"
        )
    return {
        file_name(*place): "".join(sorted(found))
        for place, found in lines.items()
    }


def _attributes(path: Path, preference: int | None) -> str:
    statements = [f"bgp_next_hop = {path.nexthop_ip};"]
    if path.is_last_choice:
        statements.append("bgp_origin = ORIGIN_INCOMPLETE;")
    if path.is_draining:
        statements.append(f"{_add_community(GRACEFUL_SHUTDOWN)};")
    if preference is not None:
        statements.append(f"preference = {preference};")
    return f"{{ {' '.join(statements)} }}"


def file_name(channel: Channel, slot: int) -> str:
    """The file of the paths in one slot of a peer."""
    name, version = channel
    return f"{name}_{version}{f'.{slot}' if slot else ''}{_SUFFIX}"


def file_of(name: str) -> tuple[Channel, int] | None:
    """Undo :func:`file_name`; None: it is another file's name."""
    found = _NAME.fullmatch(name)
    if found is None or int(found[3] or 0) >= NEXT_HOPS_MAX:
        return None
    return (found[1], int(found[2])), int(found[3] or 0)


def assign(
    channels: Mapping[Path, Channel], files: Mapping[str, str]
) -> dict[Path, int]:
    """Give each path a slot; a path that is in a file keeps its own.

    :param channels: all paths, with their channels
    :param files: file name -> its text, of all that is there
    """
    groups: dict[tuple[Channel, IPAddress], list[Path]] = {}
    for path, channel in channels.items():
        groups.setdefault((channel, path.vip_ip), []).append(path)
    found = [file_of(name) for name in files]
    if len(groups) == len(channels) and not any(f and f[1] for f in found):
        # Thousands of VIPs, each with a next hop: nothing to look up.
        return dict.fromkeys(channels, 0)
    kept = dict(_kept(files))
    slots: dict[Path, int] = {}
    for (channel, vip_ip), paths in groups.items():
        vip = str(vip_ip)
        before = {
            path: kept.get((channel, vip, str(path.nexthop_ip)))
            for path in paths
        }
        slots.update(_assign_one(before))
    return slots


def _assign_one(before: Mapping[Path, int | None]) -> dict[Path, int]:
    """The slots of one VIP's paths; ``before``: those that they had."""
    taken: dict[int, Path] = {}
    late = []
    for path in sorted(before, key=lambda p: p.nexthop_ip.packed):
        slot = before[path]
        if slot is None or slot in taken:
            late.append(path)
        else:
            taken[slot] = path
    free = (slot for slot in range(len(before)) if slot not in taken)
    for path in late:
        taken[next(free)] = path
    return {path: slot for slot, path in taken.items()}


def _kept(
    files: Mapping[str, str],
) -> Iterator[tuple[tuple[Channel, str, str], int]]:
    """(channel, VIP, next hop) -> slot, of all routes in the files."""
    for name, text in files.items():
        found = file_of(name)
        if found is None:
            continue
        channel, slot = found
        for vip, next_hop in _ROUTE.findall(text):
            yield (channel, vip, next_hop), slot


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


def bfd_states_from(reply: Reply) -> dict[IPAddress, str]:
    """Read the answer to ``ASK_BFD``: address of the neighbour -> state."""
    states = {}
    for code, text in reply.lines:
        if code != _BFD_CODE:
            continue
        for line in text.splitlines():
            words = line.split()
            with suppress(ValueError):  # the header, or a protocol's name
                if len(words) == _BFD_COLUMNS:
                    states[ip_address(words[0])] = words[2]
    return states


def _protocol_from(text: str) -> tuple[str, str, datetime | None]:
    words = text.split(None, 5)
    since = None
    if len(words) > 4 and words[4].isdigit():
        since = datetime.fromtimestamp(int(words[4]), UTC)
    return words[0], words[1], since


def _session_from(text: str, since: datetime | None) -> Session:
    state, version, is_up, error = SessionState.UNKNOWN, 0, False, ""
    exported: dict[int, int | None] = {}
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
