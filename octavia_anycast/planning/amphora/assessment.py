# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Assessment: where each amphora stands, whomever it announces.

Layer: planning. Pure. One amphora at a time here, except for
:class:`AmphoraGroup`, which counts those of one load balancer or one
distributor.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ComputeState,
    Desired,
    DesiredCluster,
    ObservedAmphora,
    ObservedCluster,
)
from octavia_anycast.model.wire import GateState, Probe, ProbeVerdict

D_co = TypeVar("D_co", bound=Desired, covariant=True)
# One whose server is known to be stopped is silent after a share of the time.
STOPPED_SHARE = 3
# What the fabric holds of an amphora: VIPs of its load balancer, or all that
# a distributor's own is to announce as one.
Paths = frozenset[Any]


class Phase(StrEnum):
    """Where an amphora stands in its life."""

    BOOTING = "booting"
    SERVING = "serving"  # it serves, or is on its way to
    DRAINED = "drained"  # out of service by wish, or about to be
    LEAVING = "leaving"
    SILENT = "silent"  # neither agent nor heartbeat: dead or cut off
    MUTE = "mute"  # it lives, but its agent does not answer
    STALE = "stale"  # it does not take the configuration that others have
    SICK = "sick"  # it answers, but its health gate stays closed
    FAILED = "failed"  # its server is gone, or it never came up


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One amphora, its phase, and why."""

    amphora: ObservedAmphora
    phase: Phase
    reason: str = ""

    @property
    def id(self) -> str:
        """The amphora's id."""
        return self.amphora.record.id

    @property
    def is_live(self) -> bool:
        """Whether it counts towards the cluster's size."""
        return self.phase in (Phase.BOOTING, Phase.SERVING, Phase.DRAINED)


def assess(
    desired: Desired, amphora: ObservedAmphora, now: datetime
) -> Assessment:
    """Say where one amphora stands."""
    phase, reason = _phase(desired, amphora, now)
    return Assessment(amphora=amphora, phase=phase, reason=reason)


def _phase(
    desired: Desired, amphora: ObservedAmphora, now: datetime
) -> tuple[Phase, str]:
    record = amphora.record
    if record.status in (AmphoraStatus.ERROR, AmphoraStatus.PENDING_DELETE):
        return Phase.FAILED, record.reason or "marked for deletion"
    is_gone = amphora.compute_state in (ComputeState.ERROR, ComputeState.GONE)
    if is_gone and amphora.report is None:
        fault = f": {amphora.compute_fault}" if amphora.compute_fault else ""
        return Phase.FAILED, f"its server is {amphora.compute_state}{fault}"
    age = (now - record.status_since).total_seconds()
    if record.status is AmphoraStatus.BOOTING:
        if age > desired.policy.boot_timeout:
            return Phase.FAILED, f"not booted after {age:.0f} s"
        return Phase.BOOTING, ""
    never_came_up = _never_came_up(desired, amphora, now)
    if never_came_up:
        return Phase.FAILED, never_came_up
    silence = _silence(desired, amphora, age)
    if silence:
        return Phase.SILENT, silence
    if record.leaving_since is not None:
        return Phase.LEAVING, record.reason
    mute = _muteness(desired, amphora, now)
    if mute:
        return Phase.MUTE, mute
    stale = _staleness(desired, amphora, now)
    if stale:
        return Phase.STALE, stale
    if record.drain_wanted_since is not None:
        return Phase.DRAINED, _drain_in_words(record)
    sick = _sickness(desired, amphora, now)
    if sick:
        return Phase.SICK, sick
    return Phase.SERVING, ""


def _drain_in_words(record: AmphoraRecord) -> str:
    by = "by wish"
    if record.zone_drain_id is not None:
        by = f"by zone drain {record.zone_drain_id}"
    elif record.fleet_change_id is not None:
        by = f"by fleet change {record.fleet_change_id}"
    if record.drained_at is not None:
        return f"drained {by}"
    if record.draining_since is not None:
        return f"drains {by}"
    if record.stand_in_wanted:
        return f"to be drained {by}, when a stand-in serves"
    return f"to be drained {by}"


def _silence(desired: Desired, amphora: ObservedAmphora, age: float) -> str:
    """Say that nothing is heard of it for too long, if so.

    Where the compute service says that its server has no power, silence has
    one cause less: no network lost what it sent.
    """
    if not _has_come_up(amphora):
        return ""
    silent, limit = amphora.silent_seconds, desired.policy.dead_after
    if silent is None:
        silent = age
    words = f"not heard of for {silent:.0f} s"
    if silent > limit:
        return words
    is_stopped = (
        amphora.report is None
        and amphora.compute_state is ComputeState.STOPPED
    )
    if is_stopped and silent > limit / STOPPED_SHARE:
        return f"its server is stopped, and {words}"
    return ""


