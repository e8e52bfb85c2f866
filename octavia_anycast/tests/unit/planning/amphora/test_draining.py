# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Draining: one amphora out of service by wish, or on its way out."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from octavia_anycast.model.actions import (
    BootAmphora,
    ConfigureHaproxy,
    DeleteAmphora,
    FinishConnections,
    SetAgentState,
)
from octavia_anycast.model.cluster import ClusterPolicy, ClusterSize
from octavia_anycast.model.wire import Intent, LvsReport, Report
from octavia_anycast.planning.amphora.draining import (
    LVS_QUIET_SECONDS,
    connections_left,
    is_quiet,
)
from octavia_anycast.planning.cluster.status import (
    OperatingStatus,
    is_settled,
    operating_verdict,
)
from octavia_anycast.testing.simulated.simulation import Guest, World
from octavia_anycast.tests.unit.planning.clusters import (
    VIP4,
    VIP6,
    desired_cluster,
    sockets,
)

LINGER = desired_cluster().policy.withdraw_linger


@pytest.fixture
def world() -> World:
    """A converged cluster of four."""
    return made(4)


def made(size: int, **changes: object) -> World:
    world = World(desired=desired_cluster(size=size, **changes))
    world.run(30)
    assert len(world.announcers()) == size
    return world


def first(world: World) -> Guest:
    return next(iter(world.guests.values()))


def intents(world: World, amphora_id: str, seconds: int) -> list[Intent]:
    """What it is told in so many seconds."""
    return [
        action.state.vips[0].intent
        for _ in range(seconds)
        for action in world.step()
        if isinstance(action, SetAgentState)
        and action.amphora_id == amphora_id
    ]


def seconds_until(world: World, condition, limit: int = 120) -> int:
    for second in range(limit):
        if condition():
            return second
        world.step()
    raise AssertionError("it did not happen")


def is_settled_now(world: World) -> bool:
    return is_settled(world.desired, world.observe(), world.now)


# By wish


def test_it_drains_withdraws_and_stays(world):
    guest = first(world)
    guest.connections = 5
    assert world.drain(guest.record.id, 20)

    assert intents(world, guest.record.id, 60) == [
        Intent.DRAIN,
        Intent.WITHDRAW,
    ]

    assert len(world.announcers()) == 3
    assert set(world.guests) >= {guest.record.id}
    assert world.boots == 4, "nobody takes its place"
    assert world.step() == ()
    assert is_settled_now(world)


def test_it_keeps_what_is_left_until_the_deadline(world):
    guest = first(world)
    guest.connections = 1
    world.drain(guest.record.id, 20)
    waited = seconds_until(world, lambda: guest.record.drained_at)
    assert 20 <= waited <= 22


@pytest.mark.parametrize("minutes", [-5, 5])
def test_the_clock_of_who_asked_does_not_matter(world, minutes):
    """That of a host of the API, whose request another host carries out."""
    guest = first(world)
    guest.connections = 1
    world.drain(guest.record.id, 20)
    record = guest.record
    off = timedelta(minutes=minutes)
    world._change(
        record.id,
        drain_wanted_since=record.drain_wanted_since + off,
        drain_deadline=record.drain_deadline + off,
    )
    waited = seconds_until(world, lambda: guest.record.drained_at)
    assert 20 <= waited <= 22


@pytest.mark.parametrize("is_managed", [True, False])
def test_one_that_hangs_in_its_drain_goes_on_with_it(world, is_managed):
    guest = first(world)
    guest.connections = 5
    world.drain(guest.record.id, 300)
    world.run(5)
    world.desired = replace(world.desired, is_managed=is_managed)
    guest.is_agent_hung = True
    told = intents(world, guest.record.id, 500)
    assert Intent.ADVERTISE not in told
    assert Intent.WITHDRAW in told


def test_it_ends_early_when_nothing_is_left(world):
    guest = first(world)
    guest.connections = 1
    world.drain(guest.record.id, 60)
    world.run(5)
    guest.connections = 0
    assert seconds_until(world, lambda: guest.record.drained_at) <= 2


def test_it_does_not_end_before_the_fabric_had_time(world):
    guest = first(world)
    world.drain(guest.record.id, 60)
    seconds_until(world, lambda: guest.record.drained_at)
    lasted = guest.record.drained_at - guest.record.draining_since
    assert lasted.total_seconds() >= LINGER


def test_undone_it_announces_again(world):
    guest = first(world)
    world.drain(guest.record.id)
    world.run(10)
    assert guest.record.id not in world.announcers()
    world.undo_drain(guest.record.id)
    world.run(3)
    assert len(world.announcers()) == 4
    assert guest.record.draining_since is guest.record.drained_at is None
    assert world.step() == ()


