# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What the deployment amounts to: the values of each metric.

One function for each metric, label values -> value. A value that could be
there and is not is 0, so that alerts need not ask whether it is absent.

Layer: controller. Pure.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime

from octavia_anycast.controller.metrics import families
from octavia_anycast.controller.metrics.deployment import Deployment
from octavia_anycast.controller.metrics.families import Family
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import DrainState
from octavia_anycast.model.fleet.change import ENDED, ChangeState
from octavia_anycast.model.fleet.zone_drain import ZoneDrainState
from octavia_anycast.model.wire import (
    GateState,
    PathState,
    Probe,
    ProbeVerdict,
    RescueState,
)
from octavia_anycast.planning.amphora.assessment import Phase
from octavia_anycast.planning.amphora.recorded import recorded_drain

Values = Mapping[tuple[str, ...], float]
# A label of names that people choose has at most so many values.
NAMES_MAX = 500
OTHERS = "(others)"
UNKNOWN_PEER = "(unknown)"
UNKNOWN_PATH = "unknown"
_PROVISIONING = (
    "ACTIVE",
    "ERROR",
    "PENDING_CREATE",
    "PENDING_UPDATE",
    "PENDING_DELETE",
)
_OPERATING = ("ONLINE", "DEGRADED", "ERROR", "OFFLINE")
_NOT_GOOD = (ProbeVerdict.BAD, ProbeVerdict.UNKNOWN, ProbeVerdict.PARTIAL)


def values_of(found: Deployment) -> tuple[tuple[Family, Values], ...]:
    """Every metric of the deployment, with its values."""
    return tuple((family, tally(found)) for family, tally in _TALLIES)


def _load_balancers(found: Deployment) -> Values:
    return _counted(_PROVISIONING, found.load_balancers.values())


def _clusters(found: Deployment) -> Values:
    counts = {status: x.count for status, x in found.clusters.items()}
    return _each(dict.fromkeys(_OPERATING, 0) | counts)


def _distributors(found: Deployment) -> Values:
    return _each(dict.fromkeys(_OPERATING, 0) | dict(found.distributors))


def _desired(found: Deployment) -> Values:
    return _one(sum(x.desired for x in found.clusters.values()))


def _spares_desired(found: Deployment) -> Values:
    return _one(sum(x.spares for x in found.clusters.values()))


def _serving(found: Deployment) -> Values:
    return _one(sum(x.is_serving for x in found.amphorae))


def _announcing(found: Deployment) -> Values:
    return _one(sum(x.is_announcing for x in found.amphorae))


def _spares(found: Deployment) -> Values:
    return _one(sum(x.is_ready_spare for x in found.amphorae))


def _amphorae(found: Deployment) -> Values:
    """Each phase in each zone that there is."""
    counts = Counter(
        (x.row.availability_zone or "", x.phase.value) for x in found.amphorae
    )
    names = shown_names({zone for zone, _ in counts})
    sums = _renamed(counts, names)
    return {
        (phase.value, zone): sums[zone, phase.value]
        for zone in sorted(set(names.values()))
        for phase in Phase
    }


def _sessions(found: Deployment) -> Values:
    """Each state of each peer that anybody has a session with."""
    counts: Counter[tuple[str, str]] = Counter()
    for amphora in found.in_use:
        last = amphora.row.said
        for peer_id, state in last.sessions if last else ():
            name = found.peer_names.get(peer_id, UNKNOWN_PEER)
            is_fresh = amphora.said is not None
            counts[name, state if is_fresh else SessionState.UNKNOWN] += 1
    names = shown_names({name for name, _ in counts})
    sums = _renamed(counts, names)
    return {
        (name, state.value): sums[name, state.value]
        for name in sorted(set(names.values()))
        for state in SessionState
    }


def _paths(found: Deployment) -> Values:
    states = (*(state.value for state in PathState), UNKNOWN_PATH)
    counts = Counter(dict.fromkeys(states, 0))
    for amphora in found.in_use:
        last = amphora.row.said
        if amphora.said is not None:
            counts.update(amphora.said.paths)
        elif last is not None:
            counts[UNKNOWN_PATH] += sum(last.paths.values())
    return _each(counts)


def _gates(found: Deployment) -> Values:
    said = (x.said for x in found.in_use)
    return _counted(GateState, (x.gate for x in said if x is not None))


def _gate_probes(found: Deployment) -> Values:
    counts = Counter(
        pair
        for amphora in found.in_use
        if amphora.said is not None
        for pair in amphora.said.probes
    )
    return {
        (probe.value, verdict.value): counts[probe.value, verdict.value]
        for probe in Probe
        for verdict in _NOT_GOOD
    }


def _drains(found: Deployment) -> Values:
    states = [recorded_drain(x.row) for x in found.in_use]
    values = dict(_counted(DrainState, states))
    values.pop((DrainState.NONE.value,))
    return values


def _drain_connections(found: Deployment) -> Values:
    return _one(
        sum(
            x.said.connections
            for x in found.in_use
            if x.said is not None
            and recorded_drain(x.row) is DrainState.DRAINING
        )
    )


def _replacements(found: Deployment) -> Values:
    return _one(found.replacements)


def _replacement_limit(found: Deployment) -> Values:
    return _one(found.policy.replacement_limit)


