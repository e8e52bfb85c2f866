# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae whose agents hang while their heartbeats arrive (invariant 7)."""

from dataclasses import replace

import pytest

from octavia_anycast.model.cluster import ClusterSize
from octavia_anycast.model.wire import Intent
from octavia_anycast.planning.amphora.assessment import Cluster, Phase, lapses
from octavia_anycast.planning.cluster.status import (
    OperatingStatus,
    ProvisioningVerdict,
    operating_verdict,
    provisioning_verdict,
)
from octavia_anycast.testing.simulated.simulation import PATIENCE, World
from octavia_anycast.tests.unit.planning.clusters import desired_cluster


def running(size=2, **fields):
    world = World(desired=replace(desired_cluster(size=size), **fields))
    world.run(60)
    assert len(world.announcers()) == size
    return world


def hang(world, count=1, *, is_deaf=False):
    victims = list(world.guests.values())[:count]
    for guest in victims:
        guest.is_agent_hung = True
        guest.is_speakerd_deaf = is_deaf
    return victims


def update(world):
    world.desired = replace(
        world.desired, revision=f"{world.desired.revision}+"
    )


def old_announcers(world):
    return {
        i
        for i in world.announcers()
        if world.guests[i].configured != world.desired.revision
    }


def intents(world, guest, *, seconds):
    """What it is told for its VIPs, after each second."""
    for _ in range(seconds):
        world.run(1)
        yield from {vip.intent for vip in guest.state.vips}


def verdict(world):
    return provisioning_verdict(
        world.desired,
        world.observe(),
        world.now,
        pending_since=world.now,
        patience=PATIENCE,
    )


def test_a_hung_one_drains_and_withdraws_as_soon_as_others_have_the_change():
    world = running()
    (victim,) = hang(world)
    world.run(3)
    update(world)
    order = list(dict.fromkeys(intents(world, victim, seconds=8)))
    assert verdict(world) is ProvisioningVerdict.ACTIVE
    assert not old_announcers(world)
    assert victim.record.id in world.guests
    # Routers know another path before they lose this one.
    assert order[-2:] == [Intent.DRAIN, Intent.WITHDRAW]


def test_one_that_becomes_stale_and_leaves_drains_as_long_as_routers_need():
    world = running(3)
    victim = next(iter(world.guests.values()))
    victim.rejects_configuration = True
    world.run(3)
    update(world)
    seen = []
    for intent in intents(world, victim, seconds=60):
        seen.append(intent)
        if intent is Intent.DRAIN and not victim.record.leaving_since:
            world.ask(
                victim.record.id, leaving_since=world.now, reason="broken"
            )
    assert victim.record.id not in world.guests
    linger = world.desired.policy.withdraw_linger
    assert seen.count(Intent.DRAIN) >= linger
    assert Intent.WITHDRAW in seen


def test_a_hung_one_that_heals_takes_the_change_and_stays():
    world = running()
    (victim,) = hang(world)
    update(world)
    world.run(10)
    victim.is_agent_hung = False
    world.run(30)
    assert victim.record.id in world.announcers()
    assert world.step() == ()
    assert world.boots == 2


@pytest.mark.parametrize("is_deaf", [False, True])
@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("manager", [True, False])
def test_nobody_announces_an_old_configuration_after_dead_after(
    size, is_deaf, manager
):
    world = running(size)
    hang(world, is_deaf=is_deaf)
    world.desired = replace(world.desired, is_managed=manager)
    update(world)
    world.run(world.desired.policy.dead_after + 4)
    # Where nobody may be replaced, only its own speakerd can stop it.
    may_stay = is_deaf and not manager
    assert bool(old_announcers(world)) is may_stay
    if manager:
        world.run(90)
        assert len(world.announcers()) == size
        assert world.step() == ()


def test_two_of_four_hang_at_once():
    world = running(4)
    hang(world, 2)
    update(world)
    world.run(20)
    assert not old_announcers(world)
    assert world.boots == 4  # they have time to heal
    world.run(90)
    assert len(world.announcers()) == 4


@pytest.mark.parametrize("is_deaf", [False, True])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_where_all_hang_nobody_is_withdrawn_and_one_boots_at_a_time(
    size, is_deaf
):
    world = running(size)
    victims = hang(world, size, is_deaf=is_deaf)
    update(world)
    world.run(10)
    assert len(old_announcers(world)) == size
    assert verdict(world) is ProvisioningVerdict.PENDING
    world.run(10)
    assert world.boots == size + 1
    world.run(200)
    assert not {v.record.id for v in victims} & set(world.guests)
    assert len(world.announcers()) == size