def _has_come_up(amphora: ObservedAmphora) -> bool:
    """Whether it was ever heard of; a booting guest is not silent yet."""
    return (
        amphora.silent_seconds is not None
        or amphora.record.frontend is not None
    )


def _never_came_up(
    desired: Desired, amphora: ObservedAmphora, now: datetime
) -> str:
    """Say that nobody could ever ask its agent; a heartbeat is no answer."""
    record, policy = amphora.record, desired.policy
    age = (now - record.status_since).total_seconds()
    if amphora.report is not None or age <= policy.boot_timeout:
        return ""
    words = f"its agent did not answer within {age:.0f} s"
    if not _has_come_up(amphora):
        return words
    if record.frontend is not None or record.applied_at is not None:
        return ""
    # It may have answered before, and wait for its front end.
    if not amphora.is_agent_mute or record.mute_since is None:
        return ""
    if (now - record.mute_since).total_seconds() <= policy.dead_after:
        return ""
    return f"{words}, though its heartbeats arrive: {amphora.report_error}"


def _muteness(
    desired: Desired, amphora: ObservedAmphora, now: datetime
) -> str:
    """Say that its agent has not answered for too long, if so.

    One that announces with an old configuration is a danger (invariant 7);
    one that does not, or has the current one, has time to heal. Where a wrong
    clock is to blame, one with the current one has all the time.
    """
    record = amphora.record
    if record.mute_since is None or not amphora.is_agent_mute:
        return ""
    mute = (now - record.mute_since).total_seconds()
    policy = desired.policy
    is_current = is_up_to_date(desired, amphora)
    if is_current and amphora.is_not_yet_valid:
        return ""
    is_danger = not is_current and (
        amphora.report is None or is_announcing_any(desired, amphora)
    )
    if mute <= (policy.dead_after if is_danger else policy.gate_timeout):
        return ""
    which = "the current" if is_current else "an old"
    return (
        f"its agent has not answered for {mute:.0f} s; it has {which} "
        "configuration"
    )


def _sickness(
    desired: Desired, amphora: ObservedAmphora, now: datetime
) -> str:
    report = amphora.report
    if report is None or not desired.should_announce:
        return ""
    if not amphora.record.applied_at or report.gate.state in (
        GateState.UP,
        GateState.DISABLED,
    ):
        return ""
    since = max(report.gate.since, amphora.record.applied_at)
    closed = (now - since).total_seconds()
    if closed <= desired.policy.gate_timeout:
        return ""
    return f"health gate not UP for {closed:.0f} s: {report.gate.reason}"


def _staleness(
    desired: Desired, amphora: ObservedAmphora, now: datetime
) -> str:
    """Say that it does not take the configuration that others took."""
    since = amphora.record.stale_since
    if since is None or amphora.is_agent_mute:
        return ""
    if is_up_to_date(desired, amphora):
        return ""
    behind = (now - since).total_seconds()
    policy = desired.policy
    # It was told to withdraw, if others are enough: it could not even that.
    is_loud = is_announcing_any(desired, amphora)
    if behind <= (policy.dead_after if is_loud else policy.gate_timeout):
        return ""
    return (
        f"it has not taken the configuration that others have, for "
        f"{behind:.0f} s"
    )


def is_announcing(desired: Desired, amphora: ObservedAmphora) -> bool:
    """Whether the fabric holds a path of this amphora for every VIP."""
    report = amphora.report
    if report is None or not desired.vips:
        return False
    return all(report.is_announcing(vip.ip_address) for vip in desired.vips)


def is_announcing_any(desired: Desired, amphora: ObservedAmphora) -> bool:
    """Whether the fabric holds a path of this amphora for some VIP.

    A distributor's own only counts its paths.
    """
    report = amphora.report
    return report is not None and (
        any(report.is_announcing(vip.ip_address) for vip in desired.vips)
        or any(count.advertised for count in report.path_counts)
    )


def holds_revision(desired: Desired, amphora: ObservedAmphora) -> bool:
    """Whether it was given the current HAProxy configuration, and whole.

    What it was given in part afterwards, it has instead.
    """
    record = amphora.record
    return (
        record.applied_revision == desired.revision
        and not record.partial_revision
    )


def stopped_since(amphora: ObservedAmphora) -> datetime | None:
    """Since when a process that it is to serve with does not run, if so."""
    evidence = amphora.report.gate.evidence if amphora.report else ()
    return next(
        (
            found.since
            for found in evidence
            if found.probe is Probe.PROCESS
            and found.verdict is ProbeVerdict.BAD
        ),
        None,
    )


