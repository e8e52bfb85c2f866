# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Where an amphora stands, as far as its rows tell; for counts of many.

A reconcile asks the agent and the compute service, and :mod:`assessment`
decides by their answers. Whoever counts thousands of amphorae has only what
was recorded of them: these are the same phases, seconds older. What an
amphora announces, and whether that is old, is not told by rows, so ``mute``
and ``stale`` begin after ``gate_timeout`` here in any case.

Layer: planning. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from octavia_anycast.model.cluster import (
    AmphoraStatus,
    ClusterPolicy,
    DrainState,
)
from octavia_anycast.model.wire import GateState
from octavia_anycast.planning.amphora.assessment import Phase

_OPEN = (GateState.UP, GateState.DISABLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSummary:
    """What is counted of an agent's report.

    ``probes``: (probe, verdict) of each that the gate looked at.
    ``sessions``: (peer_id, state) of each BGP session. ``paths``: state ->
    how many. ``is_announcing``: every VIP that it was told of is announced to
    some peer. ``rescue_state``: of flow rescue; empty: the agent does not
    know it. ``rescue``: amphora_id of a member, or empty -> counter -> count.
    """

    gate: GateState
    gate_since: datetime
    probes: tuple[tuple[str, str], ...] = ()
    sessions: tuple[tuple[str, str], ...] = ()
    paths: Mapping[str, int] = field(default_factory=dict)
    is_announcing: bool = False
    connections: int = 0
    rescue_state: str = ""
    rescue: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedAmphora:
    """What is recorded of one amphora, as far as it is counted.

    ``heard_at``: the last heartbeat or answer, ``beat_at``: the last
    heartbeat; None: never. ``has_frontend``: its front-end port was plugged.
    ``said``: its last report, of ``reported_at``; None: there is none, or
    none that can be read.
    """

    amphora_id: str
    load_balancer_id: str | None
    status: AmphoraStatus
    status_since: datetime
    availability_zone: str | None = None
    has_frontend: bool = False
    cert_expiration: datetime | None = None
    applied_at: datetime | None = None
    leaving_since: datetime | None = None
    spare_since: datetime | None = None
    drain_wanted_since: datetime | None = None
    draining_since: datetime | None = None
    drained_at: datetime | None = None
    mute_since: datetime | None = None
    stale_since: datetime | None = None
    heard_at: datetime | None = None
    beat_at: datetime | None = None
    reported_at: datetime | None = None
    said: ReportSummary | None = None

    def said_since(self, since: datetime) -> ReportSummary | None:
        """Its last report, if it is not older than that."""
        if self.reported_at is None or self.reported_at < since:
            return None
        return self.said


def recorded_phase(
    amphora: CountedAmphora,
    policy: ClusterPolicy,
    now: datetime,
    said: ReportSummary | None,
) -> Phase:
    """Say in which phase an amphora is.

    :param said: its last report; None: it is too old to say anything
    """
    booting = _while_booting(amphora, policy, now, said)
    if booting is not None:
        return booting
    heard = max(amphora.status_since, amphora.heard_at or amphora.status_since)
    if _has_come_up(amphora) and _age(heard, now) > policy.dead_after:
        return Phase.SILENT
    if amphora.leaving_since is not None:
        return Phase.LEAVING
    for since, phase in (
        (amphora.mute_since, Phase.MUTE),
        (amphora.stale_since, Phase.STALE),
    ):
        if since is not None and _age(since, now) > policy.gate_timeout:
            return phase
    if amphora.drain_wanted_since is not None:
        return Phase.DRAINED
    if _is_sick(amphora, policy, now, said):
        return Phase.SICK
    return Phase.SERVING


def _while_booting(
    amphora: CountedAmphora,
    policy: ClusterPolicy,
    now: datetime,
    said: ReportSummary | None,
) -> Phase | None:
    """Say the phase of one that failed or is not up yet; None: it is up."""
    is_late = _age(amphora.status_since, now) > policy.boot_timeout
    if amphora.status is AmphoraStatus.BOOTING:
        return Phase.FAILED if is_late else Phase.BOOTING
    if amphora.status is not AmphoraStatus.ALLOCATED:
        return Phase.FAILED
    # A heartbeat is no answer: its agent may refuse whoever asks.
    was_asked = amphora.has_frontend or amphora.applied_at is not None
    if is_late and not _has_come_up(amphora):
        return Phase.FAILED
    if is_late and not was_asked and said is None:
        return _unasked(amphora, policy, now)
    return None


def _unasked(
    amphora: CountedAmphora, policy: ClusterPolicy, now: datetime
) -> Phase | None:
    """One that is heard of is given up when its agent is mute for long."""
    mute = amphora.mute_since
    is_mute = mute is not None and _age(mute, now) > policy.dead_after
    return Phase.FAILED if is_mute else None


def _has_come_up(amphora: CountedAmphora) -> bool:
    return amphora.heard_at is not None or amphora.has_frontend


def _is_sick(
    amphora: CountedAmphora,
    policy: ClusterPolicy,
    now: datetime,
    said: ReportSummary | None,
) -> bool:
    if said is None or amphora.applied_at is None or said.gate in _OPEN:
        return False
    since = max(said.gate_since, amphora.applied_at)
    return _age(since, now) > policy.gate_timeout


def recorded_drain(amphora: CountedAmphora) -> DrainState:
    """Say where its drain stands, by wish or because it leaves."""
    if amphora.leaving_since is None and amphora.drain_wanted_since is None:
        return DrainState.NONE
    if amphora.drained_at is not None:
        return DrainState.DRAINED
    if amphora.draining_since is not None:
        return DrainState.DRAINING
    return DrainState.PENDING


def _age(since: datetime, now: datetime) -> float:
    return (now - since).total_seconds()
