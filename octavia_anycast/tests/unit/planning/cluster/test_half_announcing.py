# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A change of some peers only: amphorae that announce half of what they did.

Two racks, in each a leaf that is met over IPv4 and over IPv6. What a session
carries is its own IP version (``split``) or both. ``World`` asserts at each
step that no VIP loses its last path and that one amphora at most is off.
"""

from copy import deepcopy
from dataclasses import replace
from functools import cache
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavia_anycast.model.bgp import (
    Asn,
    AuthType,
    Peer,
    Speaker,
    SpeakerDriver,
)
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.planning.amphora.agent_state import speakers_for
from octavia_anycast.testing.simulated.simulation import World
from octavia_anycast.tests.unit.planning.clusters import (
    RACKS,
    desired_cluster,
)

WRONG = "wrong"
RIGHT = "right"
ADDRESSES = {4: "172.31.0.1{}", 6: "fd00:31::1{}"}


def leaf(version, rack, password=RIGHT, **changes):
    peer = Peer(
        id=f"leaf{rack}-{version}",
        peer_ip=ip_address(ADDRESSES[version].format(rack)),
        remote_as=Asn(65000 + rack),
        availability_zone=f"rack{rack}",
        auth_type=AuthType.MD5,
        password=password,
    )
    return replace(peer, **changes)


def speaker(version, *peers):
    return Speaker(
        id=f"speaker-{version}",
        ip_version=version,
        local_as=Asn(65100),
        peers=peers,
    )


RIGHT_SPEAKERS = tuple(
    speaker(version, leaf(version, 1), leaf(version, 2)) for version in (4, 6)
)


def wish(world, speakers):
    distributor = world.desired.distributor
    world.desired = replace(
        world.desired, distributor=replace(distributor, speakers=speakers)
    )


def speakers_of(world):
    return world.desired.distributor.speakers


def change(world, version, racks, **changes):
    """Change the peers of these racks over one IP version."""
    zones = {f"rack{rack}" for rack in racks}
    wish(
        world,
        tuple(
            replace(
                one,
                peers=tuple(
                    replace(peer, **changes)
                    if peer.availability_zone in zones
                    and one.ip_version == version
                    else peer
                    for peer in one.peers
                ),
            )
            for one in speakers_of(world)
        ),
    )


def add_dead(world, version):
    """A peer that nobody is, for all racks."""
    dead = replace(
        leaf(version, 9, WRONG), id=f"dead-{version}", availability_zone=None
    )
    wish(
        world,
        tuple(
            replace(one, peers=(*one.peers, dead))
            if one.ip_version == version
            and dead.id not in {p.id for p in one.peers}
            else one
            for one in speakers_of(world)
        ),
    )


def remove(world, version, rack):
    """Take a rack's leaf away, if another way is left for that rack."""
    gone = f"leaf{rack}-{version}"
    wish(
        world,
        tuple(
            replace(one, peers=tuple(p for p in one.peers if p.id != gone))
            for one in speakers_of(world)
        ),
    )


@cache
def _converged(size, is_split):
    world = World(desired=desired_cluster(size=size), is_split=is_split)
    world.desired = replace(
        world.desired,
        distributor=Distributor(
            id="distributor", zones=RACKS, speakers=RIGHT_SPEAKERS
        ),
    )
    world.refuse(WRONG)
    world.run(90)
    assert len(world.announcers()) == size
    return world


def converged(size, *, is_split):
    return deepcopy(_converged(size, is_split))


def assert_heals(world, size, seconds=30, step=1.0):
    """The right configuration heals within a bounded number of rounds."""
    wish(world, RIGHT_SPEAKERS)
    world.run(seconds, step=step)
    assert world.holders() == set(world.guests)
    assert len(world.announcers()) == size
    assert world.step() == ()