def test_undone_in_the_middle_it_never_left(world):
    guest = first(world)
    guest.connections = 1
    world.drain(guest.record.id)
    world.run(3)
    world.undo_drain(guest.record.id)
    for _ in range(10):
        world.step()
        assert len(world.announcers()) == 4
    assert guest.state.vips[0].intent is Intent.ADVERTISE


def test_it_gets_changes_all_the_same(world):
    guest = first(world)
    world.drain(guest.record.id)
    world.run(10)
    world.desired = replace(
        world.desired, revision="r2", listeners=sockets(80, 443)
    )
    world.run(5)
    assert guest.configured == "r2"
    assert guest.record.id not in world.announcers()
    assert is_settled_now(world)


def test_it_is_shown_and_the_cluster_is_not_whole(world):
    guest = first(world)
    world.drain(guest.record.id)
    world.run(10)
    verdict = operating_verdict(world.desired, world.observe(), world.now)
    assert verdict.status is OperatingStatus.DEGRADED
    assert f"{guest.record.id}: drained by wish" in verdict.reason


def test_it_is_not_sick_while_it_is_drained(world):
    guest = first(world)
    world.drain(guest.record.id)
    world.run(10)
    guest.is_gate_broken = True
    guest.gate_since = world.now
    world.run(200)
    assert guest.record.id in world.guests
    assert world.boots == 4


def test_a_dead_one_is_replaced_drained_or_not(world):
    guest = first(world)
    world.drain(guest.record.id)
    world.run(10)
    guest.is_dead = guest.is_dead_known = True
    world.run(60)
    assert guest.record.id not in world.guests
    assert len(world.announcers()) == 4


def test_a_failover_ends_it(world):
    guest = first(world)
    world.drain(guest.record.id, 3600)
    world.run(10)
    world.ask(guest.record.id, failover_wanted=True)
    world.run(60)
    assert guest.record.id not in world.guests
    assert len(world.announcers()) == 4


def test_another_one_can_be_failed_over_meanwhile(world):
    guest, other = list(world.guests.values())[:2]
    world.drain(guest.record.id)
    world.run(10)
    world.ask(other.record.id, failover_wanted=True)
    world.run(60)
    assert other.record.id not in world.guests
    assert guest.record.id in world.guests
    assert len(world.announcers()) == 3


def test_all_are_replaced_with_one_that_is_drained(world):
    old = set(world.guests)
    world.drain(first(world).record.id)
    world.run(10)
    world.desired = replace(world.desired, failover_generation=1)
    world.run(240)
    assert not old & set(world.guests)
    assert len(world.announcers()) == 4


def test_scale_in_takes_the_drained_one(world):
    guest = first(world)
    world.drain(guest.record.id)
    world.run(10)
    world.desired = replace(world.desired, size=ClusterSize(desired=3))
    world.run(10)
    assert guest.record.id not in world.guests
    assert len(world.announcers()) == 3


def test_all_but_the_last_can_be_drained(world):
    results = [world.drain(i) for i in list(world.guests)]
    assert results == [True, True, True, False]
    world.run(30)
    assert len(world.announcers()) == 1


def test_two_wishes_that_came_at_once_leave_one():
    world = made(2)
    for guest in world.guests.values():  # past the API's check
        world.ask(
            guest.record.id,
            drain_wanted_since=world.now,
            drain_deadline=world.now,
        )
    for _ in range(20):
        world.step()
        assert len(world.announcers()) == 2


def test_one_whose_others_fail_meanwhile_goes_on():
    world = made(2)
    guest, other = world.guests.values()
    guest.connections = 1
    world.drain(guest.record.id, 20)
    world.run(3)
    other.is_dead = other.is_dead_known = True
    for _ in range(8):
        world.step()
        assert guest.record.id in world.announcers()
    world.run(60)
    assert guest.record.id not in world.announcers(), "once others serve"
    assert len(world.announcers()) == 1


def test_below_the_minimum_nobody_drains():
    world = made(3, minimum=2)
    results = [world.drain(i) for i in list(world.guests)]
    assert results == [True, False, False]


def test_nothing_to_announce_is_drained_at_once():
    world = World(desired=desired_cluster(listeners=()))
    world.run(30)
    guest = first(world)
    world.drain(guest.record.id)
    world.run(2)
    assert guest.record.drained_at
    world.desired = replace(
        world.desired, listeners=sockets(80), revision="r2"
    )
    world.run(10)
    assert guest.record.id not in world.announcers()
    assert len(world.announcers()) == 3


# On its way out


