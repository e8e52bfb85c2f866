# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What goes wrong with new amphorae of a fleet change, so that it halts.

A boot that failed, a health gate that stays closed, or a listener that fails
more than before.

Layer: planning. Pure.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from octavia_anycast.model.cluster import ClusterPolicy
from octavia_anycast.model.fleet.change import (
    Counted,
    Failure,
    FleetAmphora,
    FleetChange,
    Health,
)
from octavia_anycast.planning.fleet.canary import OPEN
from octavia_anycast.planning.fleet.reach import Fleet, is_new

# An error rate says something when so many connections were counted.
CONNECTIONS_MIN = 100
# Above twice what it was before and so much, it is worse.
WORSE_FACTOR, WORSE_SHARE = 2.0, 0.01
# Too much, where it is not known how much it was before.
UNKNOWN_SHARE = 0.5


def counted_of(fleet: Fleet, owner: str) -> dict[str, Counted]:
    """Listener -> the sums over a cluster's amphorae."""
    return _sums(
        fleet.health[one.id]
        for one in fleet.amphorae
        if one.load_balancer_id == owner and one.id in fleet.health
    )


def _sums(found: Iterable[Health]) -> dict[str, Counted]:
    sums: dict[str, Counted] = {}
    for health in found:
        for listener_id, count in health.counted.items():
            before = sums.get(listener_id)
            sums[listener_id] = count if before is None else before.plus(count)
    return sums


def trouble(
    change: FleetChange, fleet: Fleet, policy: ClusterPolicy, now: datetime
) -> str:
    """Why it halts, as a sentence; empty: nothing is wrong.

    A boot that failed, a health gate that stays closed, or a listener with
    more errors than before, each of new amphorae.
    """
    for one in fleet.amphorae:
        if one.load_balancer_id not in change.baselines or not is_new(
            change, one
        ):
            continue
        whose = f"amphora {one.id} of load balancer {one.load_balancer_id}"
        if _has_failed(change, one):
            return f"{whose} did not come up: {one.reason or 'no reason'}"
        if not _is_watched(change, one):
            continue
        why = _gate_trouble(one, fleet.health.get(one.id), policy, now)
        if why:
            return f"{whose}: {why}"
    return _errors(change, fleet)


def _has_failed(change: FleetChange, one: FleetAmphora) -> bool:
    """Whether its boot failed.

    One without a server was not ordered: a controller died, or the compute
    service did not answer. That says nothing of what was to boot.
    """
    was_ordered = one.compute_id is not None or one.is_refused
    return (
        was_ordered and one.failed_at is not None and _is_watched(change, one)
    )


def _is_watched(change: FleetChange, one: FleetAmphora) -> bool:
    """Whether it was booted since the change began or was resumed."""
    return one.fleet_revision >= change.watched_revision


def _gate_trouble(
    one: FleetAmphora,
    health: Health | None,
    policy: ClusterPolicy,
    now: datetime,
) -> str:
    """That its gate is closed for half as long as makes it sick."""
    if (
        health is None
        or not one.is_there
        or one.applied_at is None
        or health.gate in (None, *OPEN)
    ):
        return ""
    since = max(one.applied_at, health.gate_since or one.applied_at)
    closed = (now - since).total_seconds()
    if closed < policy.gate_timeout / 2:
        return ""
    return f"health gate not UP for {closed:.0f} s: {health.gate_reason}"


def _errors(change: FleetChange, fleet: Fleet) -> str:
    for owner, before in sorted(change.baselines.items()):
        new = _sums(
            _since_resumed(change, one.id, fleet.health[one.id])
            for one in fleet.amphorae
            if one.load_balancer_id == owner
            and is_new(change, one)
            and one.id in fleet.health
        )
        for listener_id, count in sorted(new.items()):
            for kind in Failure:
                if why := _worse(kind, count, before.get(listener_id)):
                    return (
                        f"listener {listener_id} of load balancer {owner}: "
                        f"{why}"
                    )
    return ""


def _since_resumed(
    change: FleetChange, amphora_id: str, health: Health
) -> Health:
    """What was counted since the change was resumed last."""
    before = change.offsets.get(amphora_id, {})
    return replace(
        health,
        counted={
            listener_id: count.since(was)
            if (was := before.get(listener_id)) is not None
            else count
            for listener_id, count in health.counted.items()
        },
    )


def _worse(kind: Failure, count: Counted, earlier: Counted | None) -> str:
    """How much worse than before; empty: it is not, or too few to say."""
    found = count.of(kind)
    if found is None or count.connections < CONNECTIONS_MIN:
        return ""
    had = None if earlier is None else earlier.of(kind)
    share = found / count.connections
    what = (
        f"{found} {kind} to {count.connections} connections of new amphorae "
        f"({share:.1%})"
    )
    if earlier is not None and had is None:
        if share <= UNKNOWN_SHARE:
            return ""
        return f"{what}, and it is not known how many before"
    was = (had or 0) / earlier.connections if earlier and had else 0.0
    if share <= WORSE_FACTOR * was + WORSE_SHARE:
        return ""
    return f"{what}, and {was:.1%} before"
