# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The planner of a distributor's own amphorae, in a world of numbers."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavia_anycast.model.actions import (
    AllocateAmphora,
    BootAmphora,
    DeleteAmphora,
    FailAmphora,
    SetAgentState,
    StartLeaving,
)
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.cluster import (
    ActionFailure,
    AmphoraRecord,
    AmphoraStatus,
    BootFailure,
    ClusterPolicy,
    ComputeState,
    DrainLimits,
    DrainMark,
    ObservedAmphora,
    ObservedCluster,
    ServiceType,
)
from octavia_anycast.model.codec import digest, speakers_digest
from octavia_anycast.model.distributor import Zone
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.model.registration import ExternalVip
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    Intent,
    PathCounts,
    Report,
    SessionReport,
    VipPeers,
)
from octavia_anycast.planning.amphora.assessment import lapses
from octavia_anycast.planning.amphora.draining import wish
from octavia_anycast.planning.amphora.rollout import recovered
from octavia_anycast.planning.dedicated import (
    Dedicated,
    DesiredDistributor,
    announces,
    boot_failures,
    confirmed_paths,
    is_announcing,
    is_complete,
    plan_dedicated,
    with_held,
)
from octavia_anycast.planning.fleet.zone_drain import (
    NO_MARKS,
    released,
    taken_back,
)
from octavia_anycast.tests.unit.planning.clusters import distributor

START = datetime(2026, 1, 1, tzinfo=UTC)
BOOT_SECONDS = 3
LIMITS = DrainLimits(drain_timeout=300.0, stale_after=60.0, silent_after=30.0)


def external(number, **attributes):
    return ExternalVip(
        id=f"v{number}",
        vip_ip=ip_address(f"198.51.100.{number}"),
        nexthop_ip=ip_address("10.1.0.77"),
        **attributes,
    )


def desired(count=2, *vips, **changes):
    made = DesiredDistributor(
        distributor=replace(distributor(), dedicated_count=count),
        external_vips=vips or (external(1),),
        revision="1",
        policy=ClusterPolicy(),
    )
    return replace(made, **changes)


@dataclass
class Machine:
    """An amphora with what its agent was told."""

    record: AmphoraRecord
    booted_at: datetime
    state: object
    is_alive: bool = True
    is_reachable: bool = True
    heard_at: datetime | None = None
    bad_password: str | None = None
    is_mute: bool = False  # its agent hangs, its heartbeats arrive
    is_deaf: bool = False  # its speakerd hangs as well
    is_full: bool = False  # it takes no other state
    is_refused_for_good: bool | None = None  # of what it is told, if it fails

    def announced(self):
        if not self.is_alive or self.is_refused():
            return frozenset()
        return frozenset(vip.vip_ip for vip in self.state.vips)

    def is_refused(self):
        return any(
            peer.password is not None and peer.password == self.bad_password
            for _, peer in self.state.peers()
        )


