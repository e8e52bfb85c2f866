# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which amphorae are taken for gone because nothing answers knocks."""

from ipaddress import ip_address

import pytest

from octavia_anycast.controller.cluster.spare_knocks import (
    INTERVAL_SECONDS,
    SpareKnocks,
)

PATIENCE = 0.2


class Monitor:
    """Takes down whom it is told of."""

    def __init__(self):
        self.watched = {"a": ip_address("192.0.2.1")}
        self.gone = []

    def addresses(self):
        return dict(self.watched)

    def did_not_answer(self, amphora_id):
        self.gone.append(amphora_id)


class Stage:
    """Is the knocks, and the clock: a knock takes the time that it waits."""

    def __init__(self):
        self.monitor = Monitor()
        self.now = 100.0
        self.dead = set()
        self.pause = 0.0
        self.knocks = SpareKnocks(
            self.monitor, self, PATIENCE, lambda: self.now
        )

    def knock(self, addresses, seconds):
        self.now += seconds + self.pause
        return set(addresses) - self.dead

    def run(self, times):
        for _ in range(times):
            self.knocks.knock()


@pytest.fixture
def stage():
    return Stage()


def test_one_that_answers_is_not_told(stage):
    stage.run(20)
    assert stage.monitor.gone == []


def test_one_that_falls_silent_is_told_once_when_its_time_is_over(stage):
    stage.run(1)
    stage.dead = {"a"}
    stage.run(1)
    assert stage.monitor.gone == []
    began = stage.now - INTERVAL_SECONDS
    while not stage.monitor.gone:
        stage.run(1)
    assert PATIENCE <= stage.now - began < PATIENCE + 2 * INTERVAL_SECONDS
    stage.run(20)
    assert stage.monitor.gone == ["a"]


def test_one_that_came_back_is_told_again(stage):
    stage.run(1)
    for _ in range(2):
        stage.dead = {"a"}
        stage.run(5)
        stage.dead = set()
        stage.run(1)
    assert stage.monitor.gone == ["a", "a"]


def test_a_lost_packet_is_no_silence(stage):
    stage.run(1)
    for _ in range(10):
        stage.dead = {"a"}
        stage.run(1)
        stage.dead = set()
        stage.run(1)
    assert stage.monitor.gone == []


def test_a_pause_of_the_controller_is_no_silence(stage):
    """The answer to the knock of before came too late to be seen."""
    stage.run(1)
    stage.dead, stage.pause = {"a"}, 10.0
    stage.run(1)
    stage.dead, stage.pause = set(), 0.0
    stage.run(1)
    assert stage.monitor.gone == []


def test_one_whose_port_is_closed_on_the_way_is_never_told(stage):
    stage.dead = {"a"}
    stage.run(20)
    assert stage.monitor.gone == []


def test_one_that_is_not_watched_any_more_is_forgotten(stage):
    stage.run(1)
    watched, stage.monitor.watched = stage.monitor.watched, {}
    stage.run(1)
    stage.monitor.watched, stage.dead = watched, {"a"}
    stage.run(20)
    assert stage.monitor.gone == []
