# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The invariants of the design as properties over random histories."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from octavia_anycast.model.bgp import AuthType
from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.planning.cluster.plan import plan
from octavia_anycast.planning.cluster.status import ProvisioningVerdict
from octavia_anycast.testing.simulated.simulation import Guest, World
from octavia_anycast.tests.unit.planning.clusters import (
    desired_cluster,
    sockets,
    with_peers,
)

FAULTS = (
    "die",
    "die_unknown",
    "cut_off",
    "hang",
    "deafen",
    "reject",
    "break_gate",
    "drop_session",
    "refuse_ipv6",
    "replace",
    "update_agent",
    "break_haproxy",
    "refuse_alone",
)
CHANGES = (
    "update",
    "bad_content",
    "failover",
    "scale",
    "listeners",
    "peers",
    "wrong_peers",
    "wait",
    "boots_fail",
    "quota",
    "spares",
    "manager",
    "refuse",
)
# What another service may refuse to do.
REFUSABLE = (
    "PrepareLoadBalancer",
    "RemoveLoadBalancer",
    "BootAmphora",
    "PlugFrontend",
    "PlugMemberNetworks",
    "ConfigureHaproxy",
    "SetAgentState",
    "DeleteAmphora",
)
WRONG = "wrong"  # a password that the fabric refuses
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(FAULTS + CHANGES),
        st.integers(min_value=0, max_value=7),
        st.integers(min_value=0, max_value=40),
    ),
    max_size=12,
)


def hurt(world: World, guest: Guest, fault: str) -> None:
    """Do one fault to one amphora."""
    match fault:
        case "die" | "die_unknown":
            guest.is_dead = True
            guest.is_dead_known = fault == "die"
        case "cut_off":
            guest.is_cut_off = True
        case "hang" | "deafen":
            guest.is_agent_hung = True
            guest.is_speakerd_deaf = fault == "deafen"
        case "reject":
            guest.rejects_configuration = True
        case "break_gate":
            guest.is_gate_broken = True
            guest.gate_since = world.now
        case "drop_session":
            guest.is_session_down = True
        case "refuse_ipv6":
            guest.is_ipv6_refused = True
        case "replace":
            world.ask(guest.record.id, failover_wanted=True)
        case "break_haproxy":
            guest.has_broken_haproxy = True
        case "refuse_alone":
            guest.refused = f"{world.desired.revision}+"
        case "update_agent":
            world.ask(guest.record.id, agent_update_wanted=True)


# TCP ports, and the ids of UDP listeners.
LISTENERS: tuple[tuple[tuple[int, ...], tuple[str, ...]], ...] = (
    ((80,), ()),
    ((80, 443), ()),
    ((443,), ("dns",)),
    ((), ("dns", "syslog")),
)


def change(world: World, event: str, number: int) -> None:
    """Change what is wanted."""
    desired = world.desired
    match event:
        case "update":
            desired = replace(desired, revision=f"{desired.revision}+")
        case "bad_content":
            desired = replace(desired, revision=f"{desired.revision}!")
            world.bad_contents.add(desired.revision)
        case "failover":
            desired = replace(
                desired,
                failover_generation=desired.failover_generation + 1,
            )
        case "scale":
            desired = replace(desired, size=ClusterSize(desired=number + 1))
        case "listeners":
            ports, lvs_ids = LISTENERS[number % len(LISTENERS)]
            desired = replace(
                desired,
                listeners=sockets(*ports),
                lvs_listener_ids=lvs_ids,
                revision=f"{desired.revision}l{number}",
            )
        case "peers" | "wrong_peers":
            desired = with_peers(
                desired,
                auth_type=AuthType.MD5,
                password=WRONG if event == "wrong_peers" else f"p{number}",
            )
            world.refuse(WRONG)
        case "refuse":
            world.refused_actions = frozenset({REFUSABLE[number]})
        case "quota":
            world.quota = number + 1
        case "spares":
            desired = replace(desired, spare_count=number % 3)
        case "manager":
            desired = replace(desired, is_managed=bool(number % 2))
        case "boots_fail":
            world.boots_fail = bool(number % 2)
    world.desired = desired


