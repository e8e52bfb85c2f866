# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A fleet change: which amphorae are replaced next, and when it halts.

Layer: planning. Pure. What is planned are marks in the rows of amphorae; the
look at each cluster carries them out
(:mod:`octavia_anycast.planning.amphora`).

A canary is an amphora with a stand-in: the new one boots beside it and
serves, the old one drains and waits. If the new one proves well, the old one
leaves; if not, the old one announces again and the new one leaves. The others
are replaced as by a failover, one of each cluster at a time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from octavia_anycast.model.cluster import ClusterPolicy
from octavia_anycast.model.fleet.change import (
    ENDED,
    ChangeKind,
    ChangeState,
    FleetAmphora,
    FleetChange,
)
from octavia_anycast.planning.fleet.back import taken_back
from octavia_anycast.planning.fleet.canary import Trial, trial
from octavia_anycast.planning.fleet.reach import (
    Fleet,
    due,
    is_held,
    is_left,
    is_new,
    under_way,
)
from octavia_anycast.planning.fleet.trouble import counted_of, trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is done now: the change afterwards, and amphora_id -> marks.

    ``renewals``: the amphorae whose agents get a new certificate.
    """

    change: FleetChange
    marks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    renewals: tuple[str, ...] = ()


def advance(
    change: FleetChange, fleet: Fleet, policy: ClusterPolicy, now: datetime
) -> Step:
    """Say what is to be done now; idempotent.

    What is under way goes on by itself while it is PAUSED.
    """
    if change.state in (ChangeState.HALTED, *ENDED):
        return Step(change=change, marks=taken_back(change, fleet, now))
    if change.state is ChangeState.PAUSED:
        return Step(change=change)
    if change.kind is ChangeKind.CERTIFICATE:
        return _renew(change, fleet, now)
    why = trouble(change, fleet, policy, now)
    if why:
        stopped = replace(
            change, state=ChangeState.HALTED, reason=why, stopped_at=now
        )
        return Step(change=stopped, marks=taken_back(stopped, fleet, now))
    if not change.is_proven and change.canaries:
        return _prove(change, fleet, policy, now)
    return _roll(change, fleet, now)


def _renew(change: FleetChange, fleet: Fleet, now: datetime) -> Step:
    """Whose agents get a new certificate now; the canaries alone first."""
    is_first = not change.is_proven and change.canaries > 0
    chosen = _one_of_each(
        change,
        fleet,
        change.canaries if is_first else change.parallel,
        largest_first=is_first,
    )
    if not chosen and is_left(change, fleet):
        return Step(change=replace(change, reason=_waits_for(change, fleet)))
    if not chosen:
        done = replace(
            change,
            state=ChangeState.DONE,
            reason="all have a new certificate",
            ended_at=now,
        )
        return Step(change=done)
    return Step(
        change=replace(change, reason=""),
        renewals=tuple(one.id for one in chosen),
    )


def _waits_for(change: FleetChange, fleet: Fleet) -> str:
    """Whose agents are silent, in a sentence; empty: nobody's."""
    silent = [one.id for one in due(change, fleet) if one.id in fleet.silent]
    if not silent:
        return ""
    return (
        f"{len(silent)} amphorae are held, whose agents do not answer; one "
        f"is {silent[0]}"
    )


def after_renewals(
    change: FleetChange,
    failures: Sequence[str],
    now: datetime,
    *,
    renewed: int,
) -> FleetChange:
    """The change when some agents were to get new certificates.

    :param renewed: so many did; without any nothing has proven
    """
    if change.state is not ChangeState.RUNNING:
        return change
    if failures:
        return replace(
            change,
            state=ChangeState.HALTED,
            reason=failures[0],
            stopped_at=now,
        )
    return replace(change, is_proven=change.is_proven or renewed > 0)


def _prove(
    change: FleetChange, fleet: Fleet, policy: ClusterPolicy, now: datetime
) -> Step:
    """Have a few load balancers try the new one out.

    A canary that is lost proves nothing: others are tried in its place.
    """
    if not change.canary_ids:
        return _choose_canaries(change, fleet, policy, now, change.canaries)
    trials = {
        id_: trial(change, id_, fleet.amphorae, fleet.health, now)
        for id_ in change.canary_ids
    }
    left = tuple(id_ for id_, one in trials.items() if one is not Trial.LOST)
    lost = len(trials) - len(left)
    if lost:
        fewer = replace(change, canary_ids=left)
        return _choose_canaries(fewer, fleet, policy, now, lost)
    if Trial.WAITS in trials.values():
        return Step(change=change)
    return Step(
        change=replace(change, is_proven=True),
        marks={
            one.id: {"stand_in_wanted": False, "failover_wanted": True}
            for one in under_way(change, fleet)
            if one.id in left and one.stand_in_wanted
        },
    )


