# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The planner, case by case: each test is one story."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from octavia_anycast.model.actions import (
    BootAmphora,
    ConfigureHaproxy,
    DeleteAmphora,
    FindCulprits,
    SetAgentState,
    StartLeaving,
)
from octavia_anycast.model.cluster import BootFailure, ClusterSize
from octavia_anycast.model.wire import (
    GateReport,
    GateState,
    Intent,
    Probe,
    ProbeReport,
    ProbeVerdict,
)
from octavia_anycast.planning.amphora.assessment import Cluster
from octavia_anycast.planning.amphora.backoff import streak
from octavia_anycast.planning.cluster.plan import plan
from octavia_anycast.testing.simulated.simulation import EPOCH, World
from octavia_anycast.tests.unit.planning.clusters import (
    desired_cluster,
    sockets,
)


@pytest.fixture
def world() -> World:
    """A converged cluster of four."""
    world = World(desired=desired_cluster())
    world.run(30)
    assert len(world.announcers()) == 4
    return world


def test_create_boots_all_at_once_and_spreads_them_over_the_zones():
    world = World(desired=desired_cluster(size=4))
    boots = [a for a in world.step() if isinstance(a, BootAmphora)]
    places = Counter(boot.zone.availability_zone for boot in boots)
    assert places == {"rack1": 2, "rack2": 2}


def test_converged_cluster_plans_nothing(world):
    assert world.step() == ()


def test_nothing_is_announced_without_a_listener():
    world = World(desired=desired_cluster(listeners=()))
    world.run(30)
    assert len(world.guests) == 4
    assert world.announcers() == frozenset()
    assert world.step() == ()


def test_each_amphora_peers_with_its_own_rack_only(world):
    for guest in world.guests.values():
        peers = [peer.id for _, peer in guest.state.peers()]
        leaf = guest.record.availability_zone.replace("rack", "leaf")
        assert peers == [leaf]


def test_update_keeps_every_amphora_announced(world):
    world.desired = replace(
        world.desired, revision="r2", listeners=sockets(80, 443)
    )
    for _ in range(5):
        world.step()
        assert len(world.announcers()) == 4
    assert {g.configured for g in world.guests.values()} == {"r2"}
    assert world.step() == ()


def test_gate_watches_only_common_sockets_during_a_change(world):
    world.desired = replace(
        world.desired, revision="r2", listeners=sockets(443, 8080)
    )
    world.desired = replace(world.desired, listeners=sockets(80, 443))
    world.step()
    world.desired = replace(
        world.desired, revision="r3", listeners=sockets(443)
    )
    actions = world.step()
    first = next(a for a in actions if isinstance(a, SetAgentState))
    assert first.state.listeners == sockets(443)
    assert first.state.revision == "r2"


def interim_of(world, **changes):
    """The state in force on an amphora when such a change is pushed."""
    guest = next(iter(world.guests.values()))
    state = guest.state
    world.desired = replace(world.desired, revision="r2", **changes)
    for action in world.step():
        if getattr(action, "amphora_id", "") != guest.record.id:
            continue
        if isinstance(action, ConfigureHaproxy):
            return state
        if isinstance(action, SetAgentState):
            state = action.state
    raise AssertionError("nothing was pushed")


def test_udp_alone_is_announced():
    world = World(
        desired=desired_cluster(listeners=(), lvs_listener_ids=("dns",))
    )
    world.run(30)
    assert len(world.announcers()) == 4
    for guest in world.guests.values():
        assert guest.state.lvs_listener_ids == ("dns",)
        assert guest.state.listeners == ()
    assert world.step() == ()
    world.desired = replace(world.desired, revision="r2", lvs_listener_ids=())
    world.run(5)
    assert world.announcers() == frozenset()


@pytest.mark.parametrize(
    ("before", "after", "watched"),
    [
        # What stays of either kind is enough to watch.
        (((80,), ("a",)), ((80,), ("b",)), ((80,), ())),
        (((80,), ("a",)), ((443,), ("a",)), ((), ("a",))),
        (((80,), ("a", "b")), ((), ("b",)), ((), ("b",))),
        (((), ("a",)), ((80,), ("a",)), ((), ("a",))),
        # Nothing stays: all that is there now.
        (((80,), ("a",)), ((443,), ("b",)), ((80,), ("a",))),
        (((), ("a",)), ((80,), ()), ((), ("a",))),
    ],
)
def test_gate_watches_only_common_listeners_of_both_kinds(
    before, after, watched
):
    def listeners(pair):
        ports, lvs_ids = pair
        return {"listeners": sockets(*ports), "lvs_listener_ids": lvs_ids}

    world = World(desired=desired_cluster(**listeners(before)))
    world.run(30)
    state = interim_of(world, **listeners(after))
    assert {
        "listeners": state.listeners,
        "lvs_listener_ids": state.lvs_listener_ids,
    } == listeners(watched)
    world.run(5)
    assert len(world.announcers()) == 4
    assert world.step() == ()


