# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which daemon runs when."""

import sys
from dataclasses import replace

import pytest

from octavia_anycast.agent.speakers.base import SpeakerStatus
from octavia_anycast.agent.speakers.choice import Choice, ChosenSpeaker
from octavia_anycast.model.bgp import SpeakerDriver
from octavia_anycast.model.errors import InvalidRequest
from octavia_anycast.tests.unit.agent.states import PEER4, PEER6, speaker

ROUTER_ID = "172.31.1.5"
EXABGP = (speaker(PEER4),)
BIRD = (replace(speaker(PEER4), driver=SpeakerDriver.BIRD),)


class Driver:
    """Remembers what it was told."""

    def __init__(self):
        self.speakers = self.paths = None
        self.is_closed = False

    def configure(self, router_id, speakers):
        self.speakers = speakers

    def set_paths(self, paths):
        self.paths = paths

    def status(self):
        return SpeakerStatus(is_running=True, speakers=self.speakers)

    def close(self):
        self.is_closed = True


class Bench:
    """Both drivers; ``made``: driver -> what was made of it."""

    def __init__(self, directory, program=sys.executable):
        self.directory = directory
        self.made = {}
        self.speaker = ChosenSpeaker(
            {driver: self.choice(driver, program) for driver in SpeakerDriver}
        )

    def choice(self, driver, program):
        return Choice(
            make=lambda: self.made.setdefault(driver, Driver()),
            program=program,
            config_path=str(self.directory / driver),
        )


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_only_the_driver_that_is_asked_for_is_made(bench):
    bench.speaker.set_paths(frozenset("x"))
    bench.speaker.configure(ROUTER_ID, BIRD)
    (driver,) = bench.made
    assert driver is SpeakerDriver.BIRD
    bird = bench.made[driver]
    assert bird.speakers == BIRD
    assert bird.paths == frozenset("x")
    assert bench.speaker.status().is_running


def test_the_other_stops_when_the_driver_changes(bench):
    bench.speaker.configure(ROUTER_ID, EXABGP)
    bench.speaker.set_paths(frozenset("x"))
    bench.speaker.configure(ROUTER_ID, BIRD)
    assert bench.made[SpeakerDriver.EXABGP].speakers == ()
    assert bench.made[SpeakerDriver.BIRD].paths == frozenset("x")
    bench.speaker.configure(ROUTER_ID, EXABGP)
    assert bench.made[SpeakerDriver.EXABGP].speakers == EXABGP
    assert bench.made[SpeakerDriver.BIRD].speakers == ()
    bench.speaker.set_paths(frozenset())
    assert bench.made[SpeakerDriver.EXABGP].paths == frozenset()
    bench.speaker.close()
    assert all(driver.is_closed for driver in bench.made.values())


@pytest.mark.parametrize("wanted", [BIRD, ()])
def test_what_an_agent_before_has_left_running_is_stopped(bench, wanted):
    (bench.directory / SpeakerDriver.EXABGP).touch()
    bench.speaker.configure(ROUTER_ID, wanted)
    assert bench.made[SpeakerDriver.EXABGP].speakers == ()


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
