# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Zone drains and the fleet change that go on, counted for metrics.

Two queries where nothing goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from octavia_anycast.db.fleet import changes, zone_drains
from octavia_anycast.model.fleet.change import ChangeState
from octavia_anycast.model.fleet.zone_drain import (
    Progress,
    ZoneDrainState,
    state_of,
)
from octavia_anycast.planning.fleet import reach
from octavia_anycast.planning.fleet.reach import (
    FleetProgress,
)
from octavia_anycast.planning.fleet.zone_drain import progress


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTotals:
    """What is asked of many clusters at once, and how far that is.

    ``zone_drains``: how many are in each state, without those that ended;
    ``drained``: the amphorae of all of them. ``change``: the state of the
    fleet change that has not ended; None: there is none. ``soaking``: those
    canaries under way whose new amphorae serve.
    """

    zone_drains: Mapping[ZoneDrainState, int] = field(default_factory=dict)
    drained: Progress = field(default_factory=Progress)
    change: ChangeState | None = None
    progress: FleetProgress = field(default_factory=FleetProgress)
    soaking: int = 0


def read(session: Session, now: datetime) -> FleetTotals:
    """Count them."""
    states: dict[ZoneDrainState, int] = {}
    drains = zone_drains.active(session)
    ids = [drain.id for drain in drains]
    records = zone_drains.amphorae_of(session, ids) if ids else {}
    announcing = zone_drains.announcing(session, drains)
    for drain in drains:
        state = state_of(
            drain,
            progress(records.get(drain.id, ())),
            announcing.get(drain.id, 0),
        )
        states[state] = states.get(state, 0) + 1
    drained = progress(one for some in records.values() for one in some)
    change = changes.active(session)
    if change is None:
        return FleetTotals(zone_drains=states, drained=drained)
    fleet = changes.without_health(session, change, now)
    return FleetTotals(
        zone_drains=states,
        drained=drained,
        change=change.state,
        progress=reach.progress(change, fleet),
        soaking=reach.soaking(change, fleet),
    )
