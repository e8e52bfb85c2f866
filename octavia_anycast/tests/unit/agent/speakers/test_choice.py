# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which daemon runs when."""

import itertools
import sys
from dataclasses import replace
from ipaddress import ip_address

import pytest

from octavia_anycast.agent.speakers.base import SpeakerStatus
from octavia_anycast.agent.speakers.choice import Choice, ChosenSpeaker
from octavia_anycast.model.bgp import PeeringNetwork, SpeakerDriver
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.testing.fakes.fake_speaker import InParts
from octavia_anycast.tests.unit.agent.states import PEER4, PEER6, speaker

ROUTER_ID = "172.31.1.5"
EXABGP = (speaker(PEER4),)
BIRD = (replace(speaker(PEER4), driver=SpeakerDriver.BIRD),)
FRONT4, FRONT6 = (
    replace(
        peer,
        id=f"front-{peer.id}",
        peer_ip=peer.peer_ip + 1,
        peering_network=PeeringNetwork.FRONTEND,
    )
    for peer in (PEER4, PEER6)
)
MANAGEMENT, FRONTEND = PeeringNetwork.MANAGEMENT, PeeringNetwork.FRONTEND
AT = {d: (d, MANAGEMENT) for d in SpeakerDriver}
AT_FRONT = {d: (d, FRONTEND) for d in SpeakerDriver}


def of(driver, *peers):
    return tuple(replace(speaker(peer), driver=driver) for peer in peers)


class Driver:
    """Remembers what it was told."""

    def __init__(self):
        self.speakers = self.paths = None
        self.is_closed = False

    def want(self, wish):
        self.speakers, self.paths = wish.speakers, wish.paths
        self.adds_paths = wish.adds_paths

    def status(self):
        return SpeakerStatus(is_running=True, speakers=self.speakers)

    def close(self):
        self.is_closed = True


REFUSED_MED = 666


class Bench:
    """All daemons; ``made``: driver and network -> what was made of it."""

    def __init__(self, directory, program=sys.executable):
        self.directory = directory
        self.made = {}
        self.looks = 0
        self.speaker = InParts(
            ChosenSpeaker(
                {
                    place: self.choice(place, program)
                    for place in itertools.product(
                        SpeakerDriver, PeeringNetwork
                    )
                }
            )
        )

    def refused(self, speakers):
        """As :class:`.choice.FileCheck`."""
        self.looks += 1
        return {
            peer.id: "line 3: no"
            for speaker in speakers
            for peer in speaker.peers
            if peer.med == REFUSED_MED
        }

    def choice(self, place, program):
        return Choice(
            make=lambda: self.made.setdefault(place, Driver()),
            program=program,
            config_path=str(self.directory / "-".join(place)),
            check=self,
        )


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_only_the_driver_that_is_asked_for_is_made(bench):
    bench.speaker.set_paths(frozenset("x"))
    bench.speaker.configure(ROUTER_ID, BIRD)
    (driver,) = bench.made
    assert driver == AT[SpeakerDriver.BIRD]
    bird = bench.made[driver]
    assert bird.speakers == BIRD
    assert bird.paths == frozenset("x")
    assert bench.speaker.status().is_running


def test_the_other_stops_when_the_driver_changes(bench):
    bench.speaker.configure(ROUTER_ID, EXABGP)
    bench.speaker.set_paths(frozenset("x"))
    bench.speaker.configure(ROUTER_ID, BIRD)
    assert bench.made[AT[SpeakerDriver.EXABGP]].speakers == ()
    assert bench.made[AT[SpeakerDriver.BIRD]].paths == frozenset("x")
    bench.speaker.configure(ROUTER_ID, EXABGP)
    assert bench.made[AT[SpeakerDriver.EXABGP]].speakers == EXABGP
    assert bench.made[AT[SpeakerDriver.BIRD]].speakers == ()
    bench.speaker.set_paths(frozenset())
    assert bench.made[AT[SpeakerDriver.EXABGP]].paths == frozenset()
    bench.speaker.close()
    assert all(driver.is_closed for driver in bench.made.values())


@pytest.mark.parametrize("wanted", [BIRD, ()])
def test_what_an_agent_before_has_left_running_is_stopped(bench, wanted):
    (bench.directory / "-".join(AT[SpeakerDriver.EXABGP])).touch()
    bench.speaker.configure(ROUTER_ID, wanted)
    assert bench.made[AT[SpeakerDriver.EXABGP]].speakers == ()


def test_nothing_is_made_for_nobody(bench):
    bench.speaker.configure(ROUTER_ID, ())
    assert bench.made == {}
    assert bench.speaker.status() == SpeakerStatus(speakers=())


def test_one_address_has_one_session(bench):
    bench.speaker.check((*EXABGP, speaker(PEER6)))
    twin = speaker(replace(PEER4, id="twin"))
    for twins in ((*EXABGP, twin), (*BIRD, twin)):
        with pytest.raises(InvalidRequest) as caught:
            bench.speaker.check(twins)
        assert caught.value.field == "speakers[1].peers[0].peer_ip"


