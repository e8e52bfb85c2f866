# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""UDP and SCTP listeners where all, some or none of the images have ip_vs."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavia_anycast.model.actions import (
    BootAmphora,
    ConfigureHaproxy,
    RefuseListeners,
    StartLeaving,
)
from octavia_anycast.model.wire import GateReport, GateState, LvsReport, Report
from octavia_anycast.planning.cluster.lvs import refusal
from octavia_anycast.planning.cluster.status import (
    OperatingStatus,
    ProvisioningVerdict,
    is_settled,
    operating_verdict,
)
from octavia_anycast.testing.simulated.simulation import EPOCH, World
from octavia_anycast.tests.unit.planning.clusters import (
    VIP4,
    VIP6,
    desired_cluster,
    sockets,
)

LACK = "the kernel has no ip_vs"


def made(lacking: int, size: int = 3, **changes: object) -> World:
    """A converged cluster, of which the first ones lack ip_vs."""
    world = World(desired=desired_cluster(size=size, **changes))
    world.run(30)
    assert len(world.announcers()) == size
    for guest in list(world.guests.values())[:lacking]:
        guest.lack = LACK
    return world


def add_listener(world: World, ports: tuple[int, ...] = (80,)) -> None:
    world.desired = replace(
        world.desired,
        listeners=sockets(*ports),
        lvs_listener_ids=("dns",),
        revision=f"{world.desired.revision}+udp",
    )


def lacking_ids(world: World) -> set[str]:
    return {i for i, guest in world.guests.items() if guest.lack}


def actions_of(world: World, kind: type, seconds: int) -> list[object]:
    return [
        action
        for _ in range(seconds)
        for action in world.step()
        if isinstance(action, kind)
    ]


def reason(world: World) -> str:
    verdict = operating_verdict(world.desired, world.observe(), world.now)
    return verdict.reason


def test_where_all_can_all_serve():
    world = made(0)
    add_listener(world)
    world.run(30)
    assert len(world.announcers()) == 3
    assert all(g.serves == ("dns",) for g in world.guests.values())


@pytest.mark.parametrize("ports", [(80,), ()])
def test_where_nobody_can_the_listener_is_given_up(ports):
    world = made(3)
    add_listener(world, ports)
    (given_up,) = actions_of(world, RefuseListeners, 30)
    assert given_up.listener_ids == ("dns",)
    assert given_up.sentence == f"no amphora can serve it: {LACK}"
    assert world.desired.lvs_listener_ids == ()
    assert len(world.announcers()) == (3 if ports else 0)
    assert world.status is ProvisioningVerdict.ACTIVE
    assert world.step() == ()


@pytest.mark.parametrize("lacking", [1, 2])
@pytest.mark.parametrize("ports", [(80,), ()])
def test_where_some_can_only_those_are_announced(lacking, ports):
    world = made(lacking)
    add_listener(world, ports)
    boots = actions_of(world, BootAmphora | StartLeaving, 180)
    assert boots == [], "another of the same image would not help"
    assert world.announcers() == world.guests.keys() - lacking_ids(world)
    assert world.desired.lvs_listener_ids == ("dns",)
    assert world.status is ProvisioningVerdict.ACTIVE
    assert world.step() == ()
    assert is_settled(world.desired, world.observe(), world.now)
    for identifier in lacking_ids(world):
        sentence = f"{identifier}: it cannot serve UDP and SCTP: {LACK}"
        assert sentence in reason(world)


def test_none_is_active_while_one_that_lacks_takes_datagrams():
    world = made(1)
    add_listener(world)
    world.step()
    while world.status is not ProvisioningVerdict.ACTIVE:
        world.step()
    assert world.announcers() == world.guests.keys() - lacking_ids(world)


def test_a_change_does_not_let_one_that_lacks_announce_for_a_moment():
    world = made(1)
    add_listener(world)
    world.run(30)
    whole = world.announcers()
    for number in range(3):
        world.desired = replace(world.desired, revision=f"change{number}")
        for _ in range(10):
            world.step()
            assert world.announcers() == whole
    assert world.status is ProvisioningVerdict.ACTIVE


def test_where_all_that_can_are_lost_the_others_serve_the_rest():
    world = made(2)
    add_listener(world)
    world.run(30)
    (whole,) = world.announcers()
    world.boots_fail = True
    world.guests[whole].is_dead = True
    world.run(60)
    assert world.announcers() >= lacking_ids(world)


def test_a_slow_answer_is_no_reason_to_announce_one_that_lacks():
    world = made(1, size=2)
    add_listener(world)
    world.run(30)
    (whole,) = world.announcers()
    guest = world.guests[whole]
    guest.is_agent_hung = guest.is_speakerd_deaf = True
    for _ in range(8):
        world.step()
        assert world.announcers() == {whole}


def test_what_is_mended_is_given_what_it_went_without():
    world = made(1)
    add_listener(world)
    world.run(30)
    (identifier,) = lacking_ids(world)
    guest = world.guests[identifier]
    assert guest.serves == ()
    guest.lack = ""
    pushes = actions_of(world, ConfigureHaproxy, 30)
    assert [push.amphora_id for push in pushes] == [identifier]
    assert guest.serves == ("dns",)
    assert len(world.announcers()) == 3
    assert world.step() == ()


def test_a_failover_to_an_image_that_lacks_it_loses_nothing():
    """The old ones stay: whoever comes cannot take over from them."""
    world = made(0)
    add_listener(world)
    world.run(30)
    old = world.announcers()
    world.image_lack = LACK
    world.desired = replace(world.desired, failover_generation=1)
    for _ in range(300):
        world.step()
        serving = world.announcers()
        assert serving, "nobody announces"
        assert serving.isdisjoint(lacking_ids(world))
    assert old & world.announcers()
    assert world.boots < 8, "it burns servers"
    assert world.desired.lvs_listener_ids == ("dns",)


