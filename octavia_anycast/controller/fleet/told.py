# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Events of zone drains and fleet changes, one for each change of state.

Each belongs to the distributors that are concerned. The state that was told
of last is in the row, so no controller tells it again, and one that died
before it told leaves it to the next one.

Layer: controller.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from octavia_anycast.controller.amphora import event_log
from octavia_anycast.controller.ports import World
from octavia_anycast.db.fleet import changes, zone_drains
from octavia_anycast.model.fleet.change import ChangeKind, FleetChange
from octavia_anycast.model.fleet.zone_drain import (
    Progress,
    ZoneDrain,
    ZoneDrainState,
    state_of,
)
from octavia_anycast.model.monitoring.event import (
    CAUSE_LENGTH,
    Event,
    EventKind,
    Owner,
)
from octavia_anycast.planning.fleet.zone_drain import progress


def zone_drain(world: World, drain_id: str) -> None:
    """Tell of the state that a zone drain is in, if nobody has."""
    with world.database.transaction() as session:
        drain = zone_drains.find(session, drain_id)
        if drain is None:
            return
        records = zone_drains.amphorae_of(session, [drain_id])
        counts = progress(records.get(drain_id, ()))
        announcing = zone_drains.announcing(session, [drain])
        state = state_of(drain, counts, announcing.get(drain_id, 0))
        before = zone_drains.record_told(session, drain_id, state)
        if before is None:
            return
        stored = _store(
            session,
            zone_drains.distributors_at(session, drain.place),
            kind=EventKind.ZONE_DRAIN,
            at=world.now(),
            from_state=before,
            to_state=state.value,
            cause=_why_drain(drain, state, counts),
            availability_zone=drain.availability_zone,
        )
    event_log.tell(world, stored)


def fleet_change(world: World, change_id: str) -> None:
    """Tell of the state that a fleet change is in, if nobody has."""
    with world.database.transaction() as session:
        change = changes.find_locked(session, change_id)
        if change is None:
            return
        before = changes.record_told(session, change_id, change.state)
        if before is None:
            return
        stored = _store(
            session,
            changes.distributors(session),
            kind=EventKind.FLEET_CHANGE,
            at=world.now(),
            from_state=before,
            to_state=change.state.value,
            cause=_why_change(change),
        )
    event_log.tell(world, stored)


def _store(
    session: Any,
    distributor_ids: Iterable[str],
    *,
    kind: EventKind,
    at: datetime,
    cause: str,
    **attributes: Any,
) -> list[Event]:
    made = [
        Event(
            kind=kind,
            at=at,
            owner=Owner(distributor_id=distributor_id),
            cause=cause[:CAUSE_LENGTH],
            **attributes,
        )
        for distributor_id in distributor_ids
    ]
    event_log.store(session, made)
    return made


def _why_drain(
    drain: ZoneDrain, state: ZoneDrainState, counts: Progress
) -> str:
    what = f"zone drain {drain.id} of the {drain.place}"
    if state in (ZoneDrainState.ENDING, ZoneDrainState.ENDED):
        return f"{what}: {drain.end_reason}"
    until = f"until {drain.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    why = f": {drain.reason}" if drain.reason else ""
    return f"{what} ({counts.total} amphorae) {until}{why}"


def _why_change(change: FleetChange) -> str:
    kind: str = change.kind.value
    if change.kind is ChangeKind.HOST:
        kind = f"host {change.compute_host}"
    why = f": {change.reason}" if change.reason else ""
    return f"fleet change {change.id} ({kind}){why}"