def play(world: World, events: list[tuple[str, int, int]]) -> None:
    """Let a history happen, with the invariants checked at each step."""
    for event, number, seconds in events:
        guests = list(world.guests.values())
        if event in FAULTS and guests:
            hurt(world, guests[number % len(guests)], event)
        else:
            change(world, event, number)
        world.run(seconds)


def heal(world: World) -> None:
    """End every fault but death."""
    world.quota = None
    world.desired = replace(world.desired, is_managed=True)
    world.boots_fail = False
    world.refuse()
    world.refused_actions = frozenset()
    for guest in world.guests.values():
        guest.is_cut_off = False
        guest.is_agent_hung = guest.is_speakerd_deaf = False
        guest.rejects_configuration = False
        guest.is_gate_broken = False
        guest.is_session_down = False
        guest.is_ipv6_refused = False


@settings(max_examples=60)
@given(size=st.integers(min_value=1, max_value=5), events=EVENTS)
def test_any_history_followed_by_silence_converges(size, events):
    world = World(desired=desired_cluster(size=size))
    play(world, events)
    heal(world)
    world.run(600, step=3.0)
    assert world.step() == ()
    assert len(world.announcers()) == world.desired.size.desired
    assert len(world.guests) == world.desired.total
    revisions = {g.configured for g in world.guests.values()}
    assert revisions == {world.desired.revision}
    assert world.holders() == set(world.guests)


@settings(max_examples=40)
@given(size=st.integers(min_value=1, max_value=5), events=EVENTS)
# The agent hangs that is to be asked what it refuses.
@example(
    size=1,
    events=[("scale", 0, 40), ("bad_content", 0, 1), ("hang", 0, 40)],
)
@example(
    size=1,
    events=[("scale", 0, 40), ("hang", 0, 2), ("bad_content", 0, 40)],
)
def test_a_deleted_load_balancer_leaves_nothing(size, events):
    world = World(desired=desired_cluster(size=size))
    play(world, events)
    world.refused_actions = frozenset()
    world.desired = replace(world.desired, is_deleted=True)
    world.run(10)
    assert world.is_removed
    assert world.guests == {}


@settings(max_examples=30)
@given(
    size=st.integers(min_value=1, max_value=3),
    events=EVENTS,
    refused=st.sampled_from(REFUSABLE),
)
# The cloud refuses to delete the one that announces what was.
@example(
    size=1,
    events=[("refuse", 7, 14), ("cut_off", 0, 8), ("update", 0, 40)],
    refused="PrepareLoadBalancer",
)
def test_nothing_waits_for_what_is_refused(size, events, refused):
    """Invariant 8; the simulation checks it at each step, too."""
    world = World(desired=desired_cluster(size=size))
    play(world, events)
    heal(world)
    world.refused_actions = frozenset({refused})
    change(world, "update", 0)
    change(world, "failover", 0)
    world.run(60, step=3.0)
    world.desired = replace(world.desired, is_deleted=True)
    world.run(60, step=3.0)
    assert world.is_removed or world.status is ProvisioningVerdict.ERROR
    world.refused_actions = frozenset()
    world.run(30, step=3.0)
    assert world.is_removed
    assert world.guests == {}


@settings(max_examples=40)
@given(size=st.integers(min_value=1, max_value=5), events=EVENTS)
# The agent of the one hangs that would try other speakers out first.
@example(
    size=5,
    events=[("die", 0, 39), ("hang", 6, 30), ("wrong_peers", 0, 38)],
)
# The agent of the one hangs that tries them out.
@example(
    size=5,
    events=[
        ("die", 0, 39),
        ("wrong_peers", 0, 3),
        ("hang", 6, 40),
        ("refuse", 1, 40),
    ],
)
def test_plan_is_pure(size, events):
    world = World(desired=desired_cluster(size=size))
    play(world, events)
    observed = world.observe()
    first = plan(world.desired, observed, world.now)
    again = plan(world.desired, observed, world.now)
    later = plan(world.desired, observed, world.now + timedelta(0))
    assert first == again == later