@dataclass
class Sky:
    """What a controller would see, and does."""

    wish: DesiredDistributor
    now: datetime = START
    machines: dict = field(default_factory=dict)
    failures: list = field(default_factory=list)
    builds_fail: bool = False
    bad_password: str | None = None
    replacements_elsewhere: int = 0
    told_in_vain: dict = field(default_factory=dict)
    down: set = field(default_factory=set)  # (amphora_id, peer_id)
    down_since: datetime | None = None

    def observe(self):
        return ObservedCluster(
            amphorae=tuple(
                with_held(self._seen(m), self.now)
                for m in self.machines.values()
            ),
            recent_failures=tuple(self.failures),
            replacements_under_way=self.replacements_elsewhere,
            failures=tuple(self.told_in_vain.values()),
        )

    def group(self, observed=None):
        return Dedicated(self.wish, observed or self.observe(), self.now)

    def look(self):
        """What is seen, and recorded of it."""
        observed = self.observe()
        for amphora in observed.amphorae:
            self.machines[amphora.record.id].record = amphora.record
        found = lapses(self.wish, observed, self.now)
        for amphora_id, lapse in found.items():
            self._change(
                self.machines[amphora_id],
                mute_since=lapse.mute_since,
                stale_since=lapse.stale_since,
            )
        for amphora_id in recovered(self.group(observed)):
            self._change(self.machines[amphora_id], speakers_changed_at=None)
        return observed

    def _seen(self, machine):
        answers = (
            machine.is_alive
            and machine.is_reachable
            and machine.record.lb_network_ip is not None
            and self.now >= machine.booted_at + timedelta(seconds=BOOT_SECONDS)
        )
        if answers:
            machine.heard_at = self.now
        is_heard = machine.record.mute_since is not None
        speaks = not machine.is_mute or (is_heard and not machine.is_deaf)
        silent = (
            machine.heard_at and (self.now - machine.heard_at).total_seconds()
        )
        return ObservedAmphora(
            record=machine.record,
            compute_state=ComputeState.ACTIVE
            if machine.is_alive
            else ComputeState.UNKNOWN,
            compute_address=ip_address("172.31.1.9"),
            report=self._report(machine) if answers and speaks else None,
            is_agent_mute=machine.record.lb_network_ip is not None
            and (machine.is_mute or not answers),
            silent_seconds=silent,
        )

    def _report(self, machine):
        state = machine.state
        pairs = state.peers()
        peers = VipPeers(pairs)
        is_up = {
            peer.id: not machine.is_refused()
            and (machine.record.id, peer.id) not in self.down
            for _, peer in pairs
        }
        wanted = {
            peer.id: sum(peer in peers.of(vip) for vip in state.vips)
            for _, peer in pairs
        }
        return Report(
            amphora_id=machine.record.id,
            digest=digest(state),
            revision=state.revision,
            gate=GateReport(
                state=GateState.UP, reason="", since=machine.booted_at
            ),
            speaker_is_running=True,
            frontend_is_up=False,
            sessions=tuple(
                SessionReport(
                    peer_id=peer.id,
                    peer_ip=peer.peer_ip,
                    state=SessionState.ESTABLISHED
                    if is_up[peer.id]
                    else SessionState.IDLE,
                    since=machine.booted_at
                    if is_up[peer.id]
                    else self.down_since or machine.booted_at,
                )
                for _, peer in pairs
            ),
            path_counts=tuple(
                PathCounts(
                    peer_id=peer_id,
                    wanted=count,
                    advertised=count if is_up[peer_id] else 0,
                )
                for peer_id, count in wanted.items()
            ),
            speakers_digest=speakers_digest(state.speakers),
            are_speakers_loaded=True,
        )

    def step(self):
        actions = plan_dedicated(self.group(self.look()))
        before, self.told_in_vain = self.told_in_vain, {}
        for action in actions:
            if action.amphora_id not in self.told_in_vain:
                self._try(action, before)
        return actions

    def _try(self, action, before):
        """A failure ends the chain of its amphora, as in apply.py."""
        machine = self.machines.get(action.amphora_id)
        if (
            not isinstance(action, SetAgentState)
            or machine.is_refused_for_good is None
        ):
            self._carry_out(action)
            return
        failure = ActionFailure(
            action="SetAgentState",
            amphora_id=action.amphora_id,
            reason="it fails",
            since=self.now,
            is_refused=machine.is_refused_for_good,
        )
        self.told_in_vain[action.amphora_id] = before.get(
            action.amphora_id, failure
        )

    def run(self, seconds=120):
        """Until nothing is planned and all is well; what was planned."""
        planned = []
        for _ in range(seconds):
            actions = self.step()
            planned += actions
            if not actions and is_complete(self.group()):
                return planned
            self.now += timedelta(seconds=1)
        raise AssertionError("it did not converge")

    def _carry_out(self, action):
        machine = self.machines.get(action.amphora_id)
        match action:
            case BootAmphora():
                self._boot(action)
            case AllocateAmphora():
                self._change(
                    machine,
                    status=AmphoraStatus.ALLOCATED,
                    lb_network_ip=action.lb_network_ip,
                )
            case SetAgentState():
                state = action.state
                if action.is_transition:
                    self._change(machine, speakers_changed_at=self.now)
                if state.keeps_speakers:
                    state = replace(
                        state,
                        speakers=machine.state.speakers,
                        keeps_speakers=False,
                    )
                if not machine.is_full:
                    machine.state = state
                if action.drain is DrainMark.BEGUN:
                    self._change(machine, draining_since=self.now)
                elif action.drain is DrainMark.ENDED:
                    self._change(machine, drained_at=self.now)
            case StartLeaving():
                self._change(machine, leaving_since=self.now)
            case FailAmphora():
                self._change(machine, status=AmphoraStatus.ERROR)
                self.failures.append(
                    BootFailure(at=self.now, is_refused=action.is_refused)
                )
            case DeleteAmphora():
                del self.machines[action.amphora_id]

    def _boot(self, action):
        status = AmphoraStatus.BOOTING
        if self.builds_fail:
            status = AmphoraStatus.ERROR
            self.failures.append(BootFailure(at=self.now, is_refused=True))
        self.machines[action.amphora_id] = Machine(
            record=AmphoraRecord(
                id=action.amphora_id,
                load_balancer_id=None,
                service_type=ServiceType.DISTRIBUTOR,
                status=status,
                status_since=self.now,
                availability_zone=action.zone.availability_zone,
                speakers_changed_at=self.now,
            ),
            booted_at=self.now,
            state=action.first_state,
            bad_password=self.bad_password,
        )

    def _change(self, machine, **changes):
        if "status" in changes:
            changes["status_since"] = self.now
        machine.record = replace(machine.record, **changes)

    def cut(self, machine, peer_id):
        """Take one of its sessions down."""
        self.down.add((machine.record.id, peer_id))
        self.down_since = self.now

    def heard(self):
        """(VIP, peer) of all paths that the fabric has."""
        return {
            (vip.vip_ip, peer.id)
            for machine in self.machines.values()
            if machine.is_alive
            for vip in machine.state.vips
            for peer in VipPeers(machine.state.peers()).of(vip)
            if (machine.record.id, peer.id) not in self.down
        }

    def go(self, seconds):
        """Look each second."""
        for _ in range(seconds):
            self.step()
            self.now += timedelta(seconds=1)

    def drain(self, machine, *, elsewhere=False):
        """Ask for its drain, as a zone drain does, if it is not asked for."""
        record = machine.record
        if (
            record.status is AmphoraStatus.ALLOCATED
            and record.leaving_since is None
            and record.drain_wanted_since is None
        ):
            self._change(
                machine,
                **NO_MARKS,
                **wish(record, 600, LIMITS, self.now),
                zone_drain_id="drain",
                stand_in_wanted=elsewhere,
            )

    def undrain(self, machine):
        """End it, as a zone drain ends: what leaves goes on."""
        if machine.record.zone_drain_id is not None:
            self._change(machine, **taken_back(machine.record))
            self._change(machine, **released())

    def change(self):
        """Register one more VIP."""
        number = int(self.wish.revision) + 1
        self.wish = replace(
            self.wish,
            external_vips=(*self.wish.external_vips, external(number)),
            revision=str(number),
        )

    def announced(self):
        return frozenset().union(
            *(m.announced() for m in self.machines.values())
        )