def test_scale_in_is_quick_when_nothing_is_left():
    def lasting(connections):
        world = made(4)
        for guest in world.guests.values():
            guest.connections = connections
        world.desired = replace(world.desired, size=ClusterSize(desired=3))
        return seconds_until(world, lambda: len(world.guests) == 3)

    slow, quick = lasting(1), lasting(0)
    assert slow >= 5 + LINGER, "nothing is kept by waiting for longer"
    assert slow < 20
    assert 2 * LINGER <= quick < slow


def test_it_lingers_after_an_early_end(world):
    world.desired = replace(world.desired, size=ClusterSize(desired=3))
    for _ in range(60):
        before = {i: g.record for i, g in world.guests.items()}
        now = world.now
        for action in world.step():
            if isinstance(action, DeleteAmphora):
                gone = before[action.amphora_id].drained_at
                assert (now - gone).total_seconds() >= LINGER
    assert len(world.guests) == 3


# With flow rescue, which keeps the connections of one that drains


@pytest.fixture
def rescuing() -> World:
    """A converged cluster of four in which flows are rescued."""
    desired = desired_cluster(
        size=4,
        rescue_secrets=("0" * 20,),
        policy=ClusterPolicy(boot_timeout=60.0),
    )
    world = World(desired=desired)
    world.run(60)
    assert len(world.announcers()) == 4
    return world


def finished(world: World, seconds: int) -> list[str]:
    """Whose connections HAProxy was asked to finish in so many seconds."""
    return [
        action.amphora_id
        for _ in range(seconds)
        for action in world.step()
        if isinstance(action, FinishConnections)
    ]


def test_haproxy_is_asked_once_and_after_the_fabric_had_time(rescuing):
    guest = first(rescuing)
    guest.connections = 1
    rescuing.drain(guest.record.id, 60)
    assert finished(rescuing, 40) == [guest.record.id]
    lasted = guest.record.finishing_since - guest.record.draining_since
    assert lasted.total_seconds() >= LINGER
    assert guest.record.drained_at is None


def test_each_drain_asks_anew(rescuing):
    guest = first(rescuing)
    guest.connections = 1
    for _ in range(2):
        rescuing.drain(guest.record.id, 60)
        assert finished(rescuing, 20) == [guest.record.id]
        rescuing.undo_drain(guest.record.id)
        assert finished(rescuing, 20) == []
    assert len(rescuing.announcers()) == 4


def test_without_flow_rescue_it_is_not_asked(world):
    guest = first(world)
    guest.connections = 1
    world.drain(guest.record.id, 60)
    assert finished(world, 40) == []


@pytest.mark.parametrize("connections", [0, 1])
def test_one_that_leaves_waits_for_its_connections(rescuing, connections):
    for guest in rescuing.guests.values():
        guest.connections = connections
    rescuing.desired = replace(rescuing.desired, size=ClusterSize(desired=3))
    lasted = seconds_until(
        rescuing, lambda: len(rescuing.guests) == 3, limit=400
    )
    drain = rescuing.desired.policy.drain_timeout
    assert (lasted > drain) is bool(connections)


# What is left


@pytest.mark.parametrize(
    ("counts", "left"),
    [
        ({VIP4: 2, VIP6: 3}, 5),
        ({VIP4: 0, VIP6: 0}, 0),
        ({VIP4: 0}, None),
        ({}, None),
    ],
)
def test_what_is_not_known_is_not_nothing(world, counts, left):
    amphora = world.observe().amphorae[0]
    report: Report = replace(
        amphora.report, connections={str(v): n for v, n in counts.items()}
    )
    assert connections_left(report) == left


def traffic(quiet: float | None, associations: int | None = 0) -> LvsReport:
    return LvsReport(quiet_seconds=quiet, associations=associations)


@pytest.mark.parametrize(
    ("lvs", "expected"),
    [
        (None, False),  # an agent that does not know
        (traffic(None, None), False),  # a kernel that does not tell
        (traffic(9.0), False),
        (traffic(10.0), True),
        (traffic(34.0, 1), False),
        (traffic(35.0, 1), True),
        (LvsReport(lack="no ip_vs"), True),
    ],
)
def test_datagrams_are_over_when_none_comes_any_more(world, lvs, expected):
    report = replace(world.observe().amphorae[0].report, lvs=lvs)
    desired = replace(world.desired, lvs_listener_ids=("dns",))
    assert is_quiet(desired, report) is expected
    assert is_quiet(world.desired, report)


@pytest.mark.parametrize(
    ("quiet_since", "is_early"), [(0.0, True), (None, False)]
)
def test_a_drain_waits_for_datagrams(world, quiet_since, is_early):
    world.desired = replace(
        world.desired, lvs_listener_ids=("dns",), revision="udp"
    )
    world.run(30)
    guest = first(world)
    guest.quiet_since = world.now if quiet_since is not None else None
    world.drain(guest.record.id, 60)
    lasted = seconds_until(world, lambda: not guest.announced(world.now))
    assert (lasted < 30) is is_early
    assert LVS_QUIET_SECONDS <= lasted <= 62