def test_amphora_that_rejects_a_configuration_is_withdrawn(world):
    sick = next(iter(world.guests.values()))
    sick.rejects_configuration = True
    world.desired = replace(world.desired, revision="r2")
    world.run(6)  # it drains first
    assert sick.record.id not in world.announcers()
    assert len(world.announcers()) == 3


def test_configuration_that_all_reject_withdraws_nobody(world):
    for guest in world.guests.values():
        guest.rejects_configuration = True
    world.desired = replace(world.desired, revision="r2")
    world.run(10)
    assert len(world.announcers()) == 4


def test_dead_amphora_is_replaced_in_its_zone(world):
    victim = next(iter(world.guests.values()))
    victim.is_dead = True
    victim.is_dead_known = True
    world.run(30)
    assert victim.record.id not in world.guests
    assert len(world.announcers()) == 4
    places = Counter(g.record.availability_zone for g in world.guests.values())
    assert places == {"rack1": 2, "rack2": 2}


def test_silent_amphora_stays_until_its_replacement_announces(world):
    victim = next(iter(world.guests.values()))
    victim.is_cut_off = True
    while victim.record.id in world.guests:
        actions = world.step()
        if any(isinstance(a, DeleteAmphora) for a in actions):
            break
    reachable = world.announcers() - {victim.record.id}
    assert len(reachable) >= 3


def test_management_network_down_boots_one_probe_and_deletes_nobody(world):
    for guest in world.guests.values():
        guest.is_cut_off = True
    boots = 0
    for _ in range(40):
        actions = world.step()
        boots += sum(isinstance(a, BootAmphora) for a in actions)
        assert not any(isinstance(a, DeleteAmphora) for a in actions)
        for guest in world.guests.values():
            guest.is_cut_off = True
    assert boots == 1
    assert len(world.announcers()) >= 4


def test_failed_boots_back_off_exponentially():
    world = World(desired=desired_cluster(size=1), boots_fail=True)
    world.run(600)
    # 5 + 10 + 20 + 40 + 80 + 160 + 300 s: about eight boots, not hundreds.
    assert 5 <= world.boots <= 9
    world.boots_fail = False
    world.run(400)
    assert len(world.announcers()) == 1


def test_failover_replaces_all_new_before_old(world):
    old = set(world.guests)
    world.desired = replace(world.desired, failover_generation=1)
    for _ in range(200):
        world.step()
        assert len(world.announcers()) >= 4
    assert not old & set(world.guests)
    assert len(world.guests) == 4
    places = Counter(g.record.availability_zone for g in world.guests.values())
    assert places == {"rack1": 2, "rack2": 2}


def test_scale_in_drains_withdraws_lingers_and_deletes(world):
    world.desired = replace(world.desired, size=ClusterSize(desired=3))
    actions = world.step()
    (leaving,) = (a for a in actions if isinstance(a, StartLeaving))
    intents = []
    while leaving.amphora_id in world.guests:
        intents += [
            vip.intent
            for a in world.step()
            if isinstance(a, SetAgentState)
            for vip in a.state.vips[:1]
        ]
    assert intents == [Intent.DRAIN, Intent.WITHDRAW]
    assert len(world.announcers()) == 3


def test_scale_out_leaves_the_others_alone(world):
    before = {i: g.state for i, g in world.guests.items()}
    world.desired = replace(world.desired, size=ClusterSize(desired=6))
    world.run(30)
    assert len(world.announcers()) == 6
    assert all(world.guests[i].state == state for i, state in before.items())


def test_sick_amphora_is_replaced_while_others_are_well(world):
    sick = next(iter(world.guests.values()))
    sick.is_gate_broken = True
    sick.gate_since = world.now
    world.run(120)
    assert sick.record.id not in world.guests
    assert len(world.announcers()) == 4


def test_common_sickness_burns_no_amphorae(world):
    boots = world.boots
    for guest in world.guests.values():
        guest.is_gate_broken = True
        guest.gate_since = world.now
    world.run(300)
    assert world.boots == boots


