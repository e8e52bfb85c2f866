# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A canary: how far the amphora in the place of an old one has proven.

Layer: planning. Pure.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.fleet.change import (
    FleetAmphora,
    FleetChange,
    Health,
)
from octavia_anycast.model.wire import GateState

OPEN = (GateState.UP, GateState.DISABLED, GateState.FALLING)


class Trial(Enum):
    """How a canary stands."""

    WAITS = auto()  # the new one does not serve yet, or not for long enough
    PROVEN = auto()
    LOST = auto()  # neither the old one nor a new one is there to try


def trial(
    change: FleetChange,
    canary_id: str,
    amphorae: Sequence[FleetAmphora],
    health: Mapping[str, Health],
    now: datetime,
) -> Trial:
    """Say how a canary stands.

    The old one may be gone, by a failover of its user or by a fault: the new
    one has to serve for as long all the same.
    """
    old = next((one for one in amphorae if one.id == canary_id), None)
    if old is None:
        return Trial.LOST
    own = [
        one
        for one in amphorae
        if one.is_there and one.load_balancer_id == old.load_balancer_id
    ]
    new = [
        one
        for one in own
        if one.fleet_revision >= change.revision and one.leaving_since is None
    ]
    has_old = old.is_there and old.fleet_change_id == change.id
    if has_old and (old.drained_at is None or not new):
        return Trial.WAITS
    announced = frozenset[IPAddress]().union(
        *(health[one.id].announced for one in own if one.id in health)
    )
    is_idle = not announced and not has_old
    if not new or (is_idle and all(_may_serve(one, health) for one in new)):
        return Trial.LOST
    since = [
        served
        for one in new
        if (served := _served_since(one, health, announced)) is not None
    ]
    if is_idle or not since:
        return Trial.WAITS
    begun = min(since)
    if has_old and old.drained_at is not None:
        begun = max(begun, old.drained_at)
    soak = timedelta(seconds=change.soak)
    return Trial.PROVEN if now >= begun + soak else Trial.WAITS


def _served_since(
    one: FleetAmphora,
    health: Mapping[str, Health],
    announced: frozenset[IPAddress],
) -> datetime | None:
    """Since when it announces what its cluster does, or stands by for it."""
    if not _may_serve(one, health) or one.applied_at is None:
        return None
    said = health[one.id]
    if one.spare_since is None and not announced <= said.announced:
        return None
    return max(one.applied_at, said.gate_since or one.applied_at)


def _may_serve(one: FleetAmphora, health: Mapping[str, Health]) -> bool:
    return (
        one.status is AmphoraStatus.ALLOCATED
        and one.applied_at is not None
        and one.id in health
        and health[one.id].gate in OPEN
    )
