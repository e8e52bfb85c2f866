# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A simulated world: amphorae, their agents and the fabric, for properties.

It carries out the planner's actions as the controller, the agent and the
fabric would, asserts the invariants at each step, and can be hurt: crash an
amphora, cut off its management, fail pushes, close gates, break sessions.

Layer: testing. No I/O; time is a number that tests advance.
"""

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_address

from octavia_anycast.model.actions import (
    Action,
    AllocateAmphora,
    BootAmphora,
    ConfigureHaproxy,
    DeleteAmphora,
    FailAmphora,
    FindCulprits,
    FinishConnections,
    PlugFrontend,
    PlugMemberNetworks,
    PrepareLoadBalancer,
    RefuseListeners,
    RemoveLoadBalancer,
    SetAgentState,
    SetRole,
    StartLeaving,
    UpdateAgent,
)
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import (
    ActionFailure,
    AmphoraRecord,
    AmphoraStatus,
    BootFailure,
    ComputeState,
    DesiredCluster,
    DrainMark,
    ObservedAmphora,
    ObservedCluster,
    ReplacementClaim,
)
from octavia_anycast.model.codec import digest, peer_digests, speakers_digest
from octavia_anycast.model.wire import (
    DesiredState,
    GateReport,
    Intent,
    LvsReport,
    PathReport,
    PathState,
    Report,
)
from octavia_anycast.planning.amphora.assessment import Cluster, lapses
from octavia_anycast.planning.amphora.draining import obstacle
from octavia_anycast.planning.amphora.failures import Patience, carried_on
from octavia_anycast.planning.amphora.rollout import recovered, wanted_digest
from octavia_anycast.planning.cluster.plan import plan
from octavia_anycast.planning.cluster.refusal import PUSHES_MAX
from octavia_anycast.planning.cluster.status import (
    ProvisioningVerdict,
    provisioning_verdict,
)
from octavia_anycast.planning.heartbeat import silent_seconds
from octavia_anycast.testing.fakes import fake_rescue
from octavia_anycast.testing.simulated.simulated_guest import (
    EPOCH,
    Guest,
    frontend,
)

__all__ = ["EPOCH", "Guest", "World"]
PATIENCE = Patience(announce_wait=15.0, error_after=600.0, refused_after=15.0)


@dataclass(slots=True, kw_only=True)
class World:
    """One load balancer's cluster and the fabric around it."""

    desired: DesiredCluster
    now: datetime = EPOCH
    guests: dict[str, Guest] = field(default_factory=dict)
    failures: list[BootFailure] = field(default_factory=list)
    replacements_elsewhere: int = 0
    claims: tuple[ReplacementClaim, ...] = ()  # of all who wait for these
    prepared_revision: str = ""
    is_removed: bool = False
    boots_fail: bool = False
    quota: int | None = None  # so many servers there can be
    image_lack: str = ""  # what those lack that boot from now on
    boots: int = 0
    tries: int = 0  # boots that were asked for, refused ones too
    refused_passwords: frozenset[str] = frozenset()
    # Names of actions that another service refuses to do.
    refused_actions: frozenset[str] = frozenset()
    action_failures: tuple[ActionFailure, ...] = ()
    patience: Patience = PATIENCE
    status: ProvisioningVerdict = ProvisioningVerdict.PENDING
    pending_since: datetime = EPOCH
    _asked: tuple[object, ...] = ()
    is_split: bool = False  # sessions carry their own IP version only
    bad_contents: set[str] = field(default_factory=set)  # revisions
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)

    def ask(self, amphora_id: str, **wanted: bool) -> None:
        """Ask something of one amphora, as the API does."""
        self._change(amphora_id, **wanted)

    def observe(self) -> ObservedCluster:
        """What a controller sees."""
        return ObservedCluster(
            amphorae=tuple(self._observe(g) for g in self.guests.values()),
            recent_failures=self._recent_failures(),
            replacements_under_way=self.replacements_elsewhere,
            claims=self.claims,
            prepared_revision=self.prepared_revision,
            failures=self.action_failures,
        )

    def _recent_failures(self) -> tuple[BootFailure, ...]:
        """As the database tells them."""
        memory = timedelta(seconds=self.desired.policy.failure_memory)
        return tuple(f for f in self.failures if self.now - f.at < memory)

    def _observe(self, guest: Guest) -> ObservedAmphora:
        reachable = guest.is_up(self.now) and not guest.is_cut_off
        allocated = guest.record.status is not AmphoraStatus.BOOTING
        if reachable and allocated:
            guest.last_heard = self.now
        answers = reachable and allocated
        is_mute = allocated and not (answers and not guest.is_agent_hung)
        if is_mute and guest.is_speakerd_deaf:
            answers = False
        return ObservedAmphora(
            record=guest.record,
            compute_state=self._compute_state(guest),
            compute_address=ip_address(f"172.31.1.{guest.number % 250 + 1}"),
            report=self._report(guest) if answers else None,
            is_agent_mute=is_mute,
            silent_seconds=silent_seconds(
                guest.last_heard,
                self.now,
                counted_from=guest.record.status_since,
                has_answered=answers,
            ),
        )

    def _compute_state(self, guest: Guest) -> ComputeState:
        if guest.is_dead and guest.is_dead_known:
            return ComputeState.GONE
        if guest.is_up(self.now) or guest.is_dead:
            return ComputeState.ACTIVE
        return ComputeState.BUILDING

    def _report(self, guest: Guest) -> Report:
        report = self._whole_report(guest)
        if guest.is_of_old_image:
            report = replace(
                report,
                digest="of all",
                speakers_digest="",
                peer_digests={},
                driver=None,
                are_speakers_loaded=False,
                flow_rescue=None,
                knows_tenant_metrics=False,
            )
        return report

    def _lvs_report(self, guest: Guest) -> LvsReport:
        if not guest.serves:
            return LvsReport(lack=guest.lack)
        quiet = self.now - (guest.quiet_since or self.now)
        return LvsReport(associations=0, quiet_seconds=quiet.total_seconds())

    def _whole_report(self, guest: Guest) -> Report:
        state = guest.state
        announced = guest.announced(self.now)
        return Report(
            amphora_id=guest.record.id,
            digest=digest(state) if state else "",
            revision=state.revision if state else "",
            listeners=state.listeners if state else (),
            lvs_listener_ids=state.lvs_listener_ids if state else (),
            gate=GateReport(
                state=guest.gate,
                reason="simulated",
                since=guest.gate_since,
            ),
            speaker_is_running=True,
            frontend_is_up=bool(state and state.frontend),
            sessions=guest.peering.sessions(
                self.now, is_cut=guest.is_session_down
            ),
            speakers_digest=speakers_digest(state.speakers) if state else "",
            peer_digests=peer_digests(state.speakers) if state else {},
            driver=state.driver if state else None,
            are_speakers_loaded=bool(state),
            flow_rescue=fake_rescue.report(state),
            knows_tenant_metrics=True,
            lvs=self._lvs_report(guest),
            connections={
                str(vip.vip_ip): guest.connections
                for vip in (state.vips if state else ())
            },
            paths=tuple(
                PathReport(
                    vip_ip=vip,
                    nexthop_ip=vip,
                    peer_id=peer_id,
                    state=guest.path_state(vip),
                    reason="",
                )
                for vip in announced
                for peer_id in guest.peering.carriers(vip.version, self.now)
            ),
        )

    def announcers(self) -> frozenset[str]:
        """The amphorae that get traffic for every VIP."""
        vips = {vip.ip_address for vip in self.desired.vips}
        return frozenset(
            guest.record.id
            for guest in self.guests.values()
            if vips and vips <= guest.announced(self.now)
        )

    def served(self) -> frozenset[IPAddress]:
        """The VIPs that the fabric has some path for."""
        return frozenset().union(
            *(guest.announced(self.now) for guest in self.guests.values())
        )

    def served_for_new(self) -> frozenset[IPAddress]:
        """The VIPs with a path that is not on its way out."""
        return frozenset(
            vip
            for guest in self.guests.values()
            for vip in guest.announced(self.now)
            if guest.path_state(vip) is PathState.ADVERTISED
        )

    def _guarded(self) -> frozenset[IPAddress]:
        """The VIPs that the planner may take from nobody.

        What only a silent amphora still announces it cannot know of; where
        all are silent it leaves them what they have (ADR 0045).
        """
        heard = frozenset[IPAddress]().union(
            *(
                guest.announced(self.now)
                for guest in self.guests.values()
                if self._is_heard(guest)
            )
        )
        return heard or self.served()

    @staticmethod
    def _is_heard(guest: Guest) -> bool:
        """Whether its agent or its speakerd answers."""
        is_dumb = guest.is_agent_hung and guest.is_speakerd_deaf
        return not (guest.is_cut_off or is_dumb)

    def step(self, seconds: float = 1.0) -> tuple[Action, ...]:
        """Plan, carry out, check the invariants, let time pass."""
        announcing = self._announcing()
        before, before_for_new = self._guarded(), self.served_for_new()
        observed = self.observe()
        for amphora_id, lapse in lapses(
            self.desired, observed, self.now
        ).items():
            self._change(
                amphora_id,
                mute_since=lapse.mute_since,
                stale_since=lapse.stale_since,
            )
        over = recovered(Cluster(self.desired, observed, self.now))
        for amphora_id in over:
            self._change(amphora_id, speakers_changed_at=None)
            self._forgive(self.guests[amphora_id])
        if over:
            observed = self.observe()
        actions = plan(self.desired, observed, self.now)
        failed: set[str] = set()
        refused: list[ActionFailure] = []
        for action in actions:
            amphora_id = getattr(action, "amphora_id", "")
            if amphora_id in failed:
                continue  # one failure ends the chain of that amphora
            if type(action).__name__ in self.refused_actions:
                refused += self._refuse(action)
                failed.add(amphora_id)
            elif not self.carry_out(action):
                failed.add(amphora_id)
        self.action_failures = carried_on(self.action_failures, refused)
        self.check_invariants(before)
        self._check_promise(seconds)
        self._check_drains(before_for_new)
        self._check_known(announcing)
        self._settle()
        self.now += timedelta(seconds=seconds)
        return actions

    def _refuse(self, action: Action) -> list[ActionFailure]:
        """As the controller records it: a boot in the row of its amphora."""
        if isinstance(action, BootAmphora):
            self.tries += 1
            self.failures.append(
                BootFailure(
                    at=self.now,
                    reason="refused",
                    has_run=False,
                    is_refused=True,
                    is_invalid=True,
                )
            )
            return []
        return [
            ActionFailure(
                action=type(action).__name__,
                amphora_id=getattr(action, "amphora_id", ""),
                reason="refused",
                since=self.now,
                is_refused=True,
            )
        ]

    def _settle(self) -> None:
        """Show the provisioning status that follows, as the reporter does."""
        desired = self.desired
        asked = (
            desired.revision,
            desired.failover_generation,
            desired.is_deleted,
        )
        if asked != self._asked:
            self._asked, self.pending_since = asked, self.now
            self.status = ProvisioningVerdict.PENDING
        found = provisioning_verdict(
            desired,
            self.observe(),
            self.now,
            pending_since=self.pending_since,
            patience=self.patience,
        )
        if self.is_removed:
            self.status = ProvisioningVerdict.DELETED
        elif found is not ProvisioningVerdict.PENDING:
            self.status = found
        self._check_patience()

    def _check_patience(self) -> None:
        """Invariant 8: what is refused does not keep anybody waiting."""
        if self.status is not ProvisioningVerdict.PENDING:
            return
        limit = timedelta(
            seconds=self.patience.refused_after
            + self.patience.announce_wait
            + 5.0
        )
        for failure in self.action_failures:
            begin = max(failure.since, self.pending_since)
            assert self.now - begin <= limit, f"waits for {failure}"

    def _forgive(self, guest: Guest) -> None:
        """What nobody else has cannot be missed."""
        elsewhere = {
            vip.version
            for other in self.guests.values()
            if other is not guest
            for vip in other.announced(self.now)
        }
        guest.peering.owed &= elsewhere

    def run(self, seconds: float, step: float = 1.0) -> None:
        """Let the controller work for so long."""
        for _ in range(int(seconds / step)):
            self.step(step)

    def carry_out(self, action: Action) -> bool:
        """Do what an action says; False if the world does not let it."""
        match action:
            case PrepareLoadBalancer(revision=revision):
                self.prepared_revision = revision
            case RefuseListeners():
                self._leave_out(action)
            case RemoveLoadBalancer():
                assert not self.guests, "amphorae left behind"
                self.is_removed = True
            case BootAmphora():
                return self._boot(action)
            case SetRole(amphora_id=amphora_id, is_spare=is_spare):
                since = self.now if is_spare else None
                self._change(amphora_id, spare_since=since)
            case FailAmphora(amphora_id=amphora_id, reason=reason):
                record = self.guests[amphora_id].record
                self.failures.append(
                    BootFailure(
                        at=self.now,
                        reason=reason,
                        has_run=record.lb_network_ip is not None,
                    )
                )
                self._change(amphora_id, status=AmphoraStatus.ERROR)
            case DeleteAmphora(amphora_id=amphora_id):
                self._check_delete(amphora_id)
                self.guests.pop(amphora_id)
            case FinishConnections(amphora_id=amphora_id):
                self._change(amphora_id, finishing_since=self.now)
            case UpdateAgent(amphora_id=amphora_id):
                self._change(amphora_id, agent_update_wanted=False)
            case StartLeaving(amphora_id=amphora_id):
                self._change(amphora_id, leaving_since=self.now)
            case AllocateAmphora(amphora_id=amphora_id, lb_network_ip=ip):
                self._change(
                    amphora_id,
                    lb_network_ip=ip,
                    status=AmphoraStatus.ALLOCATED,
                    status_since=self.now,
                )
            case _:
                return self._configure(action)
        return True

    def _configure(self, action: Action) -> bool:
        """Actions that need the guest's answer."""
        assert isinstance(
            action,
            PlugFrontend
            | PlugMemberNetworks
            | ConfigureHaproxy
            | FindCulprits
            | SetAgentState,
        )
        guest = self.guests[action.amphora_id]
        if guest.is_cut_off or not guest.is_up(self.now):
            return False
        if guest.is_agent_hung:
            assert isinstance(action, SetAgentState), "its agent is mute"
            if guest.is_speakerd_deaf:
                return False
        match action:
            case PlugFrontend():
                self._change(
                    action.amphora_id, frontend=frontend(guest.number)
                )
            case PlugMemberNetworks(network_ids=networks):
                self._change(action.amphora_id, member_network_ids=networks)
            case FindCulprits(revision=revision):
                self._find_culprits(guest, revision)
            case SetAgentState(state=state):
                keeps = state.keeps_speakers or state.kept_peer_ids
                if guest.is_of_old_image and keeps:
                    return False
                self._check_state(state)
                if action.is_transition:
                    self._change(guest.record.id, speakers_changed_at=self.now)
                self._tell(guest, state)
                self._record_drain(guest.record.id, action.drain)
            case ConfigureHaproxy(
                revision=revision,
                peer_ids=peer_ids,
                left_out_ids=left_out_ids,
            ):
                if guest.rejects_configuration:
                    return False
                if self._refuses(guest, revision):
                    self._record_refusal(guest, revision)
                    return False
                assert guest.state, "configured before the data path is there"
                assert guest.state.frontend, "no front end yet"
                guest.configured = revision
                self._give_lvs(guest, left_out_ids)
                self._change(
                    action.amphora_id,
                    applied_revision=revision,
                    lacking_listener_ids=left_out_ids,
                    refused_revision="",
                    peer_amphora_ids=peer_ids,
                    applied_at=self.now,
                )
        return True

    def _give_lvs(self, guest: Guest, left_out_ids: tuple[str, ...]) -> None:
        """keepalived starts only where there is ip_vs."""
        guest.serves = tuple(
            identifier
            for identifier in self.desired.lvs_listener_ids
            if identifier not in left_out_ids
        )
        assert not (guest.serves and guest.lack), "keepalived without ip_vs"

    def _leave_out(self, action: RefuseListeners) -> None:
        """Listeners are given up only where nobody serves them."""
        assert not any(
            guest.serves and not guest.lack and guest.is_up(self.now)
            for guest in self.guests.values()
            if guest.record.status is AmphoraStatus.ALLOCATED
        ), "listeners were given up that somebody serves"
        left = frozenset(self.desired.lvs_listener_ids)
        assert left.issuperset(action.listener_ids)
        self.desired = replace(
            self.desired,
            lvs_listener_ids=tuple(
                sorted(left.difference(action.listener_ids))
            ),
            revision=f"{self.desired.revision}-",
        )

    def _refuses(self, guest: Guest, revision: str) -> bool:
        return (
            guest.has_broken_haproxy
            or guest.refused == revision
            or revision in self.bad_contents
        )

    def _record_refusal(self, guest: Guest, revision: str) -> None:
        """As the controller does; nothing is pushed again without end."""
        self.refusals[guest.record.id, revision] += 1
        count = self.refusals[guest.record.id, revision]
        assert count <= PUSHES_MAX, "pushed again what was refused"
        self._change(
            guest.record.id,
            refused_revision=revision,
            refused_at=self.now,
            refusal_count=count,
            refuses_anything=False,
        )

    def _find_culprits(self, guest: Guest, revision: str) -> None:
        """What is bad is left out: another configuration, of the rest."""
        assert not any(
            other.record.applied_revision == revision
            for other in self.guests.values()
            if other.record.status is AmphoraStatus.ALLOCATED
        ), "an object was blamed for what others run"
        if guest.has_broken_haproxy:
            self._change(guest.record.id, refuses_anything=True)
            return
        assert self._refuses(guest, revision)
        self.desired = replace(self.desired, revision=f"{revision}-")

    def _tell(self, guest: Guest, state: DesiredState) -> None:
        """The agent takes a state; its sessions follow."""
        if state.keeps_speakers or state.kept_peer_ids:
            assert guest.state, "there are no speakers to keep"
            state = state.completed(guest.state)
        announced = {vip.version for vip in guest.announced(self.now)}
        guest.state = state
        guest.gate_since = self.now
        guest.peering.configure(
            state.speakers, self.now, announced=frozenset(announced)
        )
        guest.peering.refused = self.refused_passwords

    def _record_drain(self, amphora_id: str, mark: DrainMark | None) -> None:
        match mark:
            case DrainMark.BEGUN:
                self._change(amphora_id, draining_since=self.now)
            case DrainMark.ENDED:
                self._change(amphora_id, drained_at=self.now)

    def drain(self, amphora_id: str, seconds: float = 30.0) -> bool:
        """Ask that one drains, as the API does; False if that is refused."""
        announced = {
            one.record.id: one.announced(self.now)
            for one in self.guests.values()
            if one.record.id == amphora_id or _stays(one.record)
        }
        record = self.guests[amphora_id].record
        is_in_service = (
            record.status is AmphoraStatus.ALLOCATED
            and record.applied_revision
            and not record.leaving_since
            and not record.spare_since
        )
        if not is_in_service or obstacle(
            amphora_id, announced, self.desired.size.minimum
        ):
            return False
        since = record.drain_wanted_since or self.now
        self._change(
            amphora_id,
            drain_wanted_since=since,
            drain_deadline=since + timedelta(seconds=seconds),
        )
        return True

    def undo_drain(self, amphora_id: str) -> None:
        """Take that back."""
        if self.guests[amphora_id].record.leaving_since is None:
            self._change(
                amphora_id,
                drain_wanted_since=None,
                drain_deadline=None,
                draining_since=None,
                drained_at=None,
                finishing_since=None,
            )

    def refuse(self, *passwords: str) -> None:
        """Let the fabric refuse these passwords, and no others.

        One like ``6:text`` is refused for sessions over that IP version.
        """
        self.refused_passwords = frozenset(passwords)
        for guest in self.guests.values():
            guest.peering.refused = self.refused_passwords

    def _boot(self, action: BootAmphora) -> bool:
        self.tries += 1
        if self.quota is not None and len(self.guests) >= self.quota:
            self.failures.append(
                BootFailure(at=self.now, reason="quota", has_run=False)
            )
            return False
        assert action.amphora_id not in self.guests
        assert all(
            v.intent is Intent.WITHDRAW for v in action.first_state.vips
        ), "a first state must not announce"
        self.boots += 1
        self.guests[action.amphora_id] = Guest(
            number=self.boots,
            born=self.now,
            is_dead=self.boots_fail,
            is_dead_known=self.boots_fail,
            state=action.first_state,
            lack=self.image_lack,
            record=AmphoraRecord(
                id=action.amphora_id,
                load_balancer_id=self.desired.load_balancer_id,
                compute_id=f"server-{self.boots}",
                status=AmphoraStatus.BOOTING,
                status_since=self.now,
                generation=action.generation,
                availability_zone=action.zone.availability_zone,
                speakers_changed_at=self.now,
            ),
        )
        peering = self.guests[action.amphora_id].peering
        peering.is_split = self.is_split
        peering.configure(action.first_state.speakers, self.now)
        peering.refused = self.refused_passwords
        return True

    def _change(self, amphora_id: str, **changes: object) -> None:
        guest = self.guests[amphora_id]
        guest.record = replace(guest.record, **changes)  # type: ignore[arg-type]

    def _check_state(self, state: DesiredState) -> None:
        """Invariant 2: only this load balancer's VIPs, as host routes."""
        vips = {vip.ip_address for vip in self.desired.vips}
        assert {vip.vip_ip for vip in state.vips} <= vips

    def _check_delete(self, amphora_id: str) -> None:
        """Invariant 3: withdrawn before the data path is taken away."""
        guest = self.guests[amphora_id]
        is_deaf = guest.is_agent_hung and guest.is_speakerd_deaf
        is_told_in_vain = self.desired.is_deleted and any(
            failure.action == SetAgentState.__name__
            and failure.amphora_id == amphora_id
            for failure in self.action_failures
        )
        if not (guest.is_cut_off or is_deaf or is_told_in_vain):
            assert not guest.announced(self.now), "deleted while announced"

    def check_invariants(self, before: frozenset[IPAddress]) -> None:
        """Invariant 1: the planner never takes away a VIP's last path."""
        wanted = {vip.ip_address for vip in self.desired.vips}
        trying = self.trying_out()
        # What nobody hears of is replaced: it holds nobody back.
        heard = [i for i in trying if self._is_heard(self.guests[i])]
        assert len(heard) <= 1, f"{heard} try out speakers at once"
        has_choice = self.desired.size.desired > 1 or not trying
        if self.desired.should_announce and has_choice:
            lost = before & wanted - self.served()
            assert not lost, f"nobody announces {lost} after a plan"

    def _check_drains(self, before: frozenset[IPAddress]) -> None:
        """Invariant 1: the planner never drains a VIP's last path."""
        wanted = {vip.ip_address for vip in self.desired.vips}
        if self.desired.should_announce:
            drained = self.served() - self.served_for_new()
            lost = before & wanted & drained
            assert not lost, f"the last ones of {lost} drain after a plan"

    def _announcing(self) -> set[str]:
        """Amphorae that are told to announce, whatever their gate says."""
        return {
            guest.record.id
            for guest in self.guests.values()
            if guest.state
            and any(
                vip.intent is not Intent.WITHDRAW for vip in guest.state.vips
            )
        }

    def _check_known(self, before: set[str]) -> None:
        """Invariant 6: who is told to announce is known to all that can.

        Unless nobody did. Who has not answered for long holds nobody back.
        """
        if not self.desired.rescue_secrets:
            return
        heard_before = {
            guest.record.id
            for guest in self.guests.values()
            if guest.announced(self.now) and self._is_heard(guest)
        }
        for new in self._announcing() - before:
            guest = self.guests[new]
            if guest.is_of_old_image or not heard_before - {new}:
                continue
            for other in self.guests.values():
                if other is not guest and self._must_know(other):
                    lacks = f"{other.record.id} does not know {new}"
                    assert new in other.rescues, lacks

    def _must_know(self, other: Guest) -> bool:
        """Whether it rescues, and was heard of not long ago."""
        if other.is_agent_hung and other.is_speakerd_deaf:
            return False
        heard = other.last_heard
        silence = (self.now - heard).total_seconds() if heard else math.inf
        return (
            bool(other.rescues)
            and not other.is_of_old_image
            and not (other.is_dead and other.is_dead_known)
            and silence <= self.desired.policy.dead_after
        )

    def _check_promise(self, seconds: float) -> None:
        """Invariant 7: nobody announces for long with an old configuration.

        Where min_size others announce the current one, and as far as the
        cluster manager may replace what does not answer: not one that the
        cloud refuses to delete.
        """
        revision = self.desired.revision
        loud = [g for g in self.guests.values() if g.announced(self.now)]
        vips = {vip.ip_address for vip in self.desired.vips}
        least = max(1, self.desired.size.minimum)
        holders = [
            g
            for g in loud
            if g.configured == revision
            and g.record.applied_revision == revision
            and vips <= g.announced(self.now)
            and g.record.leaving_since is None
            and g.record.drain_wanted_since is None
            and not (g.is_cut_off or g.is_speakerd_deaf)
        ]
        is_promised = (
            len(holders) >= least
            and self.desired.is_managed
            and self.desired.should_announce
        )
        undeletable = {
            failure.amphora_id
            for failure in self.action_failures
            if failure.action == DeleteAmphora.__name__
        }
        patience = self.desired.policy.dead_after + 3 * seconds
        for guest in self.guests.values():
            if (
                not is_promised
                or guest not in loud
                or guest.record.id in undeletable
                or (guest.configured == revision)
            ):
                guest.stale_since = None
                continue
            guest.stale_since = guest.stale_since or self.now
            stale = (self.now - guest.stale_since).total_seconds()
            assert stale <= patience, f"{guest.record.id} serves the past"

    def holders(self) -> set[str]:
        """Amphorae whose agents have the speakers that are wanted."""
        return {
            guest.record.id
            for guest in self.guests.values()
            if guest.state
            and speakers_digest(guest.state.speakers)
            == wanted_digest(self.desired.distributor, guest.record)
        }

    def trying_out(self) -> list[str]:
        """Amphorae that a change of speakers took off, nothing else wrong."""
        return [
            guest.record.id
            for guest in self.guests.values()
            if guest.peering.was_taken_off(self.now)
            and guest.is_up(self.now)
            and guest.gate_is_up()
            and not guest.is_cut_off
            and not guest.is_session_down
            and guest.record.leaving_since is None
        ]


def _stays(record: AmphoraRecord) -> bool:
    return (
        record.status is AmphoraStatus.ALLOCATED
        and record.leaving_since is None
        and record.drain_wanted_since is None
    )