def test_controllers_that_reach_no_agent_take_nobody_away():
    world = running(3)
    hang(world, 3)
    world.boots_fail = True  # nor that of a new one
    update(world)
    world.run(300)
    assert len(world.announcers()) == 3
    for guest in world.guests.values():
        guest.is_agent_hung = False
    world.run(60)
    assert not old_announcers(world)


@pytest.mark.parametrize("is_deaf", [False, True])
def test_the_only_announcer_goes_on_with_what_it_has(is_deaf):
    world = running(2)
    victim, other = world.guests.values()
    other.is_session_down = True
    hang(world, is_deaf=is_deaf)
    update(world)
    world.run(20)
    assert world.announcers() == {victim.record.id}
    other.is_session_down = False
    world.run(5)
    assert victim.record.id not in world.announcers()


def test_one_with_the_current_configuration_is_replaced_without_haste():
    world = running(2)
    (victim,) = hang(world)
    world.run(world.desired.policy.gate_timeout)
    assert victim.record.id in world.announcers()
    least = 2
    for _ in range(60):
        world.step()
        least = min(least, len(world.announcers()))
    assert victim.record.id not in world.guests
    assert least == 2  # the new one announces first


def test_a_hung_spare_is_replaced():
    world = running(2, spare_count=1)
    world.run(30)
    spare = next(
        g for g in world.guests.values() if g.record.spare_since is not None
    )
    spare.is_agent_hung = True
    update(world)
    world.run(90)
    assert spare.record.id not in world.guests
    assert len(world.guests) == 3


def test_a_hung_one_that_drains_by_wish_stops_too():
    world = running(3)
    victim = next(iter(world.guests.values()))
    assert world.drain(victim.record.id, seconds=300)
    victim.connections = 5
    world.run(3)
    hang(world)
    update(world)
    world.run(20)
    assert not victim.announced(world.now)


def test_a_hung_one_that_leaves_goes_on_leaving():
    world = running(3)
    world.desired = replace(world.desired, size=ClusterSize(desired=2))
    world.step()
    leaving = [
        g for g in world.guests.values() if g.record.leaving_since is not None
    ]
    for guest in leaving:
        guest.is_agent_hung = True
    world.run(30)
    assert len(leaving) == 1
    assert leaving[0].record.id not in world.guests


def test_heartbeats_that_stop_as_well_make_it_silent():
    world = running(2)
    victim = next(iter(world.guests.values()))
    victim.is_cut_off = True
    world.run(17)
    cluster = Cluster(world.desired, world.observe(), world.now)
    phases = {m.id: m.phase for m in cluster.members}
    assert phases.get(victim.record.id, Phase.SILENT) is Phase.SILENT


def test_one_that_never_takes_what_others_took_is_replaced():
    world = running(2)
    victim = next(iter(world.guests.values()))
    victim.rejects_configuration = True  # its disk is full, for instance
    update(world)
    world.run(5)
    assert not old_announcers(world)
    world.run(90)
    assert victim.record.id not in world.guests
    assert len(world.announcers()) == 2


def test_what_all_refuse_replaces_nobody():
    world = running(2)
    for guest in world.guests.values():
        guest.rejects_configuration = True
    update(world)
    world.run(200)
    assert world.boots == 2
    assert len(world.announcers()) == 2


def test_a_change_taken_back_makes_nobody_stale_since_long_ago():
    world = running(2)
    before = world.desired
    world.run(300)
    first, other = world.guests.values()
    other.rejects_configuration = True
    update(world)
    world.run(3)
    world.desired = before  # the other one has held it for long
    world.run(30)
    assert set(world.guests) == {first.record.id, other.record.id}


@pytest.mark.parametrize(
    ("is_deaf", "is_old", "words"),
    [
        (False, False, "does not answer, its speakerd does"),
        (True, False, "its agent does not answer"),
        (True, True, "does not answer, it has an old configuration"),
    ],
)
def test_the_reason_names_it_at_once(is_deaf, is_old, words):
    world = running(2)
    (victim,) = hang(world, is_deaf=is_deaf)
    if is_old:
        update(world)
    world.run(3)
    found = operating_verdict(world.desired, world.observe(), world.now)
    assert f"{victim.record.id}: its agent" in found.reason
    assert words in found.reason
    assert found.status is not OperatingStatus.OFFLINE


@pytest.mark.parametrize(
    ("partial", "is_stale"), [("", True), ("older", True), ("r1", False)]
)
def test_what_lacks_only_what_cannot_be_read_is_not_stale(partial, is_stale):
    """Another one in its place could not read the secret, either."""
    world = running()
    assert world.desired.revision == "r1"
    seen = world.observe()
    first, *others = seen.amphorae
    record = replace(
        first.record, applied_revision="older", partial_revision=partial
    )
    changed = replace(seen, amphorae=(replace(first, record=record), *others))
    found = lapses(world.desired, changed, world.now)
    assert (record.id in found) is is_stale