@pytest.fixture
def sky():
    sky = Sky(desired())
    sky.run()
    return sky


def test_as_many_as_wanted_announce_every_vip(sky):
    assert len(sky.machines) == 2
    for machine in sky.machines.values():
        assert machine.announced() == {ip_address("198.51.100.1")}
        assert machine.state.is_distributor
        (vip,) = machine.state.vips
        assert vip.load_balancer_id is None
    assert sky.step() == ()


def test_the_first_state_has_no_vip():
    sky = Sky(desired())
    actions = sky.step()
    assert [type(a) for a in actions] == [BootAmphora, BootAmphora]
    assert all(not a.first_state.vips for a in actions)


def test_a_new_vip_is_told_to_each(sky):
    sky.wish = desired(2, external(1), external(2), revision="2")
    actions = sky.run()
    assert [type(a) for a in actions] == [SetAgentState] * 2
    assert len(sky.announced()) == 2


def test_a_vip_for_one_peer_is_told_so(sky):
    sky.wish = desired(2, external(1, peer_id="leaf1"), revision="2")
    sky.run()
    for machine in sky.machines.values():
        assert machine.state.vips[0].peer_ids == ("leaf1",)


def test_a_dead_one_is_replaced_before_it_is_buried(sky):
    victim = next(iter(sky.machines.values()))
    victim.is_alive = False
    kinds = [type(a) for a in sky.run()]
    assert kinds.index(BootAmphora) < kinds.index(DeleteAmphora)
    assert len(sky.machines) == 2
    assert victim.record.id not in sky.machines