@pytest.mark.parametrize(("lacking", "size"), [(1, 2), (1, 3), (2, 3)])
@pytest.mark.parametrize("image_lack", ["", LACK])
@pytest.mark.parametrize("delay", [0, 12, 15, 20])
def test_a_listener_that_comes_in_a_failover(lacking, size, image_lack, delay):
    """Nobody leaves for one that stands back, nor stays with the past."""
    world = made(lacking, size)
    world.image_lack = image_lack
    world.desired = replace(world.desired, failover_generation=1)
    world.run(delay)
    add_listener(world)
    world.run(60)
    assert world.announcers()


def test_a_failover_to_an_image_that_has_it_needs_no_hand():
    world = made(3)
    world.desired = replace(world.desired, failover_generation=1)
    world.run(200)
    assert not lacking_ids(world)
    add_listener(world)
    world.run(30)
    assert len(world.announcers()) == 3


def test_one_that_boots_lacking_it_is_not_replaced_for_it():
    world = made(0)
    add_listener(world)
    world.run(30)
    world.image_lack = LACK
    victim = min(world.announcers())
    world.guests[victim].is_dead = True
    before = world.boots
    world.run(200)
    assert world.boots == before + 1
    assert len(world.announcers()) == 2
    assert world.desired.lvs_listener_ids == ("dns",)
    verdict = operating_verdict(world.desired, world.observe(), world.now)
    assert verdict.status is OperatingStatus.DEGRADED


def test_a_spare_that_can_serve_takes_the_place_of_one_that_lacks():
    world = World(desired=desired_cluster(size=2, spare_count=1))
    world.run(40)
    loud = min(world.announcers())
    world.guests[loud].lack = LACK
    add_listener(world)
    world.run(60)
    assert world.announcers() == world.guests.keys() - {loud}
    assert world.step() == ()


def test_a_spare_that_can_serve_takes_the_only_place():
    world = World(desired=desired_cluster(size=1, spare_count=1))
    world.run(40)
    (loud,) = world.announcers()
    world.guests[loud].lack = LACK
    add_listener(world)
    world.run(60)
    assert world.announcers() == world.guests.keys() - {loud}
    assert world.step() == ()


def test_a_vip_that_no_other_announces_stays():
    """What the fabric does not take of the whole one, the other announces."""
    world = made(1, size=2)
    (lacking,) = lacking_ids(world)
    (whole,) = world.guests.keys() - {lacking}
    world.guests[whole].is_ipv6_refused = True
    add_listener(world)
    world.run(60)
    assert world.guests[whole].announced(world.now) == {VIP4}
    assert world.guests[lacking].announced(world.now) == {VIP6}
    assert world.step() == ()
    assert world.status is ProvisioningVerdict.ACTIVE
    world.guests[whole].is_ipv6_refused = False
    world.run(60)
    assert world.announcers() == {whole}
    assert not world.guests[lacking].announced(world.now)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ("image", "mend", "die", "hang", "update", "failover", "listener")
        ),
        st.integers(min_value=0, max_value=3),
        st.sampled_from((1, 3, 20)),
    ),
    max_size=6,
)


def happen(world: World, event: str, number: int) -> None:
    guests = list(world.guests.values())
    guest = guests[number % len(guests)] if guests else None
    match event:
        case "image":
            world.image_lack = LACK if number % 2 else ""
        case "mend" if guest:
            guest.lack = ""
        case "die" if guest:
            guest.is_dead = True
        case "hang" if guest:
            guest.is_agent_hung = not guest.is_agent_hung
        case "update":
            changed = f"{world.desired.revision}u"
            world.desired = replace(world.desired, revision=changed)
        case "failover":
            wanted = world.desired.failover_generation + 1
            world.desired = replace(world.desired, failover_generation=wanted)
        case "listener":
            add_listener(world, ((80,), ())[number % 2])


@settings(max_examples=20)
@given(lacking=st.integers(min_value=0, max_value=3), events=EVENTS)
def test_after_any_history_datagrams_reach_only_who_serves_them(
    lacking, events
):
    """The world itself asserts that nobody is given what it lacks."""
    world = made(lacking)
    add_listener(world)
    for event, number, seconds in events:
        happen(world, event, number)
        world.run(seconds)
    for guest in world.guests.values():
        guest.is_agent_hung = False
    world.image_lack = ""
    world.run(300)
    assert world.step() == ()
    assert world.announcers() or not world.desired.should_announce
    wanted = set(world.desired.lvs_listener_ids)
    for identifier in world.announcers():
        assert wanted <= set(world.guests[identifier].serves)


def said(lvs: LvsReport | None) -> Report:
    return Report(
        amphora_id="a",
        digest="",
        revision="",
        gate=GateReport(state=GateState.UP, reason="", since=EPOCH),
        speaker_is_running=True,
        frontend_is_up=True,
        lvs=lvs,
    )


@pytest.mark.parametrize(
    ("reports", "sentence"),
    [
        ([], ""),
        ([LvsReport(lack=LACK)], f"no amphora can serve it: {LACK}"),
        ([LvsReport(lack=LACK), LvsReport()], ""),
        ([LvsReport(lack=LACK), None], ""),
        (
            [LvsReport(lack=LACK), LvsReport(lack="an x")],
            f"no amphora can serve it: an x; {LACK}",
        ),
    ],
)
def test_what_is_said_at_the_api(reports, sentence):
    assert refusal(map(said, reports)) == sentence
