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

from octavia_anycast.model.cluster import AmphoraStatus, ClusterPolicy
from octavia_anycast.model.fleet.change import (
    ENDED,
    ChangeKind,
    ChangeState,
    Counted,
    Failure,
    FleetAmphora,
    FleetChange,
    Health,
)
from octavia_anycast.planning.fleet.canary import OPEN, Trial, trial

# An error rate says something when so many connections were counted.
CONNECTIONS_MIN = 100
# Above twice what it was before and so much, it is worse.
WORSE_FACTOR, WORSE_SHARE = 2.0, 0.01
# Too much, where it is not known how much it was before.
UNKNOWN_SHARE = 0.5
# So long an old amphora may take to announce again before the new one goes.
RETURN_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What is known of all amphorae of load balancers.

    ``amphorae``: DELETED ones too, if they failed since the change began.
    ``health``: of those whose load balancers the change works on.
    ``unmanaged``: load balancers whose cluster manager is off. ``silent``:
    amphorae whose agents have said nothing for some time; certificates only.
    """

    amphorae: tuple[FleetAmphora, ...] = ()
    health: Mapping[str, Health] = field(default_factory=dict)
    unmanaged: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is done now: the change afterwards, and amphora_id -> marks.

    ``renewals``: the amphorae whose agents get a new certificate.
    """

    change: FleetChange
    marks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    renewals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetProgress:
    """Amphorae by where the change stands with them.

    ``waiting``: to be replaced; ``held``: in a cluster that nobody manages,
    drained, or of an image that is not known, so not yet.
    """

    replaced: int = 0
    under_way: int = 0
    waiting: int = 0
    held: int = 0


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


def due(change: FleetChange, fleet: Fleet) -> tuple[FleetAmphora, ...]:
    """Those that are to be replaced and are not yet being so."""
    new_images = _new_images(change, fleet.amphorae)
    return tuple(
        one
        for one in fleet.amphorae
        if one.status is AmphoraStatus.ALLOCATED
        and one.load_balancer_id is not None
        and not _is_new(change, one)
        and one.leaving_since is None
        and one.fleet_change_id != change.id
        and not one.failover_wanted
        and _is_meant(change, one, new_images)
    )


def _is_left(change: FleetChange, fleet: Fleet) -> bool:
    """Whether any is to be replaced, or boots from what was before."""
    return bool(due(change, fleet)) or any(
        one.status is AmphoraStatus.BOOTING
        and one.load_balancer_id is not None
        and one.leaving_since is None
        and not _is_new(change, one)
        for one in fleet.amphorae
    )


def _is_new(change: FleetChange, one: FleetAmphora) -> bool:
    """Whether it was booted since the change began; no clock says that."""
    return one.fleet_revision >= change.revision


def _is_meant(
    change: FleetChange, one: FleetAmphora, new_images: frozenset[str]
) -> bool:
    if change.kind is ChangeKind.CERTIFICATE:
        return True  # one that has a new one counts as new itself
    if change.kind is ChangeKind.HOST:
        return one.compute_host == change.compute_host
    return one.image_id is None or one.image_id not in new_images


def _new_images(
    change: FleetChange, amphorae: Iterable[FleetAmphora]
) -> frozenset[str]:
    """The images that boot now: flavors may name several tags.

    One that is not known (empty, of a server from a volume) is none of them.
    """
    return frozenset(
        one.image_id
        for one in amphorae
        if one.image_id and _is_new(change, one)
    )


def _is_held(change: FleetChange, fleet: Fleet, one: FleetAmphora) -> bool:
    """Whether nothing can be done with it now."""
    if change.kind is ChangeKind.CERTIFICATE:
        # It needs neither a manager nor to be in service, but an answer.
        return one.id in fleet.silent
    is_unknown = change.kind is ChangeKind.IMAGE and one.image_id is None
    return (
        is_unknown
        or one.load_balancer_id in fleet.unmanaged
        or one.drain_wanted_since is not None
    )


def under_way(change: FleetChange, fleet: Fleet) -> tuple[FleetAmphora, ...]:
    """Those that are being replaced."""
    return tuple(
        one
        for one in fleet.amphorae
        if one.fleet_change_id == change.id and one.is_there
    )


def progress(change: FleetChange, fleet: Fleet) -> FleetProgress:
    """Count amphorae by where the change stands with them."""
    wanted = due(change, fleet)
    held = sum(_is_held(change, fleet, one) for one in wanted)
    return FleetProgress(
        replaced=sum(_is_done(change, one) for one in fleet.amphorae),
        under_way=len(under_way(change, fleet)),
        waiting=len(wanted) - held,
        held=held,
    )


def soaking(change: FleetChange, fleet: Fleet) -> int:
    """How many canaries under way have a new amphora that serves."""
    if change.is_proven:
        return 0
    return sum(
        one.stand_in_wanted and one.drained_at is not None
        for one in under_way(change, fleet)
    )


def _is_done(change: FleetChange, one: FleetAmphora) -> bool:
    if change.kind is ChangeKind.CERTIFICATE:
        return one.is_there and _is_new(change, one)
    return one.fleet_change_id == change.id and not one.is_there


def _renew(change: FleetChange, fleet: Fleet, now: datetime) -> Step:
    """Whose agents get a new certificate now; the canaries alone first."""
    is_first = not change.is_proven and change.canaries > 0
    chosen = _one_of_each(
        change,
        fleet,
        change.canaries if is_first else change.parallel,
        largest_first=is_first,
    )
    if not chosen and _is_left(change, fleet):
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
    if under_way(change, fleet) or _is_left(change, fleet):
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
        if one.load_balancer_id in busy or _is_held(change, fleet, one):
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
            kept[owner] = _counted(fleet, owner)
    return replace(change, baselines=kept)


def _young(change: FleetChange, fleet: Fleet, now: datetime) -> frozenset[str]:
    """The load balancers with an amphora that is new since a short time."""
    since = now - timedelta(seconds=change.soak)
    return frozenset(
        one.load_balancer_id
        for one in fleet.amphorae
        if one.load_balancer_id is not None
        and _is_new(change, one)
        and (one.applied_at is None or one.applied_at >= since)
        and one.is_there
    )


def _counted(fleet: Fleet, owner: str) -> dict[str, Counted]:
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
        if _is_new(change, one) and one.id in fleet.health
    }
    return replace(again, offsets=counted)


# What goes wrong


def trouble(
    change: FleetChange, fleet: Fleet, policy: ClusterPolicy, now: datetime
) -> str:
    """Why it halts, as a sentence; empty: nothing is wrong.

    A boot that failed, a health gate that stays closed, or a listener with
    more errors than before, each of new amphorae.
    """
    for one in fleet.amphorae:
        if one.load_balancer_id not in change.baselines or not _is_new(
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
            and _is_new(change, one)
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


# Back


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
            found[one.id] = {
                "drain_wanted_since": None,
                "drain_deadline": None,
                "draining_since": None,
                "drained_at": None,
                "finishing_since": None,
            }
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
                **_undrained(one),
            }
        else:  # somebody else has it now
            found[one.id] = {"fleet_change_id": None}
    return found


def _undrained(one: FleetAmphora) -> dict[str, Any]:
    if one.drain_wanted_since is None:
        return {}
    return {
        "drain_wanted_since": None,
        "drain_deadline": None,
        "draining_since": None,
        "drained_at": None,
        "finishing_since": None,
    }


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
        and _is_new(change, one)
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