def test_all_silent_together_boots_one_only(sky):
    for machine in sky.machines.values():
        machine.is_reachable = False
    booted = 0
    for _ in range(40):
        sky.now += timedelta(seconds=1)
        for action in sky.step():
            assert not isinstance(action, DeleteAmphora)
            booted += isinstance(action, BootAmphora)
            if booted:
                break
        if booted:
            break
    assert booted == 1


def test_failing_boots_wait_longer_each_time():
    sky = Sky(desired(1), builds_fail=True)
    boots = 0
    for _ in range(120):
        boots += sum(isinstance(a, BootAmphora) for a in sky.step())
        sky.now += timedelta(seconds=1)
    assert 3 <= boots <= 8


def test_failover_of_one_comes_with_another(sky):
    victim = next(iter(sky.machines.values()))
    sky._change(victim, failover_wanted=True)
    planned = []
    while victim.record.id in sky.machines:
        planned += sky.step()
        assert sky.announced()
        sky.now += timedelta(seconds=1)
    sky.run()
    assert len(sky.machines) == 2
    kinds = [type(a) for a in planned]
    assert kinds.index(BootAmphora) < kinds.index(StartLeaving)


def test_fewer_leave_one_after_the_other(sky):
    sky.wish = desired(1)
    sky.run()
    assert len(sky.machines) == 1
    assert sky.announced()


def test_a_deleted_distributor_leaves_none(sky):
    sky.wish = desired(is_deleted=True)
    sky.run()
    assert sky.machines == {}


def test_a_deleted_distributor_does_not_wait_for_a_silent_one(sky):
    for machine in sky.machines.values():
        machine.is_alive = False
    sky.wish = desired(is_deleted=True)
    sky.run()
    assert sky.machines == {}


def test_a_wrong_password_reaches_one_of_them_only(sky):
    """The other goes on with what it has, until it is put right."""
    for machine in sky.machines.values():
        machine.bad_password = "wrong"
    good = sky.wish
    (speaker,) = good.distributor.speakers
    (peer,) = speaker.peers
    bad = replace(peer, auth_type="md5", password="wrong")
    wrong = replace(speaker, peers=(bad,))
    sky.wish = replace(
        good, distributor=replace(good.distributor, speakers=(wrong,))
    )
    for _ in range(90):
        sky.step()
        assert sky.announced()
        sky.now += timedelta(seconds=1)
    refused = [m for m in sky.machines.values() if m.is_refused()]
    assert len(refused) == 1
    sky.wish = good
    sky.run()
    assert all(m.announced() for m in sky.machines.values())


@pytest.mark.parametrize("vips", [(), (external(1),)])
def test_what_has_its_sessions_tries_nothing_out_any_more(vips):
    sky = Sky(desired(2, external_vips=vips))
    sky.run()
    sky.now += timedelta(seconds=sky.wish.policy.withdraw_linger)
    assert sky.step() == ()
    for machine in sky.machines.values():
        assert machine.record.speakers_changed_at is None


def test_a_vip_counts_as_announced_from_its_revision_on(sky):
    (report, _) = (a.report for a in sky.observe().amphorae)
    assert is_announcing(report)
    assert announces(report, external(1, since_revision=1))
    assert not announces(report, external(9, since_revision=2))
    assert not announces(report, external(1, peer_id="another"))
    assert not is_announcing(None)


def in_words(machine):
    """What a machine does: intents and number of VIPs."""
    return sorted({vip.intent for vip in machine.state.vips}), len(
        machine.state.vips
    )