def test_disabled_load_balancer_is_withdrawn_and_keeps_its_amphorae(world):
    world.desired = replace(world.desired, is_enabled=False, listeners=())
    world.run(5)
    assert world.announcers() == frozenset()
    assert len(world.guests) == 4


def test_delete_withdraws_first_and_leaves_nothing(world):
    world.desired = replace(world.desired, is_deleted=True)
    actions = world.step()
    kinds = [type(a) for a in actions]
    assert kinds == [SetAgentState, DeleteAmphora] * 4
    world.step()
    assert world.is_removed


def test_delete_does_not_wait_for_the_unreachable(world):
    for guest in world.guests.values():
        guest.is_cut_off = True
    world.desired = replace(world.desired, is_deleted=True)
    world.run(3)
    assert world.is_removed


def test_delete_in_the_middle_of_a_create():
    world = World(desired=desired_cluster())
    world.run(3)
    world.desired = replace(world.desired, is_deleted=True)
    world.run(3)
    assert world.is_removed


def test_family_that_the_fabric_refuses_does_not_block_a_failover(world):
    for guest in world.guests.values():
        guest.is_ipv6_refused = True
    old = set(world.guests)
    world.desired = replace(world.desired, failover_generation=1)
    for _ in range(200):
        world.step()
        for guest in world.guests.values():
            guest.is_ipv6_refused = True
    assert not old & set(world.guests)
    assert len(world.guests) == 4


def test_family_that_the_fabric_refuses_does_not_keep_the_dead(world):
    for guest in world.guests.values():
        guest.is_ipv6_refused = True
    victim = next(iter(world.guests.values()))
    victim.is_cut_off = True
    world.run(90)
    assert victim.record.id not in world.guests


@pytest.mark.parametrize(
    ("lost", "probe", "seconds", "pushed"),
    [
        (4, Probe.PROCESS, 61, 4),  # a reboot emptied the RAM disks of all
        (4, Probe.PROCESS, 59, 0),
        (4, Probe.GATEWAY, 61, 0),  # a push does not help
        (3, Probe.PROCESS, 61, 0),  # others serve: they are replaced
    ],
)
def test_where_nobody_runs_what_it_was_given_it_is_given_again(
    world, lost, probe, seconds, pushed
):
    world.run(120)
    since = world.now - timedelta(seconds=seconds)
    observed = world.observe()
    amphorae = [
        with_closed_gate(amphora, probe, since) if index < lost else amphora
        for index, amphora in enumerate(observed.amphorae)
    ]
    observed = replace(observed, amphorae=tuple(amphorae))
    actions = plan(world.desired, observed, world.now)
    pushes = [a for a in actions if isinstance(a, ConfigureHaproxy)]
    assert len(pushes) == pushed


def test_what_refuses_it_again_is_not_given_it_again(world):
    """Then what is to blame is sought, as for any that refuses."""
    world.run(120)
    since = world.now - timedelta(seconds=61)
    observed = world.observe()
    amphorae = [
        replace(
            found,
            record=replace(
                found.record, refused_revision=world.desired.revision
            ),
        )
        for found in (
            with_closed_gate(amphora, Probe.PROCESS, since)
            for amphora in observed.amphorae
        )
    ]
    observed = replace(observed, amphorae=tuple(amphorae))
    actions = plan(world.desired, observed, world.now)
    assert not [a for a in actions if isinstance(a, ConfigureHaproxy)]
    assert [type(action) for action in actions] == [FindCulprits]


def test_what_does_not_run_ends_no_streak_of_failed_boots(world):
    world.run(120)
    failure = BootFailure(at=EPOCH, reason="no host")
    observed = replace(world.observe(), recent_failures=(failure,))
    assert streak(Cluster(world.desired, observed, world.now)) == ()
    stopped = tuple(
        with_closed_gate(amphora, Probe.PROCESS, world.now)
        for amphora in observed.amphorae
    )
    observed = replace(observed, amphorae=stopped)
    assert streak(Cluster(world.desired, observed, world.now)) == (failure,)


def with_closed_gate(amphora, probe, since):
    """What a probe of its health gate closed."""
    found = ProbeReport(
        probe=probe, verdict=ProbeVerdict.BAD, value="", since=since
    )
    gate = GateReport(
        state=GateState.DOWN, reason="closed", since=since, evidence=(found,)
    )
    return replace(amphora, report=replace(amphora.report, gate=gate))