def is_configured(desired: Desired, amphora: ObservedAmphora) -> bool:
    """Whether it answers and was given a configuration, if an older one."""
    del desired
    return amphora.report is not None and bool(amphora.record.applied_at)


def is_new_to_announcing(desired: Desired, amphora: ObservedAmphora) -> bool:
    """Whether it was not told of a listener yet, or its gate is to open."""
    report = amphora.report
    if report is None or not is_configured(desired, amphora):
        return False
    is_told = bool(report.listeners or report.lvs_listener_ids)
    return not is_told or report.gate.state not in (
        GateState.FALLING,
        GateState.DOWN,
    )


def holds_partially(desired: Desired, amphora: ObservedAmphora) -> bool:
    """Whether it was given that but for what hangs on unread secrets."""
    return amphora.record.partial_revision == desired.revision


def lack_of(desired: Desired, amphora: ObservedAmphora) -> str:
    """What it says it lacks for UDP and SCTP listeners that are wanted."""
    report = amphora.report
    if not desired.lvs_listener_ids or report is None or report.lvs is None:
        return ""
    return report.lvs.lack


def went_without(desired: Desired, amphora: ObservedAmphora) -> bool:
    """Whether it was given the configuration without these listeners."""
    return (
        bool(desired.lvs_listener_ids)
        and holds_revision(desired, amphora)
        and bool(amphora.record.lacking_listener_ids)
    )


def is_incomplete(desired: Desired, amphora: ObservedAmphora) -> bool:
    """Whether it does not serve these listeners, whatever else it has."""
    return bool(lack_of(desired, amphora)) or went_without(desired, amphora)


def is_up_to_date(desired: Desired, amphora: ObservedAmphora) -> bool:
    """Whether nothing that it has is old but what cannot be read."""
    return holds_revision(desired, amphora) or holds_partially(
        desired, amphora
    )


def is_outdated(desired: Desired, amphora: ObservedAmphora) -> bool:
    """Whether another one is to take its place."""
    record = amphora.record
    return (
        record.failover_wanted
        or record.generation < desired.failover_generation
    )