def test_one_out_of_service_drains_and_withdraws(sky):
    victim, other = sky.machines.values()
    sky.drain(victim)
    told = []
    for _ in range(12):
        sky.step()
        assert other.announced()
        told.append(in_words(victim))
        sky.now += timedelta(seconds=1)
    draining, withdrawn = ([Intent.DRAIN], 1), ([], 0)
    assert told == [draining] * 5 + [withdrawn] * 7, "five seconds of 600"
    assert is_complete(sky.group())
    assert sky.step() == ()
    assert confirmed_paths(sky.wish, sky.observe().amphorae[0]) == ()

    sky.change()
    sky.run()
    assert [len(m.announced()) for m in (victim, other)] == [0, 2]
    sky.undrain(victim)
    sky.run()
    assert [len(m.announced()) for m in (victim, other)] == [2, 2]
    assert len(sky.machines) == 2


def test_a_stand_in_announces_first_and_goes_afterwards(sky):
    victim = next(iter(sky.machines.values()))
    sky.drain(victim, elsewhere=True)
    for _ in range(60):
        sky.step()
        announcing = [m for m in sky.machines.values() if m.announced()]
        assert len(announcing) >= 2
        sky.now += timedelta(seconds=1)
    sky.run()
    assert len(sky.machines) == 3
    assert not victim.announced()

    sky.undrain(victim)
    sky.run()
    assert len(sky.machines) == 2


@pytest.mark.parametrize("is_there", [True, False])
def test_the_last_one_that_announces_goes_on(is_there):
    """Alone, or beside one of which nothing is heard."""
    sky = Sky(desired(2 if is_there else 1))
    sky.run()
    victim, *others = sky.machines.values()
    for other in others:
        other.is_reachable = False
    sky.drain(victim)
    for _ in range(20):
        sky.step()
        assert in_words(victim) == ([Intent.ADVERTISE], 1)
        sky.now += timedelta(seconds=1)
    assert victim.record.drained_at is None
    for other in others:
        other.is_reachable = True
        sky.run()
        assert not victim.announced()


OF_LEAF1 = external(2, peer_id="leaf1")


def racks(count=2):
    """A distributor with a router in each of two racks."""
    made = distributor()
    (speaker,) = made.speakers
    peers = tuple(
        replace(peer, id=f"leaf{n}", availability_zone=f"rack{n}")
        for n in (1, 2)
        for peer in speaker.peers
    )
    zones = tuple(Zone(availability_zone=f"rack{n}") for n in (1, 2))
    return replace(
        made,
        speakers=(replace(speaker, peers=peers),),
        zones=zones,
        dedicated_count=count,
    )


@pytest.fixture
def one_racks_vip():
    """A VIP for everybody and one for leaf1, and leaf1's amphora."""
    sky = Sky(desired(2, external(1), OF_LEAF1, distributor=racks()))
    sky.run()
    victim = next(
        m
        for m in sky.machines.values()
        if m.record.availability_zone == "rack1"
    )
    return sky, victim


def test_what_only_one_has_a_peer_for_keeps_it(one_racks_vip):
    """A VIP for the router of its rack."""
    sky, victim = one_racks_vip
    sky.drain(victim)
    for _ in range(20):
        sky.step()
        assert in_words(victim) == ([Intent.ADVERTISE], 2)
        sky.now += timedelta(seconds=1)
    sky.wish = replace(sky.wish, external_vips=(external(1),), revision="3")
    sky.run()
    assert not victim.announced()


def test_a_flap_does_not_end_that(one_racks_vip):
    sky, victim = one_racks_vip
    sky.drain(victim)
    sky.go(20)
    sky.cut(victim, "leaf1")
    sky.go(10)
    sky.down.clear()
    sky.go(20)
    assert (OF_LEAF1.vip_ip, "leaf1") in sky.heard()


def test_a_router_that_is_away_for_long_does(one_racks_vip):
    """Nobody hears that VIP: it keeps no amphora in service."""
    sky, victim = one_racks_vip
    sky.cut(victim, "leaf1")
    assert is_held_for_a_while(sky, victim)


def is_held_for_a_while(sky, victim):
    """Asked to drain, it waits, but not for longer than session_patience."""
    sky.drain(victim)
    sky.go(30)
    waits = victim.record.drained_at is None
    sky.go(60)
    return waits and victim.record.drained_at is not None


