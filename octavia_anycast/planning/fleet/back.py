# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""How a fleet change that halts or is aborted takes back what it can.

Layer: planning. Pure.
"""

from datetime import datetime, timedelta
from typing import Any

from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.fleet.change import (
    FleetAmphora,
    FleetChange,
    Health,
)
from octavia_anycast.planning.fleet.reach import Fleet, is_new, under_way

# So long an old amphora may take to announce again before the new one goes.
RETURN_SECONDS = 600.0
_UNDRAINED = {
    "drain_wanted_since": None,
    "drain_deadline": None,
    "draining_since": None,
    "drained_at": None,
    "finishing_since": None,
}


def taken_back(
    change: FleetChange, fleet: Fleet, now: datetime
) -> dict[str, dict[str, Any]]:
    """amphora_id -> marks that take back what can be; step by step.

    The old amphora of a canary announces again before the new one leaves.
    Whoever leaves already goes on.
    """
    found: dict[str, dict[str, Any]] = {}
    for one in under_way(change, fleet):
        if one.leaving_since is not None:
            continue
        if one.stand_in_wanted and one.drain_wanted_since is not None:
            found[one.id] = dict(_UNDRAINED)
        elif one.stand_in_wanted:
            if not _is_back(change, fleet, one, now):
                continue
            found[one.id] = {
                "stand_in_wanted": False,
                "fleet_change_id": None,
            }
            for new in _new_of(change, fleet, one)[:1]:
                found[new.id] = {"failover_wanted": True}
        elif one.failover_wanted:
            found[one.id] = {
                "failover_wanted": False,
                "fleet_change_id": None,
                **(_UNDRAINED if one.drain_wanted_since else {}),
            }
        else:  # somebody else has it now
            found[one.id] = {"fleet_change_id": None}
    return found


def _new_of(
    change: FleetChange, fleet: Fleet, old: FleetAmphora
) -> tuple[FleetAmphora, ...]:
    """Those that may serve in the place of an old one, the first one first.

    What its user has scaled out since then came later.
    """
    return tuple(
        one
        for one in fleet.amphorae
        if one.load_balancer_id == old.load_balancer_id
        and one.status is AmphoraStatus.ALLOCATED
        and is_new(change, one)
        and one.leaving_since is None
    )


def _is_back(
    change: FleetChange, fleet: Fleet, one: FleetAmphora, now: datetime
) -> bool:
    """Whether it announces what others of its cluster do, or is late."""
    since = change.stopped_at or now
    if now >= since + timedelta(seconds=RETURN_SECONDS):
        return True
    own = fleet.health.get(one.id, Health()).announced
    return all(
        fleet.health[other.id].announced <= own
        for other in fleet.amphorae
        if other.load_balancer_id == one.load_balancer_id
        and other.id in fleet.health
        and other.is_there
    )