def is_ready(desired: Desired, amphora: ObservedAmphora) -> bool:
    """Whether it could take traffic now, were the fabric to send it."""
    report = amphora.report
    if report is None or not holds_revision(desired, amphora):
        return False
    if not desired.should_announce:
        return True
    return (
        report.revision == desired.revision
        and report.gate.state is GateState.UP
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """Since when an agent is mute, and its configuration old; or None."""

    mute_since: datetime | None
    stale_since: datetime | None


def lapses(
    desired: Desired, observed: ObservedCluster, now: datetime
) -> dict[str, Lapse]:
    """amphora_id -> what is to be recorded, of those where it is news.

    One that never was configured comes up still, as long as ``boot_timeout``.
    It is recorded because a controller may start anew at any time.
    """
    allocated = [
        amphora
        for amphora in observed.amphorae
        if amphora.record.status is AmphoraStatus.ALLOCATED
    ]
    is_held = any(holds_revision(desired, amphora) for amphora in allocated)
    late = now - timedelta(seconds=desired.policy.boot_timeout)
    found = {}
    for amphora in allocated:
        record = amphora.record
        is_stale = (
            is_held
            and record.was_configured
            and not is_up_to_date(desired, amphora)
        )
        lapse = Lapse(
            mute_since=(record.mute_since or now)
            if amphora.is_agent_mute
            and (record.was_configured or record.status_since < late)
            else None,
            stale_since=(record.stale_since or now) if is_stale else None,
        )
        before = Lapse(
            mute_since=record.mute_since, stale_since=record.stale_since
        )
        if lapse != before:
            found[record.id] = lapse
    return found


# What they serve is old, or nothing.
_OUT_OF_ORDER = (Phase.FAILED, Phase.SILENT, Phase.SICK, Phase.STALE)


class AmphoraGroup(Generic[D_co]):
    """The assessed amphorae of one owner; counts what the planner asks for."""

    def __init__(
        self, desired: D_co, observed: ObservedCluster, now: datetime
    ) -> None:
        self.desired = desired
        self.observed = observed
        self.now = now
        members = tuple(
            assess(desired, amphora, now)
            for amphora in observed.amphorae
            if amphora.record.status is not AmphoraStatus.DELETED
        )
        self.members = self._excuse_common_sickness(members)

    def is_ready(self, amphora: ObservedAmphora) -> bool:
        """Whether it could take over from another one now."""
        return is_ready(self.desired, amphora)

    def all_paths(self) -> Paths:
        """What each of them is to announce."""
        return frozenset(vip.ip_address for vip in self.desired.vips)

    def announced(self, amphora: ObservedAmphora) -> Paths:
        """What of it the fabric holds of this one."""
        report = amphora.report
        if report is None:
            return frozenset()
        return frozenset(
            vip_ip
            for vip_ip in self.all_paths()
            if report.is_announcing(vip_ip)
        )

    def served(self, amphora: ObservedAmphora) -> Paths:
        """What of that stays: it has the current configuration.

        One with another may itself be about to withdraw.
        """
        if not holds_revision(self.desired, amphora):
            return frozenset()
        return self.announced(amphora)

    def of(self, *phases: Phase) -> tuple[Assessment, ...]:
        """The amphorae in one of these phases."""
        return tuple(m for m in self.members if m.phase in phases)

    @property
    def live(self) -> tuple[Assessment, ...]:
        """Those that count towards the size."""
        return tuple(m for m in self.members if m.is_live)

    @property
    def total(self) -> int:
        """How many there are to be: spares and stand-ins included."""
        stand_ins = sum(m.amphora.record.stand_in_wanted for m in self.live)
        return self.desired.total + stand_ins

    def outdated(self) -> tuple[Assessment, ...]:
        """Live ones that a failover is to replace."""
        return tuple(
            m for m in self.live if is_outdated(self.desired, m.amphora)
        )

    def failing_over(self) -> tuple[Assessment, ...]:
        """All that a failover asked for is to replace, until they are gone."""
        return tuple(
            m for m in self.members if is_outdated(self.desired, m.amphora)
        )

    def others_announcing(self, but: str, path: Any) -> int:
        """How many stay that announce this, without ``but``."""
        return self._count_staying(but, lambda a: path in self.served(a))

    def others_ready(self, but: str) -> int:
        """How many stay that are ready, without ``but``."""
        return self._count_staying(but, self.is_ready)

    def drained(self, but: str) -> int:
        """How many are out of service by wish, without ``but``.

        Those with a stand-in are not missed: as many serve as are wanted.
        """
        return sum(
            1
            for m in self.of(Phase.DRAINED)
            if m.id != but and not m.amphora.record.stand_in_wanted
        )

    def _count_staying(
        self, but: str, test: Callable[[ObservedAmphora], bool]
    ) -> int:
        """Count those that could take the place of ``but``.

        One that lacks what UDP and SCTP listeners need cannot take that of one
        that serves them: it stands back for it.
        """
        serves_all = any(
            m.id == but and self.serves_all(m) for m in self.members
        )
        return sum(
            1
            for m in self.members
            if m.id != but
            and m.phase is Phase.SERVING
            and test(m.amphora)
            and not (serves_all and is_incomplete(self.desired, m.amphora))
        )

    def serves_all(self, member: Assessment) -> bool:
        """Whether it has, or may have, all listeners, those of UDP too."""
        amphora = member.amphora
        if member.phase in (Phase.MUTE, Phase.LEAVING) and not is_up_to_date(
            self.desired, amphora
        ):
            return False  # it is given no other configuration
        return (
            member.phase not in _OUT_OF_ORDER
            and amphora.record.was_configured
            and not is_incomplete(self.desired, amphora)
        )

    def is_guarded(self, member: Assessment) -> bool:
        """Whether it must stay announced: nobody else would serve.

        Invariant 1, path by path: the last amphora that announces one is
        never withdrawn. A path that nobody announces guards nobody.
        """
        return self.desired.should_announce and any(
            not self._is_served_without(member, path)
            for path in self.announced(member.amphora)
        )

    def is_replaced(self, member: Assessment) -> bool:
        """Whether others serve what a silent amphora might still serve.

        A VIP that no amphora announces, whose family the fabric does not
        take for instance, keeps nobody.
        """
        if not self.desired.should_announce:
            least = max(1, self.desired.minimum)
            return self.others_ready(member.id) >= least
        served = [
            path
            for path in self.all_paths()
            if self.others_announcing(member.id, path)
        ]
        return bool(served) and all(
            self._is_served_without(member, path) for path in served
        )

    def _is_served_without(self, member: Assessment, path: Any) -> bool:
        least = max(1, self.desired.minimum)
        return self.others_announcing(member.id, path) >= least

    def _excuse_common_sickness(
        self, members: tuple[Assessment, ...]
    ) -> tuple[Assessment, ...]:
        """Call nobody sick where nobody is well.

        Gates that are all closed have a common cause, such as the
        configuration itself: replacing amphorae would burn them without end.
        """
        if any(
            m.phase is Phase.SERVING and self.is_ready(m.amphora)
            for m in members
        ):
            return members
        return tuple(
            replace(m, phase=Phase.SERVING)
            if m.phase in (Phase.SICK, Phase.STALE)
            else m
            for m in members
        )


Group = AmphoraGroup[Desired]


class Cluster(AmphoraGroup[DesiredCluster]):
    """The amphorae of one load balancer."""