def test_what_the_other_has_no_session_for_is_not_beside():
    """IPv6, of which the other one's session is down."""
    made = distributor()
    (speaker,) = made.speakers
    (peer,) = speaker.peers
    leaf6 = replace(peer, id="leaf6", peer_ip=ip_address("2001:db8::11"))
    of_6 = replace(speaker, id="six", ip_version=6, peers=(leaf6,))
    both = replace(made, speakers=(speaker, of_6), dedicated_count=2)
    vip = ExternalVip(
        id="v6",
        vip_ip=ip_address("2001:db8:100::2"),
        nexthop_ip=ip_address("2001:db8:1::77"),
    )
    sky = Sky(desired(2, external(1), vip, distributor=both))
    sky.run()
    victim, other = sky.machines.values()
    sky.cut(other, "leaf6")
    sky.drain(victim)
    for _ in range(60):
        sky.go(1)
        assert (vip.vip_ip, "leaf6") in sky.heard()
    sky.down.clear()
    sky.run()
    assert not victim.announced()


def test_a_peer_of_which_nothing_is_known_holds_for_a_while(one_racks_vip):
    """A daemon that refuses a peer does not say since when it is down."""
    sky, victim = one_racks_vip
    report = sky._report
    sky._report = lambda machine: replace(
        report(machine),
        sessions=tuple(
            s
            if s.state is SessionState.ESTABLISHED
            else replace(s, since=None)
            for s in report(machine).sessions
        ),
    )
    sky.cut(victim, "leaf1")
    assert is_held_for_a_while(sky, victim)


def test_one_that_waits_and_hangs_keeps_its_vip(one_racks_vip):
    sky, victim = one_racks_vip
    sky.wish = replace(sky.wish, avoided_zones=frozenset({"rack1"}))
    sky.drain(victim)
    sky.go(20)
    victim.is_mute = True
    for _ in range(300):
        sky.go(1)
        assert (OF_LEAF1.vip_ip, "leaf1") in sky.heard()


def test_peers_that_it_keeps_are_peers(one_racks_vip):
    """They were taken from the distributor, and carry its paths still."""
    sky, victim = one_racks_vip
    other = next(m for m in sky.machines.values() if m is not victim)
    sky.cut(other, "leaf2")
    sky.drain(victim)
    sky.go(10)
    made = sky.wish.distributor
    (speaker,) = made.speakers
    left = tuple(p for p in speaker.peers if p.id != "leaf1")
    sky.wish = replace(
        sky.wish,
        distributor=replace(made, speakers=(replace(speaker, peers=left),)),
    )
    sky.go(30)
    assert sky.heard()


def test_without_peers_nobody_is_waited_for():
    mute = replace(distributor(), speakers=(), dedicated_count=2)
    sky = Sky(desired(2, distributor=mute))
    sky.go(60)
    victim = next(iter(sky.machines.values()))
    sky.drain(victim)
    sky.go(5)
    assert victim.record.drained_at is not None


def test_a_drained_one_that_hangs_is_not_told_to_announce(sky):
    victim = next(iter(sky.machines.values()))
    sky.drain(victim)
    sky.run()
    victim.is_mute = True
    sky.change()
    for _ in range(300):
        sky.go(1)
        assert not victim.state.vips
    assert victim.record.id not in sky.machines


def test_without_any_vip_one_is_drained_at_once():
    sky = Sky(desired(2, external_vips=()))
    sky.run()
    victim, _ = sky.machines.values()
    sky.drain(victim)
    sky.run()
    assert victim.record.drained_at is not None
    assert len(sky.machines) == 2


def test_one_that_drains_is_replaced_when_it_dies(sky):
    victim, _ = sky.machines.values()
    sky.drain(victim)
    sky.run()
    victim.is_alive = False
    sky.run()
    assert len(sky.machines) == 2
    assert all(m.announced() for m in sky.machines.values())


FAULTS = (
    "die",
    "cut",
    "failover",
    "heal",
    "hang",
    "hang whole",
    "disk full",
    "drain",
    "drain elsewhere",
    "undrain",
)


def _heal(machine):
    machine.is_reachable = True
    machine.is_mute = machine.is_deaf = machine.is_full = False