def _choose_canaries(
    change: FleetChange,
    fleet: Fleet,
    policy: ClusterPolicy,
    now: datetime,
    count: int,
) -> Step:
    """One amphora in each of some clusters, beside the canaries there are.

    Of the largest ones, in which a bad one gets the smallest share; with
    spares only if there are no others: a new one might stand by.
    """
    chosen = _one_of_each(change, fleet, count, largest_first=True)
    if not chosen:
        return (
            Step(change=change)
            if change.canary_ids
            else _ended(change, fleet, now)
        )
    marks = {
        one.id: {
            "fleet_change_id": change.id,
            "stand_in_wanted": True,
            "drain_wanted_since": now,
            "drain_deadline": now + timedelta(seconds=policy.drain_timeout),
            "draining_since": None,
            "drained_at": None,
            "finishing_since": None,
        }
        for one in chosen
    }
    ids = (*change.canary_ids, *(one.id for one in chosen))
    return Step(
        change=_watching(replace(change, canary_ids=ids), fleet, chosen, now),
        marks=marks,
    )


def _ended(change: FleetChange, fleet: Fleet, now: datetime) -> Step:
    """The change, which is DONE if nothing is left to do."""
    if under_way(change, fleet) or is_left(change, fleet):
        return Step(change=change)
    done = replace(
        change,
        state=ChangeState.DONE,
        reason="all are replaced",
        baselines={},
        offsets={},
        ended_at=now,
    )
    return Step(change=done)


def _roll(change: FleetChange, fleet: Fleet, now: datetime) -> Step:
    """Replace as many at the same time as may be."""
    busy = under_way(change, fleet)
    room = change.parallel - len(busy)
    chosen = _one_of_each(change, fleet, room) if room > 0 else ()
    if not chosen:
        return _ended(change, fleet, now)
    marks = {
        one.id: {"fleet_change_id": change.id, "failover_wanted": True}
        for one in chosen
    }
    return Step(change=_watching(change, fleet, chosen, now), marks=marks)


def _one_of_each(
    change: FleetChange,
    fleet: Fleet,
    count: int,
    *,
    largest_first: bool = False,
) -> tuple[FleetAmphora, ...]:
    """At most one of each cluster in which none is under way."""
    busy = {one.load_balancer_id for one in under_way(change, fleet)}
    sizes: dict[str | None, int] = {}
    for one in fleet.amphorae:
        if one.is_there:
            owner = one.load_balancer_id
            sizes[owner] = sizes.get(owner, 0) + 1
    with_spares = {
        one.load_balancer_id
        for one in fleet.amphorae
        if one.is_there and one.spare_since is not None
    }
    candidates: dict[str | None, FleetAmphora] = {}
    for one in sorted(due(change, fleet), key=_is_spare):
        if one.load_balancer_id in busy or is_held(change, fleet, one):
            continue
        candidates.setdefault(one.load_balancer_id, one)

    def rank(one: FleetAmphora) -> tuple[bool, int, str]:
        owner = one.load_balancer_id
        if not largest_first:
            return False, 0, owner or ""
        return owner in with_spares, -sizes.get(owner, 0), owner or ""

    return tuple(sorted(candidates.values(), key=rank)[:count])


def _is_spare(one: FleetAmphora) -> bool:
    return one.spare_since is not None


def _watching(
    change: FleetChange,
    fleet: Fleet,
    chosen: Iterable[FleetAmphora],
    now: datetime,
) -> FleetChange:
    """The change, with what their listeners counted before.

    Clusters with nothing left to replace are forgotten, but for those whose
    new amphorae serve since a short time only, or prove.
    """
    tried = {
        one.load_balancer_id
        for one in fleet.amphorae
        if not change.is_proven and one.id in change.canary_ids
    }
    busy = {one.load_balancer_id for one in under_way(change, fleet)}
    left = {one.load_balancer_id for one in due(change, fleet)}
    young = _young(change, fleet, now)
    kept = {
        owner: before
        for owner, before in change.baselines.items()
        if owner in busy | left | young | tried
    }
    for one in chosen:
        owner = one.load_balancer_id or ""
        if owner not in kept:
            kept[owner] = counted_of(fleet, owner)
    return replace(change, baselines=kept)


def _young(change: FleetChange, fleet: Fleet, now: datetime) -> frozenset[str]:
    """The load balancers with an amphora that is new since a short time."""
    since = now - timedelta(seconds=change.soak)
    return frozenset(
        one.load_balancer_id
        for one in fleet.amphorae
        if one.load_balancer_id is not None
        and is_new(change, one)
        and (one.applied_at is None or one.applied_at >= since)
        and one.is_there
    )


def begun_again(change: FleetChange, fleet: Fleet, asked: int) -> FleetChange:
    """One that halted, to be resumed: what had gone wrong is of before.

    Without canaries that have proven it begins anew.

    :param asked: the revision of the fleet from now on
    """
    again = replace(change, watched_revision=asked, stopped_at=None)
    if not change.is_proven:
        return replace(
            again, revision=asked, canary_ids=(), baselines={}, offsets={}
        )
    counted = {
        one.id: fleet.health[one.id].counted
        for one in fleet.amphorae
        if is_new(change, one) and one.id in fleet.health
    }
    return replace(again, offsets=counted)