def _zone_drains(found: Deployment) -> Values:
    counts = found.fleet.zone_drains
    return {
        (state.value,): counts.get(state, 0)
        for state in ZoneDrainState
        if state is not ZoneDrainState.ENDED
    }


def _zone_drain_amphorae(found: Deployment) -> Values:
    return _each(asdict(found.fleet.drained))


def _fleet_changes(found: Deployment) -> Values:
    return {
        (state.value,): float(state is found.fleet.change)
        for state in ChangeState
        if state not in ENDED
    }


def _fleet_change_amphorae(found: Deployment) -> Values:
    counts, soaking = asdict(found.fleet.progress), found.fleet.soaking
    counts["under_way"] -= soaking
    return _each(counts | {"soaking": soaking})


def _heartbeat_age(found: Deployment) -> Values:
    beats = (x.row.beat_at for x in found.in_use)
    ages = (_age(found, at) for at in beats if at is not None)
    return _one(max(ages, default=0.0))


def _heartbeats_missing(found: Deployment) -> Values:
    """Counted from its boot, or from its last heartbeat."""
    since = (
        max(x.row.status_since, x.row.beat_at or x.row.status_since)
        for x in found.in_use
    )
    limit = found.policy.dead_after
    return _one(sum(_age(found, at) > limit for at in since))


def _reports_missing(found: Deployment) -> Values:
    return _one(
        sum(
            x.said is None and x.row.applied_at is not None
            for x in found.in_use
        )
    )


def _certificate_expiry(found: Deployment) -> Values:
    ends = (x.row.cert_expiration for x in found.in_use)
    first = min((end for end in ends if end is not None), default=None)
    return {} if first is None else _one(first.timestamp())


def _rescue_amphorae(found: Deployment) -> Values:
    states = (x.said.rescue_state for x in found.in_use if x.said is not None)
    return _counted(RescueState, (state for state in states if state))


def _balancer_amphorae(found: Deployment) -> Values:
    counts: Counter[tuple[str, str]] = Counter()
    for amphora in found.amphorae:
        owner = amphora.row.load_balancer_id or ""
        counts[owner, "serving"] += amphora.is_serving
        counts[owner, "announcing"] += amphora.is_announcing
        counts[owner, "spare"] += amphora.is_ready_spare
    values: dict[tuple[str, ...], float] = {}
    for owner, size in sorted(found.desired_sizes.items()):
        values[owner, "desired"] = size
        for count in ("serving", "announcing", "spare"):
            values[owner, count] = counts[owner, count]
    return values


_TALLIES: tuple[tuple[Family, Callable[[Deployment], Values]], ...] = (
    (families.LOAD_BALANCERS, _load_balancers),
    (families.CLUSTERS, _clusters),
    (families.AMPHORAE_DESIRED, _desired),
    (families.AMPHORAE_SERVING, _serving),
    (families.AMPHORAE_ANNOUNCING, _announcing),
    (families.SPARES_DESIRED, _spares_desired),
    (families.SPARES, _spares),
    (families.AMPHORAE, _amphorae),
    (families.BALANCER_AMPHORAE, _balancer_amphorae),
    (families.DISTRIBUTORS, _distributors),
    (families.BGP_SESSIONS, _sessions),
    (families.PATHS, _paths),
    (families.GATES, _gates),
    (families.GATE_PROBES, _gate_probes),
    (families.DRAINS, _drains),
    (families.DRAIN_CONNECTIONS, _drain_connections),
    (families.ZONE_DRAINS, _zone_drains),
    (families.ZONE_DRAIN_AMPHORAE, _zone_drain_amphorae),
    (families.FLEET_CHANGES, _fleet_changes),
    (families.FLEET_CHANGE_AMPHORAE, _fleet_change_amphorae),
    (families.REPLACEMENTS, _replacements),
    (families.REPLACEMENT_LIMIT, _replacement_limit),
    (families.HEARTBEAT_AGE, _heartbeat_age),
    (families.HEARTBEATS_MISSING, _heartbeats_missing),
    (families.REPORTS_MISSING, _reports_missing),
    (families.CERTIFICATE_EXPIRY, _certificate_expiry),
    (families.RESCUE_AMPHORAE, _rescue_amphorae),
)


def _age(found: Deployment, since: datetime) -> float:
    return max(0.0, (found.now - since).total_seconds())


def _one(value: float) -> Values:
    return {(): value}


def _each(counts: Mapping[str, int]) -> Values:
    return {(name,): count for name, count in counts.items()}


def _counted(all_of: Iterable[str], seen: Iterable[str]) -> Values:
    """How often each was seen, and 0 for the others."""
    counts = Counter({str(one): 0 for one in all_of})
    counts.update(str(one) for one in seen)
    return _each(counts)


def shown_names(names: Iterable[str]) -> dict[str, str]:
    """Name -> label value: the first ones by name, all others as one."""
    ordered = sorted(names)
    first, rest = ordered[:NAMES_MAX], ordered[NAMES_MAX:]
    return {name: name for name in first} | dict.fromkeys(rest, OTHERS)


def _renamed(
    counts: Mapping[tuple[str, str], int], names: Mapping[str, str]
) -> Counter[tuple[str, str]]:
    sums: Counter[tuple[str, str]] = Counter()
    for (name, other), count in counts.items():
        sums[names[name], other] += count
    return sums