# Histories

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "drain",
                "drain",
                "undo",
                "connect",
                "update",
                "replace",
                "scale",
                "die",
                "cut_off",
                "break_gate",
            )
        ),
        st.integers(min_value=0, max_value=7),
        st.integers(min_value=0, max_value=20),
    ),
    max_size=10,
)


# The last one that is not drained does not answer when the size sinks.
CUT_OFF_BESIDE_DRAINED = [
    ("scale", 0, 6),
    ("drain", 3, 4),
    ("drain", 4, 1),
    ("cut_off", 5, 3),
    ("connect", 1, 60),
]

# The last one that is not drained does not announce when the size sinks.
BROKEN_BESIDE_DRAINED = [
    ("drain", 0, 12),
    ("break_gate", 1, 0),
    ("scale", 0, 3),
]


def happen(world: World, event: str, number: int) -> None:
    guests = list(world.guests.values())
    if not guests:
        return
    guest = guests[number % len(guests)]
    match event:
        case "drain":
            world.drain(guest.record.id, 5.0 * number)
        case "undo":
            world.undo_drain(guest.record.id)
        case "connect":
            guest.connections = number % 2
        case "update":
            world.desired = replace(world.desired, revision=f"r{number}")
        case "replace":
            world.ask(guest.record.id, failover_wanted=True)
        case "scale":
            world.desired = replace(
                world.desired, size=ClusterSize(desired=1 + number % 4)
            )
        case "die":
            guest.is_dead = guest.is_dead_known = True
        case "cut_off":
            guest.is_cut_off = True
        case "break_gate":
            guest.is_gate_broken = True
            guest.gate_since = world.now


@settings(max_examples=25)
@given(size=st.integers(min_value=1, max_value=4), events=EVENTS)
@example(size=4, events=CUT_OFF_BESIDE_DRAINED)
@example(size=1, events=[("replace", 0, 1), ("drain", 1, 0)])
@example(size=2, events=BROKEN_BESIDE_DRAINED)
def test_any_history_keeps_the_invariants_and_settles(size, events):
    """The simulation asserts invariant 1 for drains at each step."""
    world = World(desired=desired_cluster(size=size))
    world.run(20)
    for event, number, seconds in events:
        happen(world, event, number)
        world.run(seconds)
    for guest in world.guests.values():
        guest.is_cut_off = guest.is_gate_broken = False
        guest.gate_since = world.now
    world.run(300, step=2.0)
    assert world.step() == ()
    drained = {
        g.record.id
        for g in world.guests.values()
        if g.record.drain_wanted_since is not None
    }
    wanted = world.desired.size.desired
    assert len(world.guests) == wanted
    assert len(world.announcers()) >= max(1, wanted - len(drained))


@settings(max_examples=15)
@given(
    size=st.integers(min_value=2, max_value=4),
    number=st.integers(min_value=0, max_value=3),
    seconds=st.integers(min_value=0, max_value=20),
)
def test_drain_and_undo_leave_no_trace(size, number, seconds):
    world = made(size)
    before = {i: (g.record, g.state) for i, g in world.guests.items()}
    chosen = list(world.guests)[number % size]
    assert world.drain(chosen)
    world.run(seconds)
    world.undo_drain(chosen)
    for _ in range(10):
        actions = world.step()
        assert not any(
            isinstance(a, BootAmphora | DeleteAmphora | ConfigureHaproxy)
            for a in actions
        )
    assert {i: (g.record, g.state) for i, g in world.guests.items()} == before


@pytest.mark.parametrize(
    "fault",
    [
        "is_gate_broken",
        "is_session_down",
        "is_ipv6_refused",
        "is_agent_hung",
        "is_speakerd_deaf",
        "is_cut_off",
        "rejects_configuration",
        "is_dead",
    ],
)
@pytest.mark.parametrize("drained", [0, 1])
@pytest.mark.parametrize("seconds", [0, 60])
def test_a_cluster_shrinks_to_one_that_can_serve(fault, drained, seconds):
    """One is out of service by wish, something is wrong with the other."""
    world = World(desired=desired_cluster(size=2))
    world.run(20)
    first, second = list(world.guests.values())[:: -1 if drained else 1]
    world.drain(first.record.id, 0.0)
    world.run(12)
    setattr(second, fault, True)
    second.gate_since = world.now
    world.run(seconds)
    world.desired = replace(world.desired, size=ClusterSize(desired=1))
    world.run(60)
    setattr(second, fault, False)
    second.is_dead = fault == "is_dead"
    second.gate_since = world.now
    world.run(300, step=2.0)
    assert len(world.announcers()) == 1