@given(
    faults=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from(FAULTS),
            st.integers(0, 40),
        ),
        max_size=5,
    ),
    count=st.integers(1, 4),
)
def test_whatever_dies_it_converges_and_announces_meanwhile(faults, count):
    """While one that works is left, the fabric keeps every route."""
    sky = Sky(desired(count))
    sky.run()
    for index, fault, seconds in faults:
        machines = sorted(sky.machines.values(), key=lambda m: m.record.id)
        machine = machines[index % len(machines)]
        if fault == "die":
            machine.is_alive = False
        elif fault == "cut":
            machine.is_reachable = False
        elif fault == "heal":
            _heal(machine)
        elif fault == "hang":
            machine.is_mute = True
        elif fault == "hang whole":
            machine.is_mute = machine.is_deaf = True
        elif fault == "disk full":
            machine.is_full = True
            sky.change()
        elif fault == "undrain":
            sky.undrain(machine)
        elif fault.startswith("drain"):
            sky.drain(machine, elsewhere=fault.endswith("elsewhere"))
        else:
            sky._change(machine, failover_wanted=True)
        had = bool(sky.announced())
        for _ in range(seconds):
            sky.step()
            assert sky.announced() or not had
            had = bool(sky.announced())
            sky.now += timedelta(seconds=1)
    for machine in sky.machines.values():
        _heal(machine)
        sky.undrain(machine)
    sky.run(600)
    assert len(sky.machines) == count


@pytest.mark.parametrize(
    ("vip", "next_hop", "field_name"),
    [
        ("198.51.100.1", "2001:db8::1", "next_hop"),
        ("198.51.100.1", "198.51.100.1", "next_hop"),
        ("224.0.0.5", "10.1.0.1", "vip_address"),
        ("0.0.0.0", "10.1.0.1", "vip_address"),
        ("127.0.0.1", "10.1.0.1", "vip_address"),
        ("fe80::1", "2001:db8::1", "vip_address"),
        ("198.51.100.1", "255.255.255.255", "next_hop"),
        ("2001:db8::5", "ff02::1", "next_hop"),
    ],
)
def test_what_is_no_host_is_refused(vip, next_hop, field_name):
    with pytest.raises(InvalidRequest) as caught:
        ExternalVip(
            id="v", vip_ip=ip_address(vip), nexthop_ip=ip_address(next_hop)
        )
    assert caught.value.field == field_name


def test_the_replacement_limit_holds_replacements():
    sky = Sky(desired(4))
    sky.run()
    limit = sky.wish.policy.replacement_limit
    sky.replacements_elsewhere = limit
    for machine in list(sky.machines.values())[:2]:
        del sky.machines[machine.record.id]
    for _ in range(120):
        assert sky.step() == ()
        sky.now += timedelta(seconds=1)

    sky.replacements_elsewhere = limit - 1
    boots = [a for a in sky.step() if isinstance(a, BootAmphora)]
    assert [boot.is_replacement for boot in boots] == [True]


def test_the_replacement_limit_holds_a_failover_of_one_of_them():
    sky = Sky(desired(2))
    sky.run()
    sky.replacements_elsewhere = sky.wish.policy.replacement_limit
    sky._change(next(iter(sky.machines.values())), failover_wanted=True)
    assert sky.step() == ()


def test_a_new_distributor_is_not_held():
    limit = ClusterPolicy().replacement_limit
    sky = Sky(desired(2), replacements_elsewhere=limit)
    boots = sky.step()
    assert [boot.is_replacement for boot in boots] == [False, False]


def pass_time(sky, seconds):
    """Look each second; while it does, somebody announces."""
    planned = []
    for _ in range(int(seconds)):
        planned += sky.step()
        assert sky.announced()
        sky.now += timedelta(seconds=1)
    return planned


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_hung_one_is_told_past_its_agent_and_replaced(count):
    sky = Sky(desired(count))
    sky.run()
    victim = next(iter(sky.machines.values()))
    victim.is_mute = True
    pass_time(sky, 3)
    sky.change()
    pass_time(sky, 3)
    assert len(victim.announced()) == 2, "through its speakerd"
    assert victim.record.mute_since is not None

    planned = pass_time(sky, sky.wish.policy.gate_timeout + 30)

    assert victim.record.id not in sky.machines
    assert len(sky.machines) == count
    kinds = [type(a) for a in planned]
    assert kinds.index(BootAmphora) < kinds.index(StartLeaving)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_one_that_hangs_whole_and_is_old_is_deleted(count):
    """As soon as one other is ready: it may announce what is old."""
    sky = Sky(desired(count))
    sky.run()
    victim = next(iter(sky.machines.values()))
    victim.is_mute = victim.is_deaf = True
    sky.change()
    pass_time(sky, sky.wish.policy.dead_after + 12)
    assert victim.record.id not in sky.machines


