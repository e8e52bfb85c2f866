# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""ExaBGP 5's configuration file, API commands and answers; pure functions.

Layer: agent. Everything that is ExaBGP's syntax stands here and in
``templates/exabgp.conf.j2``.
"""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from octavia_anycast.agent.speakers.base import Path
from octavia_anycast.agent.speakers.template import load
from octavia_anycast.model.bgp import (
    GRACEFUL_SHUTDOWN,
    IPAddress,
    Peer,
    SessionState,
    Speaker,
)

_STATES = {state.value.upper(): state for state in SessionState}
_NOTIFICATION = re.compile(r"notification \w+ \((\d+),(\d+)\)")
# RFC 4271, section 4.5 and 6; RFC 4486.
_ERRORS = {
    ("1", "0"): "Message Header Error",
    ("2", "0"): "OPEN Message Error",
    ("2", "2"): "Bad Peer AS",
    ("2", "3"): "Bad BGP Identifier",
    ("2", "6"): "Unacceptable Hold Time",
    ("2", "7"): "Unsupported Capability",
    ("3", "0"): "UPDATE Message Error",
    ("4", "0"): "Hold Timer Expired",
    ("5", "0"): "Finite State Machine Error",
    ("6", "0"): "Cease",
    ("6", "1"): "Maximum Number of Prefixes Reached",
    ("6", "2"): "Administrative Shutdown",
    ("6", "3"): "Peer De-configured",
    ("6", "5"): "Connection Rejected",
}
_DESCRIPTION = re.compile(r'^\s*description "([0-9a-f]{16})";')


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A neighbour as ExaBGP sees it; ``families`` are IP versions.

    ``error``: why the session ended last, or did not come up.
    """

    state: SessionState
    since: datetime | None = None
    families: frozenset[int] = frozenset()
    error: str = ""

    @property
    def is_established(self) -> bool:
        """Whether paths reach the peer now."""
        return self.state is SessionState.ESTABLISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A rendered file; ``generation`` names its content."""

    generation: str
    text: str


def render(
    router_id: str, speakers: tuple[Speaker, ...], relay_command: str
) -> Configuration:
    """Render the whole configuration file."""
    neighbors = [
        {
            "peer": peer,
            "local_as": speaker.local_as,
            "password": peer.password
            and b64encode(peer.password.encode()).decode(),
        }
        for speaker in speakers
        for peer in speaker.peers
    ]
    values = {
        "router_id": router_id,
        "relay_command": relay_command,
        "neighbors": neighbors,
    }
    template = load("exabgp.conf.j2")
    draft = template.render(generation="", **values)
    generation = hashlib.sha256(draft.encode()).hexdigest()[:16]
    text = template.render(generation=generation, **values)
    return Configuration(generation=generation, text=text)


def session_key(
    router_id: str, speaker: Speaker, peer: Peer
) -> tuple[object, ...]:
    """All of a peer that is in the file: a change of it is a new session."""
    return (
        router_id,
        speaker.local_as,
        peer.peer_ip,
        peer.remote_as,
        peer.hold_time,
        peer.password,
        peer.ttl_hops,
    )


def announcement(path: Path, speaker: Speaker, peer: Peer) -> str:
    """The command that announces a path to one peer."""
    words = [
        f"neighbor {peer.peer_ip} announce route",
        f"{path.vip_ip}/{path.vip_ip.max_prefixlen}",
        f"next-hop {path.nexthop_ip}",
    ]
    is_internal = speaker.local_as == peer.remote_as
    if is_internal and peer.local_pref is not None:
        words.append(f"local-preference {peer.local_pref}")
    if peer.med is not None:
        words.append(f"med {peer.med}")
    if peer.as_path_prepend and not is_internal:
        # Sent as it stands, so our own AS is in it too. Not towards our own
        # AS, whose speakers would take it for a loop (RFC 4271, 9.1.2).
        path_words = [str(speaker.local_as)] * (peer.as_path_prepend + 1)
        words.append(f"as-path [ {' '.join(path_words)} ]")
    communities = list(peer.communities)
    if path.is_draining and GRACEFUL_SHUTDOWN not in communities:
        communities.append(GRACEFUL_SHUTDOWN)
    words += _communities("community", 1, communities)
    words += _communities("large-community", 2, communities)
    return " ".join(words)


def _communities(word: str, colons: int, values: Iterable[str]) -> list[str]:
    chosen = [value for value in values if value.count(":") == colons]
    return [f"{word} [ {' '.join(chosen)} ]"] if chosen else []


def withdrawal(peer_ip: IPAddress, prefix: str) -> str:
    """The command that withdraws a prefix from one peer."""
    return f"neighbor {peer_ip} withdraw route {prefix}"


def generations_from(lines: Iterable[str]) -> frozenset[str]:
    """Read ``show neighbor configuration``: which files are loaded."""
    found = (_DESCRIPTION.match(line) for line in lines)
    return frozenset(match.group(1) for match in found if match)


def sessions_from(lines: list[str], now: datetime) -> dict[IPAddress, Session]:
    """Read ``show neighbor json``: peer_ip -> session."""
    sessions = {}
    for item in json.loads("".join(lines) or "[]"):
        state = _STATES.get(item["fsm"], SessionState.UNKNOWN)
        since = None
        if item["duration"] is not None:
            since = now - timedelta(seconds=int(item["duration"]))
        sessions[ip_address(item["peer"]["address"])] = Session(
            state=state,
            since=since,
            families=frozenset(
                4 if name.startswith("ipv4") else 6
                for name in item["families"]
                if name in ("ipv4 unicast", "ipv6 unicast")
            ),
        )
    return sessions


def with_errors(
    listed: dict[IPAddress, Session], known: dict[IPAddress, Session]
) -> dict[IPAddress, Session]:
    """The sessions of a listing, with errors that only events tell."""
    return {
        peer_ip: (
            replace(session, error=known[peer_ip].error)
            if peer_ip in known and not session.is_established
            else session
        )
        for peer_ip, session in listed.items()
    }


def event_from(
    line: str, known: dict[IPAddress, Session], now: datetime
) -> tuple[IPAddress, Session] | None:
    """Read an event: a session's change of state, or None for any other."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    neighbor = event.get("neighbor")
    if event.get("type") not in ("fsm", "state") or neighbor is None:
        return None
    peer_ip = ip_address(neighbor["address"]["peer"])
    before = known.get(peer_ip)
    if event["type"] == "state":
        if before is None or neighbor.get("state") != "down":
            return None
        return peer_ip, replace(before, error=_error(neighbor["reason"]))
    state = _STATES.get(neighbor["state"], SessionState.UNKNOWN)
    if before is None:
        return peer_ip, Session(state=state, since=now)
    if before.state is state:
        return None
    # Families are told by the next listing; until then, none.
    after = replace(before, state=state, since=now, families=frozenset())
    return peer_ip, replace(after, error="") if after.is_established else after


def _error(reason: str) -> str:
    """ExaBGP's reason, with the name of a NOTIFICATION's code in it."""
    if reason == "closing connection":
        return ""  # it says nothing of why
    found = _NOTIFICATION.search(reason)
    if not found:
        return reason
    code, subcode = found[1], found[2]
    name = _ERRORS.get((code, subcode)) or _ERRORS.get((code, "0"))
    return f"{reason}: {name}" if name else reason


def paths_from(lines: Iterable[str]) -> set[tuple[IPAddress, str]]:
    """Read ``show adj-rib out``: (peer_ip, prefix) of each path."""
    found = set()
    for line in lines:
        words = line.split()
        if len(words) >= 4 and words[1] in ("ipv4", "ipv6"):
            found.add((ip_address(words[0]), str(ip_network(words[3]))))
    return found
