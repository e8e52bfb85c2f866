# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which amphorae share their stick tables (ADR 0084).

A cluster up to ``peer_group_size`` is one group: the fabric sends a client to
any amphora, so each one has to know its member. A larger one is divided, as
the topology specification asks (version 0.9, "peer groups").

Nothing is stored but what each amphora was last told; that is where groups
are read from, so that they stay as they are when others come and go.

Layer: planning. Pure.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Cluster,
    Phase,
)

Group = frozenset[str]
_NEVER = datetime.min.replace(tzinfo=UTC)


def wanted_peers(cluster: Cluster, member: Assessment) -> tuple[str, ...]:
    """The amphorae of its group, itself too, sorted; () without a need."""
    desired = cluster.desired
    limit = desired.policy.peer_group_size
    if not desired.has_stick_tables or limit < 1:
        return ()
    records = [
        m.amphora.record
        for m in cluster.members
        if m.phase is not Phase.FAILED and _can_be_reached(m.amphora.record)
    ]
    groups = regrouped(
        told_groups(records),
        frozenset(record.id for record in records),
        limit=limit,
        is_one=desired.size.desired <= limit and limit > 1,
    )
    group = next((g for g in groups if member.id in g), frozenset())
    return tuple(sorted(group))


def _can_be_reached(record: AmphoraRecord) -> bool:
    return (
        record.status is AmphoraStatus.ALLOCATED
        and record.frontend is not None
    )


def told_groups(records: Iterable[AmphoraRecord]) -> tuple[Group, ...]:
    """The groups that amphorae were told; who was told last is believed.

    After a change that did not reach all, two of them may disagree.
    """
    groups: list[Group] = []
    placed: set[str] = set()
    newest_first = sorted(
        records, key=lambda r: (r.applied_at or _NEVER, r.id), reverse=True
    )
    for record in newest_first:
        if record.id in placed or record.id not in record.peer_amphora_ids:
            continue
        group = frozenset(record.peer_amphora_ids) - placed
        groups.append(group)
        placed |= group
    return tuple(groups)


def regrouped(
    before: Sequence[Group],
    members: Group,
    *,
    limit: int,
    is_one: bool = False,
) -> tuple[Group, ...]:
    """Divide the members, with as few changes as possible.

    Groups have 2 to ``limit`` members (2 or 3 for a limit of 2); with a
    limit of 1 each is by itself.

    :param is_one: all are one group, whatever their number
    """
    if not members:
        return ()
    if is_one:
        return (members,)
    if limit == 1:
        return tuple(frozenset({one}) for one in sorted(members))
    groups = [set(group & members) for group in before if group & members]
    newcomers = sorted(members.difference(*groups))
    for newcomer in newcomers:
        _join(groups, newcomer, limit)
    _end_loneliness(groups, limit)
    _split_large(groups, max(limit, 3))
    return tuple(sorted(map(frozenset, groups), key=min))


def _size(group: set[str]) -> tuple[int, str]:
    return len(group), min(group)


def _join(groups: list[set[str]], newcomer: str, limit: int) -> None:
    room = [group for group in groups if len(group) < limit]
    if room:
        min(room, key=_size).add(newcomer)
    else:
        groups.append({newcomer})


def _end_loneliness(groups: list[set[str]], limit: int) -> None:
    while len(groups) > 1:
        lonely = min(groups, key=_size)
        if len(lonely) > 1:
            return
        groups.remove(lonely)
        smallest = min(groups, key=_size)
        if len(smallest) >= limit and len(smallest) > 2:
            largest = max(groups, key=_size)
            one = max(largest)
            largest.remove(one)
            groups.append(lonely | {one})
        else:
            smallest |= lonely


def _split_large(groups: list[set[str]], most: int) -> None:
    while True:
        largest = max(groups, key=_size)
        if len(largest) <= most:
            return
        ordered = sorted(largest)
        groups.remove(largest)
        half = len(ordered) // 2
        groups += [set(ordered[:half]), set(ordered[half:])]