def test_an_image_without_the_daemon_says_so(tmp_path):
    bench = Bench(tmp_path, str(tmp_path / "nothing"))
    bench.speaker.check(())
    with pytest.raises(InvalidRequest, match="no bird") as caught:
        bench.speaker.check(BIRD)
    assert caught.value.field == "driver"


@pytest.mark.parametrize("driver", SpeakerDriver)
def test_the_peers_of_each_network_have_a_daemon_of_their_own(bench, driver):
    wanted = of(driver, PEER4, FRONT4, FRONT6)
    bench.speaker.set_paths(frozenset("x"))
    bench.speaker.configure(ROUTER_ID, wanted)
    assert set(bench.made) == {AT[driver], AT_FRONT[driver]}
    assert bench.made[AT[driver]].speakers == of(driver, PEER4)
    front = bench.made[AT_FRONT[driver]]
    assert front.speakers == of(driver, FRONT4, FRONT6)
    assert front.paths == frozenset("x")
    status = bench.speaker.status()
    assert status.is_running
    assert status.speakers == wanted
    front.speakers = None  # not loaded yet
    assert bench.speaker.status().speakers is None


@pytest.mark.parametrize("driver", SpeakerDriver)
def test_a_peer_moves_to_the_other_network(bench, driver):
    """The daemon that it leaves stops; the session with it is a new one."""
    bench.speaker.set_paths(frozenset("x"))
    moved = replace(PEER4, peering_network=FRONTEND)
    for peer in (PEER4, moved, PEER4):
        bench.speaker.configure(ROUTER_ID, of(driver, peer))
        for network in PeeringNetwork:
            made = bench.made.get((driver, network))
            is_there = peer.peering_network is network
            if made is not None:
                assert made.speakers == (of(driver, peer) * is_there)
        assert bench.speaker.status().speakers == of(driver, peer)
    bench.speaker.set_paths(frozenset("y"))
    bench.speaker.configure(ROUTER_ID, of(driver, moved))
    assert bench.made[AT_FRONT[driver]].paths == frozenset("y")


def test_the_front_end_daemon_of_an_agent_before_is_stopped(bench):
    place = AT_FRONT[SpeakerDriver.BIRD]
    (bench.directory / "-".join(place)).touch()
    bench.speaker.configure(ROUTER_ID, BIRD)
    assert bench.made[place].speakers == ()
    assert bench.speaker.status().speakers == BIRD


def test_paths_of_a_daemon_that_is_not_wanted_are_not_told(bench):
    driver = SpeakerDriver.BIRD
    bench.speaker.configure(ROUTER_ID, of(driver, PEER4, FRONT4))
    bench.made[AT_FRONT[driver]].status = lambda: SpeakerStatus(
        is_running=False, speakers=of(driver, FRONT4), paths=frozenset("f")
    )
    status = bench.speaker.status()
    assert status.paths == frozenset("f")
    assert not status.is_running, "one of the two does not run"


def test_several_paths_of_a_vip_are_offered_by_each_daemon(bench):
    for adds_paths in (True, False):
        bench.speaker.configure(ROUTER_ID, BIRD, adds_paths=adds_paths)
        assert bench.made[AT[SpeakerDriver.BIRD]].adds_paths is adds_paths


def with_a_refused_peer(speakers):
    (speaker,) = speakers
    (good,) = speaker.peers
    bad = replace(
        good, id="bad", peer_ip=ip_address("172.31.0.99"), med=REFUSED_MED
    )
    return (replace(speaker, peers=(good, bad)),)


def test_what_the_daemon_refuses_is_refused_by_its_place(bench):
    wanted = with_a_refused_peer(BIRD)
    for _ in range(3):
        with pytest.raises(InvalidRequest) as caught:
            bench.speaker.check(wanted)
    assert caught.value.field == "speakers[0].peers[1]"
    assert "bird refuses the peer 172.31.0.99: line 3: no" in str(caught.value)
    assert bench.looks == 1, "asked once for the same speakers"


def test_the_others_do_not_go_with_a_refused_peer(bench):
    """It may be in a state that was on the disk."""
    wanted = with_a_refused_peer(BIRD)
    with pytest.raises(InvalidRequest):
        bench.speaker.check(wanted)
    bench.speaker.configure(ROUTER_ID, wanted)
    bird = bench.made[AT[SpeakerDriver.BIRD]]
    assert bird.speakers == BIRD
    status = bench.speaker.status()
    assert status.speakers == wanted
    found = {s.peer_id: s.error for s in status.sessions}
    assert found["bad"] == "bird refuses it: line 3: no"


def test_a_status_is_made_anew_for_new_news_only(bench):
    """It is asked ten times a second."""
    bench.speaker.configure(ROUTER_ID, BIRD)
    (bird,) = bench.made.values()
    status = SpeakerStatus(is_running=True, speakers=BIRD)
    bird.status = lambda: status
    first = bench.speaker.status()
    assert bench.speaker.status() is first
    bird.status = lambda: replace(status, is_running=False)
    assert not bench.speaker.status().is_running
    bird.status = lambda: status
    assert bench.speaker.status() == first
    bench.speaker.configure(ROUTER_ID, ())
    assert bench.speaker.status().speakers != first.speakers
