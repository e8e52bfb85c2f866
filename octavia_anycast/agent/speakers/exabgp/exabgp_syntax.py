# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""ExaBGP 5's configuration file, API commands and answers; pure functions.

Layer: agent. Everything that is ExaBGP's syntax stands here and in
``templates/exabgp.conf.j2``.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from octavia_anycast.agent.speakers import driver
from octavia_anycast.agent.speakers.base import Path, Wish
from octavia_anycast.agent.speakers.driver import Configuration, Session
from octavia_anycast.model.bgp import (
    GRACEFUL_SHUTDOWN,
    IPAddress,
    Peer,
    SessionState,
    Speaker,
)

MAIN_FILE = "exabgp.conf"
_STATES = {state.value.upper(): state for state in SessionState}
# A listing's moment is off by up to one second.
_SAME_SESSION = timedelta(seconds=2)
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


RibKey = tuple[IPAddress, str]  # peer_ip, prefix


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
    return driver.render(MAIN_FILE, values, {})


def without_changed(before: Wish, wish: Wish) -> tuple[Speaker, ...]:
    """The wish's speakers without those peers whose session starts over."""
    old = {
        peer.peer_ip: _session_key(before.router_id, speaker, peer)
        for speaker in before.speakers
        for peer in speaker.peers
    }
    return tuple(
        replace(
            speaker,
            peers=tuple(
                peer
                for peer in speaker.peers
                if old.get(peer.peer_ip)
                in (None, _session_key(wish.router_id, speaker, peer))
            ),
        )
        for speaker in wish.speakers
    )


def _session_key(
    router_id: str, speaker: Speaker, peer: Peer
) -> tuple[object, ...]:
    """All of a peer that the file has: a change of it is a new session."""
    return (
        router_id,
        speaker.local_as,
        peer.peer_ip,
        peer.peer_port,
        peer.remote_as,
        peer.hold_time,
        peer.password,
        peer.ttl_hops,
    )


def by_peer_id(
    speakers: tuple[Speaker, ...],
) -> dict[str, tuple[Speaker, Peer]]:
    """Each peer with its speaker."""
    return {
        peer.id: (speaker, peer)
        for speaker in speakers
        for peer in speaker.peers
    }


def announcements(
    speakers: tuple[Speaker, ...], paths: frozenset[Path]
) -> dict[RibKey, str]:
    """(peer_ip, prefix) -> the command that announces it."""
    peers, wanted = by_peer_id(speakers), {}
    for path in paths:
        if path.peer_id in peers:
            speaker, peer = peers[path.peer_id]
            command = announcement(path, speaker, peer)
            wanted[peer.peer_ip, path.prefix] = command
    return wanted


def announcement(path: Path, speaker: Speaker, peer: Peer) -> str:
    """The command that announces a path to one peer."""
    words = [
        f"neighbor {peer.peer_ip} announce route",
        path.prefix,
        f"next-hop {path.nexthop_ip}",
    ]
    if path.is_last_choice:
        words.append("origin incomplete")
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
    """Read ``show neighbor json``: peer_ip -> session.

    The duration of one that is not Established is how long the peer had been
    there when it was lost: it says nothing of since when it is down.
    """
    sessions = {}
    for item in json.loads("".join(lines) or "[]"):
        state = _STATES.get(item["fsm"], SessionState.UNKNOWN)
        since: datetime | None = now
        if state is SessionState.ESTABLISHED:
            since = None
            if item["duration"] is not None:
                since = now - timedelta(seconds=int(item["duration"]))
        sessions[ip_address(item["peer"]["address"])] = Session(
            state=state,
            since=since,
            exported={
                version: None
                for version in (4, 6)
                if f"ipv{version} unicast" in item["families"]
            },
        )
    return sessions


def with_known(
    listed: dict[IPAddress, Session], known: Mapping[IPAddress, Session]
) -> dict[IPAddress, Session]:
    """The sessions of a listing, with what is known better from before.

    Errors are told by events only. A listing has whole seconds: the same
    session would seem to have begun at another moment each time.
    """
    return {
        peer_ip: _with_known(session, known[peer_ip])
        if peer_ip in known
        else session
        for peer_ip, session in listed.items()
    }


def _with_known(session: Session, known: Session) -> Session:
    if not session.is_established:
        session = replace(session, error=known.error)
        if known.is_established:
            return session
        return replace(session, since=known.since or session.since)
    if (
        known.is_established
        and session.since is not None
        and known.since is not None
        and abs(session.since - known.since) < _SAME_SESSION
    ):
        session = replace(session, since=known.since)
    return session


def event_from(
    line: str, known: Mapping[IPAddress, Session], now: datetime
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
        # Each try to come back ends with a reason that says nothing.
        error = _error(neighbor["reason"]) or before.error
        return peer_ip, replace(before, error=error)
    state = _STATES.get(neighbor["state"], SessionState.UNKNOWN)
    if before is None:
        return peer_ip, Session(state=state, since=now)
    if before.state is state:
        return None
    # Families are told by the next listing; until then, none.
    after = replace(before, state=state, exported={})
    if after.is_established:
        return peer_ip, replace(after, since=now, error="")
    # One that is down goes from Idle to Connect and back, again and again.
    since = None if before.is_established else before.since
    return peer_ip, replace(after, since=since or now)


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


def paths_from(lines: Iterable[str]) -> set[RibKey]:
    """Read ``show adj-rib out``: (peer_ip, prefix) of each path."""
    found = set()
    for line in lines:
        words = line.split()
        if len(words) >= 4 and words[1] in ("ipv4", "ipv6"):
            found.add((ip_address(words[0]), str(ip_network(words[3]))))
    return found
