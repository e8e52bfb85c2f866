# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Operating statuses of listeners, pools and members over a cluster.

Layer: planning. Pure. Each amphora checks the members for itself; the
cluster's verdict on a member is

* ONLINE if all amphorae that report see it up,
* DEGRADED if some do and some do not: what they get of the traffic fails,
* ERROR if none does,

and DRAINING, NO_MONITOR, OFFLINE if any says so and none sees it up or down.
A pool is ERROR if it works on no amphora, DEGRADED if one of its members is
not well or it works on some only. A listener is ONLINE where it is open;
full on one amphora, or reported by only some, it is DEGRADED.
"""

from collections.abc import Iterable, Mapping

from octavia_anycast.model.heartbeat import Heartbeat

Key = tuple[str, str]  # (kind, id); kinds are Octavia's plural nouns
_LISTENERS, _POOLS, _MEMBERS = "listeners", "pools", "members"


def operating_statuses(
    heartbeats: Iterable[Heartbeat],
    known: Mapping[Key, str],
    *,
    disabled: frozenset[str] = frozenset(),
) -> dict[Key, str]:
    """Say what changes: (kind, id) -> new operating status.

    :param heartbeats: the latest of each amphora, none that is stale
    :param known: the statuses as they are recorded
    :param disabled: ids of objects that are administratively down
    """
    beats = tuple(heartbeats)
    if not beats:
        return {}
    verdicts: dict[Key, str | None] = {}
    members = _member_words(beats)
    for key in known:
        kind, identifier = key
        if identifier in disabled:
            verdicts[key] = "OFFLINE"
        elif kind == _LISTENERS:
            verdicts[key] = _listener(identifier, beats)
        elif kind == _MEMBERS:
            verdicts[key] = _member(members.get(identifier, []), known[key])
    for kind, identifier in known:
        if kind == _POOLS and identifier not in disabled:
            verdicts[kind, identifier] = _pool(identifier, beats, verdicts)
    return {
        key: verdict
        for key, verdict in verdicts.items()
        if verdict is not None and verdict != known[key]
    }


def active_connections(heartbeats: Iterable[Heartbeat]) -> dict[str, int]:
    """Sum the active connections: listener_id -> number."""
    sums: dict[str, int] = {}
    for heartbeat in heartbeats:
        for beat in heartbeat.listeners:
            sums[beat.listener_id] = (
                sums.get(beat.listener_id, 0) + beat.active_connections
            )
    return sums


def _listener(identifier: str, beats: tuple[Heartbeat, ...]) -> str:
    words = [
        beat.status
        for heartbeat in beats
        for beat in heartbeat.listeners
        if beat.listener_id == identifier
    ]
    if not words:
        return "ERROR"
    is_everywhere = len(words) == len(beats)
    return (
        "ONLINE"
        if is_everywhere and all(word == "OPEN" for word in words)
        else "DEGRADED"
    )


def _member_words(beats: tuple[Heartbeat, ...]) -> dict[str, list[str]]:
    """member_id -> what each amphora says, once per amphora and pool."""
    words: dict[str, list[str]] = {}
    for heartbeat in beats:
        for pool in heartbeat.pools:
            for member_id, word in pool.members.items():
                words.setdefault(member_id, []).append(word)
    return words


def _member(words: list[str], known: str) -> str | None:
    """HAProxy says "UP", "UP 1/3", "DOWN", "DOWN 1/2", "DRAIN", ..."""
    if not words:
        return None if known == "NO_MONITOR" else "OFFLINE"
    up = sum(1 for word in words if word.startswith("UP"))
    down = sum(1 for word in words if word.startswith("DOWN"))
    if up and down:
        return "DEGRADED"
    if up:
        return "ONLINE"
    if down:
        return "ERROR"
    for word, status in (
        ("DRAIN", "DRAINING"),
        ("no check", "NO_MONITOR"),
        ("MAINT", "OFFLINE"),
    ):
        if word in words:
            return status
    return None


def _pool(
    identifier: str,
    beats: tuple[Heartbeat, ...],
    verdicts: Mapping[Key, str | None],
) -> str:
    pools = [
        pool
        for heartbeat in beats
        for pool in heartbeat.pools
        if pool.pool_id == identifier
    ]
    if not pools:
        return "OFFLINE"
    working = sum(1 for pool in pools if pool.status == "UP")
    if not working:
        return "ERROR"
    members = {member_id for pool in pools for member_id in pool.members}
    is_impaired = any(
        verdicts.get((_MEMBERS, member_id)) in ("ERROR", "DEGRADED")
        for member_id in members
    )
    if working < len(pools) or is_impaired:
        return "DEGRADED"
    return "ONLINE"