BOTH = (1, 2)
MISTAKES = {
    "IPv6 password, one rack": lambda w: change(w, 6, (1,), password=WRONG),
    "IPv4 password, one rack": lambda w: change(w, 4, (1,), password=WRONG),
    "IPv6 password, both racks": lambda w: change(w, 6, BOTH, password=WRONG),
    "IPv4 password, both racks": lambda w: change(w, 4, BOTH, password=WRONG),
    "a peer that nobody is, IPv6": lambda w: add_dead(w, 6),
    "a peer that nobody is, IPv4": lambda w: add_dead(w, 4),
    "no IPv6 peer in a rack": lambda w: remove(w, 6, 1),
    "both": lambda w: (
        change(w, 6, (1,), password=WRONG),
        change(w, 4, (2,), password=WRONG),
    ),
    "another AS of the speaker": lambda w: wish(
        w, tuple(replace(s, local_as=Asn(65200)) for s in speakers_of(w))
    ),
    "one after the other": lambda w: (
        change(w, 6, (1,), password=WRONG),
        w.run(20),
        change(w, 6, (1,), password=RIGHT),
        change(w, 4, (1,), password=WRONG),
    ),
    "another driver while a peer is wrong": lambda w: (
        change(w, 6, (1,), password=WRONG),
        w.run(20),
        wish(
            w,
            tuple(
                replace(s, driver=SpeakerDriver.BIRD) for s in speakers_of(w)
            ),
        ),
    ),
}


@pytest.mark.parametrize("is_split", [False, True])
@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_mended_by_the_right_configuration(
    mistake, size, is_split
):
    world = converged(size, is_split=is_split)
    MISTAKES[mistake](world)
    world.run(77)
    if size > 1:
        assert len(world.announcers()) >= size - 1
    assert_heals(world, size)


def test_two_amphorae_that_are_each_the_last_of_a_vip_do_not_wait():
    """Neither may give up what it announces; each renews what it lacks."""
    world = converged(2, is_split=True)
    old, new = world.guests.values()
    wrong6 = tuple(
        replace(s, peers=tuple(replace(p, password=WRONG) for p in s.peers))
        if s.ip_version == 6
        else s
        for s in RIGHT_SPEAKERS
    )
    wrong4 = tuple(
        replace(s, peers=tuple(replace(p, password=WRONG) for p in s.peers))
        if s.ip_version == 4
        else s
        for s in RIGHT_SPEAKERS
    )
    for guest, speakers in ((old, wrong6), (new, wrong4)):
        desired = replace(world.desired.distributor, speakers=speakers)
        told = speakers_for(desired, guest.record.availability_zone, None)
        guest.state = replace(guest.state, speakers=told)
        guest.peering.configure(told, world.now)
    # With other attributes, so that what they hold is to change as well.
    med = tuple(
        replace(s, peers=tuple(replace(p, med=5) for p in s.peers))
        for s in RIGHT_SPEAKERS
    )
    wish(world, med)
    served = world.served()
    for _ in range(40):
        world.step()
        assert world.served() >= served
    assert world.holders() == set(world.guests)
    assert len(world.announcers()) == 2


HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(
            ["wrong", "right", "med", "add", "remove", "as", "die", "cut"]
        ),
        st.sampled_from([4, 6]),
        st.sampled_from([(1,), (2,), BOTH]),
        st.integers(min_value=0, max_value=40),
    ),
    max_size=8,
)


def play(world, history):
    for event, version, racks, seconds in history:
        guests = list(world.guests.values())
        guest = guests[seconds % len(guests)] if guests else None
        match event:
            case "wrong" | "right":
                change(world, version, racks, password=event)
            case "med":
                change(world, version, racks, med=seconds)
            case "add":
                add_dead(world, version)
            case "remove":
                remove(world, version, racks[0])
            case "as":
                change(world, version, racks, remote_as=Asn(65000 + seconds))
            case "die" if guest:
                guest.is_dead = guest.is_dead_known = True
            case "cut" if guest:
                guest.is_session_down = not guest.is_session_down
        world.run(seconds)


@settings(max_examples=25)
@given(
    size=st.integers(min_value=1, max_value=4),
    is_split=st.booleans(),
    history=HISTORIES,
)
def test_any_history_converges_when_the_configuration_is_right(
    size, is_split, history
):
    world = converged(size, is_split=is_split)
    play(world, history)
    for guest in world.guests.values():
        guest.is_session_down = False
    assert_heals(world, size, seconds=240, step=3.0)