def test_one_that_hangs_whole_and_is_current_has_time(sky):
    victim = next(iter(sky.machines.values()))
    victim.is_mute = victim.is_deaf = True
    pass_time(sky, sky.wish.policy.gate_timeout)
    assert len(sky.machines) == 2
    pass_time(sky, 30)
    assert victim.record.id not in sky.machines


def test_one_that_answers_again_stays(sky):
    victim = next(iter(sky.machines.values()))
    victim.is_mute = True
    pass_time(sky, sky.wish.policy.gate_timeout - 5)
    victim.is_mute = False
    assert pass_time(sky, 60) == []
    assert victim.record.mute_since is None


def test_where_no_agent_answers_one_new_one_tells(sky):
    for machine in sky.machines.values():
        machine.is_mute = machine.is_deaf = True
    planned = pass_time(sky, sky.wish.policy.gate_timeout + 1)
    assert all(isinstance(a, SetAgentState) for a in planned)
    planned = pass_time(sky, 3)
    assert [type(a) for a in planned] == [BootAmphora, AllocateAmphora]


def test_one_that_takes_no_state_is_replaced(sky):
    victim = next(iter(sky.machines.values()))
    victim.is_full = True
    sky.change()
    pass_time(sky, 90)
    assert victim.record.id not in sky.machines
    assert len(sky.machines) == 2


@pytest.mark.parametrize("for_good", [True, False])
def test_one_that_fails_to_take_a_state_is_replaced(sky, for_good):
    """Even to withdraw it is told in vain: that must not keep it."""
    victim = next(iter(sky.machines.values()))
    victim.is_refused_for_good = for_good
    sky.change()
    pass_time(sky, 120)
    assert victim.record.id not in sky.machines
    assert len(sky.machines) == 2


def test_where_none_is_wanted_any_more_none_is_left(sky):
    sky.wish = desired(0)
    actions = sky.step()
    reasons = {a.reason for a in actions if isinstance(a, DeleteAmphora)}
    assert reasons == {"no longer wanted"}
    assert sky.machines == {}


def test_where_nobody_takes_a_state_nobody_is_replaced(sky):
    before = set(sky.machines)
    for machine in sky.machines.values():
        machine.is_full = True
    sky.change()
    pass_time(sky, 200)
    assert set(sky.machines) == before


def test_a_deleted_distributor_does_not_wait_for_a_hung_one(sky):
    for machine, is_deaf in zip(
        sky.machines.values(), (True, False), strict=True
    ):
        machine.is_mute, machine.is_deaf = True, is_deaf
    sky.wish = desired(is_deleted=True)
    sky.run()
    assert sky.machines == {}


def test_one_that_does_not_withdraw_leaves_all_the_same(sky):
    victim = next(iter(sky.machines.values()))
    victim.is_full = True
    sky._change(victim, failover_wanted=True)
    pass_time(sky, 60)
    assert victim.record.id not in sky.machines


def test_failed_boots_are_one_failure_until_one_comes_up():
    sky = Sky(desired(1), builds_fail=True)
    began = sky.now
    for seconds in range(40):
        sky.step()
        (found,) = boot_failures(sky.group())
        assert found.since == began
        assert found.is_refused == (len(sky.failures) >= 3), seconds
        sky.now += timedelta(seconds=1)
    sky.builds_fail = False
    sky.run()
    assert boot_failures(sky.group()) == ()


def test_failed_boots_do_not_count_where_none_is_missing():
    sky = Sky(desired(2))
    sky.run()
    sky.builds_fail = True
    del sky.machines[next(iter(sky.machines))]
    for _ in range(10):
        sky.step()
        sky.now += timedelta(seconds=1)
    assert boot_failures(sky.group())
    sky.wish = desired(1)
    assert not boot_failures(sky.group())
