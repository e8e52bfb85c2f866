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

Over one amphora these are the statuses that Octavia's health manager writes
(ADR 0093). Until a change is in force, what heartbeats do not name, and what
they say that contradicts the configuration, is about the one before it: it
changes nothing.
"""

from collections.abc import Iterable, Mapping

from octavia_anycast.model.heartbeat import Heartbeat, PoolBeat
from octavia_anycast.model.load_balancer import (
    ConfiguredMember,
    LoadBalancerTree,
)

Key = tuple[str, str]  # (kind, id); kinds are Octavia's plural nouns
_LISTENERS, _POOLS, _MEMBERS = "listeners", "pools", "members"


def operating_statuses(
    heartbeats: Iterable[Heartbeat],
    tree: LoadBalancerTree,
    *,
    is_in_force: bool = True,
) -> dict[Key, str]:
    """Say what changes: (kind, id) -> new operating status.

    :param heartbeats: the latest of each amphora, none that is stale
    :param is_in_force: whether no change is under way, and each heartbeat was
        made after its amphora's configuration was last pushed
    """
    beats = tuple(heartbeats)
    if not beats:
        return {}
    known = tree.operating_statuses
    pools = _pool_beats(beats)
    verdicts: dict[Key, str | None] = {}
    for kind, identifier in known:
        if kind == _MEMBERS:
            continue
        if identifier in tree.disabled_ids:
            verdicts[kind, identifier] = "OFFLINE"
        elif kind == _LISTENERS:
            verdicts[kind, identifier] = _listener(
                identifier, beats, is_in_force=is_in_force
            )
    for member in tree.members:
        key = (_MEMBERS, member.id)
        verdicts[key] = _member(
            member,
            pools.get(member.pool_id, []),
            known.get(key),
            is_in_force=is_in_force,
        )
    statuses = {**known, **_said(verdicts)}
    for kind, identifier in known:
        if kind == _POOLS and identifier not in tree.disabled_ids:
            verdicts[kind, identifier] = _pool(
                pools.get(identifier, []), statuses, is_in_force=is_in_force
            )
    return {
        key: verdict
        for key, verdict in _said(verdicts).items()
        if verdict != known.get(key)
    }


def worst_below(statuses: Mapping[Key, str]) -> str:
    """What pools and listeners leave of the load balancer's status.

    As in Octavia: a pool that does not work is an ERROR of the whole, one
    that is impaired, or a listener that is full, makes it DEGRADED. A listener
    in ERROR or OFFLINE is its own matter.
    """
    if any(
        kind == _POOLS and status == "ERROR"
        for (kind, _), status in statuses.items()
    ):
        return "ERROR"
    if any(
        kind in (_POOLS, _LISTENERS) and status == "DEGRADED"
        for (kind, _), status in statuses.items()
    ):
        return "DEGRADED"
    return "ONLINE"


def _said(verdicts: Mapping[Key, str | None]) -> dict[Key, str]:
    return {key: word for key, word in verdicts.items() if word is not None}


def active_connections(heartbeats: Iterable[Heartbeat]) -> dict[str, int]:
    """Sum the active connections: listener_id -> number."""
    sums: dict[str, int] = {}
    for heartbeat in heartbeats:
        for beat in heartbeat.listeners:
            sums[beat.listener_id] = (
                sums.get(beat.listener_id, 0) + beat.active_connections
            )
    return sums


def _listener(
    identifier: str, beats: tuple[Heartbeat, ...], *, is_in_force: bool
) -> str | None:
    words = [
        beat.status
        for heartbeat in beats
        for beat in heartbeat.listeners
        if beat.listener_id == identifier
    ]
    is_everywhere = len(words) == len(beats)
    if is_everywhere and all(word == "OPEN" for word in words):
        return "ONLINE"
    if not is_in_force:
        return None
    return "DEGRADED" if words else "ERROR"


def _pool_beats(beats: tuple[Heartbeat, ...]) -> dict[str, list[PoolBeat]]:
    """pool_id -> what each amphora says of it, for each of its listeners."""
    found: dict[str, list[PoolBeat]] = {}
    for heartbeat in beats:
        for pool in heartbeat.pools:
            found.setdefault(pool.pool_id, []).append(pool)
    return found


def _member(
    member: ConfiguredMember,
    pools: list[PoolBeat],
    known: str | None,
    *,
    is_in_force: bool,
) -> str | None:
    """The cluster's verdict; None: what is known stays."""
    words = [
        pool.members[member.id] for pool in pools if member.id in pool.members
    ]
    if not is_in_force and not all(map(member.is_about, words)):
        return None
    if words:
        return _verdict_of(words)
    if not pools or not is_in_force:
        return None
    return None if known == "NO_MONITOR" else "OFFLINE"


def _verdict_of(words: list[str]) -> str | None:
    """HAProxy says "UP", "UP 1/3", "DOWN", "DOWN 1/2", "DRAIN", ..."""
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
    pools: list[PoolBeat], statuses: Mapping[Key, str], *, is_in_force: bool
) -> str | None:
    if not pools:
        return "OFFLINE" if is_in_force else None
    working = sum(1 for pool in pools if pool.status == "UP")
    if not working:
        return "ERROR"
    members = {member_id for pool in pools for member_id in pool.members}
    is_impaired = any(
        statuses.get((_MEMBERS, member_id)) in ("ERROR", "DEGRADED")
        for member_id in members
    )
    if working < len(pools) or is_impaired:
        return "DEGRADED"
    return "ONLINE"
