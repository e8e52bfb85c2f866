# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The life of an amphora, whomever it announces: the kernel of the planners.

Layer: planning. Pure. Booted, placed, backed off, brought up, drained,
dismissed, replaced, deleted: all of it is decided here, for the amphorae of a
load balancer (:mod:`octavia_anycast.planning.cluster.plan`) and for those of a
distributor's own (:mod:`octavia_anycast.planning.dedicated`). What differs is
data (:class:`~octavia_anycast.model.cluster.Desired`), what counts as
announced (:class:`~.AmphoraGroup`), and the :class:`Work` that they do.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from octavia_anycast.model.actions import (
    Action,
    AllocateAmphora,
    BootAmphora,
    DeleteAmphora,
    FailAmphora,
    SetAgentState,
    StartLeaving,
    UpdateAgent,
)
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ComputeState,
)
from octavia_anycast.model.distributor import Zone
from octavia_anycast.model.wire import DesiredState, Intent, Report
from octavia_anycast.planning.amphora import draining
from octavia_anycast.planning.amphora.assessment import (
    Assessment,
    Group,
    Phase,
    is_announcing_any,
    is_up_to_date,
)
from octavia_anycast.planning.amphora.backoff import fails_now
from octavia_anycast.planning.amphora.placement import place
from octavia_anycast.planning.amphora.rollout import (
    is_in_force,
    keeping_speakers,
)
from octavia_anycast.planning.amphora.scaling import boots, dismissal


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What amphorae do for those whom they announce.

    :param noun: whose they are
    :param zones: where they may boot
    :param first_state: what one is booted with; nothing is announced by it
    :param state: what one is told that keeps what it has, with this intent
    :param next_steps: what brings one up that answers, as far as it gets
    """

    noun: str
    zones: tuple[Zone, ...]
    first_state: Callable[[AmphoraRecord], DesiredState]
    state: Callable[[AmphoraRecord, Report, Intent], DesiredState]
    next_steps: Callable[[Assessment], tuple[Action, ...]]


@dataclass(frozen=True, slots=True)
class Life:
    """Plans for one group of amphorae."""

    group: Group
    work: Work

    def plan(self) -> tuple[Action, ...]:
        """What is to be done with the amphorae now."""
        group = self.group
        if not group.desired.wanted:
            return self._take_down()
        leaving = self._dismiss_surplus()
        actions: list[Action] = [*leaving]
        # One that refuses what it is told leaves all the same.
        dismissed = {action.amphora_id for action in leaving}
        for member in group.live:
            if member.id not in dismissed:
                actions += self._bring_up(member)
        actions += self._boot_missing()
        for member in group.of(Phase.LEAVING):
            actions += self._drain_and_delete(member)
        for member in group.of(Phase.FAILED, Phase.SILENT, Phase.SICK):
            actions += self._replace_failed(member)
        for member in group.of(Phase.MUTE, Phase.STALE):
            # Until then it is tried again: one that was mute may answer.
            actions += self._put_aside(member) or self._bring_up(member)
        return tuple(actions)

    def _take_down(self) -> tuple[Action, ...]:
        """Withdraw and delete every amphora.

        One that is told to withdraw in vain is deleted as it announces.
        """
        group = self.group
        why = "no longer wanted"
        if group.desired.is_deleted:
            why = f"the {self.work.noun} is deleted"
        actions: list[Action] = []
        for member in group.members:
            if not self._is_deaf(member) and is_announcing_any(
                group.desired, member.amphora
            ):
                actions += self._set_intent(member, Intent.WITHDRAW, "deleted")
            actions.append(_delete(member, why))
        return tuple(actions)

    def _is_deaf(self, member: Assessment) -> bool:
        """Whether it does not take what it is told, for long enough."""
        dead_after = self.group.desired.policy.dead_after
        return any(
            failure.action == SetAgentState.__name__
            and failure.amphora_id == member.id
            and (
                failure.is_refused
                or (self.group.now - failure.since).total_seconds()
                > dead_after
            )
            for failure in self.group.observed.failures
        )

    def _bring_up(self, member: Assessment) -> tuple[Action, ...]:
        """The next steps of one that serves or is to, as far as can be seen.

        What an operator asked for comes last: nothing waits for it.
        """
        amphora = member.amphora
        if amphora.record.status is AmphoraStatus.BOOTING:
            return _allocation(member)
        if amphora.report is None:
            return ()
        steps = self.work.next_steps(member)
        if amphora.record.agent_update_wanted and not amphora.is_agent_mute:
            return (*steps, UpdateAgent(amphora_id=member.id))
        return steps

    def _boot_missing(self) -> tuple[BootAmphora, ...]:
        wanted = boots(self.group)
        return tuple(
            self._boot(zone, index, wanted.is_replacement)
            for index, zone in enumerate(
                place(self.group, self.work.zones, wanted.count)
            )
        )

    def _boot(
        self, zone: Zone, index: int, is_replacement: bool
    ) -> BootAmphora:
        """Boot one; its id is the same in each plan."""
        desired, now = self.group.desired, self.group.now
        owner_id = desired.load_balancer_id or desired.distributor.id
        name = f"{owner_id} {now.isoformat()} {index}"
        record = AmphoraRecord(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
            load_balancer_id=desired.load_balancer_id,
            status=AmphoraStatus.BOOTING,
            status_since=now,
            availability_zone=zone.availability_zone,
        )
        return BootAmphora(
            amphora_id=record.id,
            zone=zone,
            generation=desired.failover_generation,
            is_replacement=is_replacement,
            first_state=self.work.first_state(record),
        )

    def _dismiss_surplus(self) -> tuple[StartLeaving | DeleteAmphora, ...]:
        found = dismissal(self.group)
        if found is None:
            return ()
        if found.member.phase is Phase.BOOTING:
            return (_delete(found.member, found.reason),)
        return (_leave(found.member, found.reason),)

    def _drain_and_delete(self, member: Assessment) -> tuple[Action, ...]:
        group = self.group
        if group.is_guarded(member):
            # Those that are to take its place wait until it knows them.
            has_begun = member.amphora.record.draining_since is not None
            stays = Intent.DRAIN if has_begun else Intent.ADVERTISE
            return self._set_intent(member, stays, "guarded")
        if self._may_drain(member):
            told = self._set_intent(member, Intent.DRAIN, "leaving")
            return told or draining.finishing(group, member)
        actions = self._set_intent(member, Intent.WITHDRAW, "leaving")
        if not draining.is_gone(group, member):
            return actions
        if self._is_deaf(member):
            actions = ()  # to be told once more would hold its deletion up
        return (*actions, _delete(member, member.reason))

    def _may_drain(self, member: Assessment) -> bool:
        """Not over yet; with an old configuration as long as routers need."""
        stale_since = member.amphora.record.stale_since
        if stale_since is None:
            return not draining.is_over(self.group, member)
        linger = self.group.desired.policy.withdraw_linger
        intent = draining.drained_since(
            self.group, member, stale_since, linger
        )
        return intent is Intent.DRAIN

    def _replace_failed(self, member: Assessment) -> tuple[Action, ...]:
        """Give up an amphora that failed, when it can be missed.

        A server that is known to be gone, or that never served, goes at once.
        One that is only silent may still carry traffic: a replacement has to
        announce first.
        """
        actions: list[Action] = []
        if fails_now(member):
            state = member.amphora.compute_state
            actions.append(
                FailAmphora(
                    amphora_id=member.id,
                    reason=member.reason,
                    is_refused=state is ComputeState.ERROR,
                )
            )
        if self._can_be_missed(member):
            actions.append(_delete(member, member.reason))
        return tuple(actions)

    def _can_be_missed(self, member: Assessment) -> bool:
        """Whether nothing is lost with it.

        Where the manager is off, one that may come back is left alone.
        """
        group, amphora = self.group, member.amphora
        is_gone = amphora.report is None and (
            amphora.compute_state in (ComputeState.GONE, ComputeState.ERROR)
        )
        if is_gone or not amphora.record.was_configured:
            return True
        if not group.desired.is_managed and member.phase is not Phase.FAILED:
            return False
        return (
            not group.is_guarded(member)
            and group.is_replaced(member)
            and group.others_ready(member.id) >= group.desired.replaced_by
        )

    def _put_aside(self, member: Assessment) -> tuple[Action, ...]:
        """Replace one that lives and cannot be configured.

        One with an old configuration is withdrawn through its speakerd,
        whoever manages the cluster; if that does not answer either, its
        server goes: it must not announce for longer (invariant 7). One with
        the current configuration serves until others are as many as are
        wanted.
        """
        group, desired = self.group, self.group.desired
        if group.is_guarded(member) or not group.is_replaced(member):
            return ()
        is_current = is_up_to_date(desired, member.amphora)
        if is_current and group.others_ready(member.id) < desired.wanted:
            return ()
        if member.amphora.report is None:
            is_managed = desired.is_managed
            return (_delete(member, member.reason),) if is_managed else ()
        fence: tuple[Action, ...] = ()
        if not is_current:
            fence = self._set_intent(member, Intent.WITHDRAW, "fenced")
        if not desired.is_managed:
            return fence
        if self._is_deaf(member):
            fence = ()  # to be told once more would keep it
        return (*fence, _leave(member, member.reason))

    def _set_intent(
        self, member: Assessment, intent: Intent, why: str
    ) -> tuple[Action, ...]:
        """Set one intent for all that it announces, if it has another one.

        One on its way out keeps the BGP speakers that it has.
        """
        record, report = member.amphora.record, member.amphora.report
        if report is None:
            return ()
        state = keeping_speakers(
            self.work.state(record, report, intent), report
        )
        drain = draining.mark(record, state, intent)
        if is_in_force(state, report) and drain is None:
            return ()
        return (
            SetAgentState(
                amphora_id=member.id, state=state, why=why, drain=drain
            ),
        )


def _allocation(member: Assessment) -> tuple[AllocateAmphora, ...]:
    """Take a server that runs and has an address; else nothing."""
    amphora = member.amphora
    if amphora.compute_state is not ComputeState.ACTIVE:
        return ()
    if amphora.compute_address is None:
        return ()
    return (
        AllocateAmphora(
            amphora_id=member.id,
            lb_network_ip=amphora.compute_address,
            compute_host=amphora.compute_host,
            image_id=amphora.compute_image_id,
        ),
    )


def _leave(member: Assessment, reason: str) -> StartLeaving:
    return StartLeaving(amphora_id=member.id, reason=reason)


def _delete(member: Assessment, reason: str) -> DeleteAmphora:
    return DeleteAmphora(amphora_id=member.id, reason=reason)
