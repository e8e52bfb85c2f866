# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""When heartbeats are sent, and which digest they bear; a made-up clock."""

import itertools
import multiprocessing
from types import SimpleNamespace

import pytest
from octavia.amphorae.backends.health_daemon import (
    health_daemon,
    status_message,
)
from octavia.common import config as octavia_config  # noqa: F401
from oslo_config import cfg

from octavia_anycast.octavia_adapter.amphora import (
    heartbeat_digest,
    heartbeats,
)
from octavia_anycast.octavia_adapter.amphora.heartbeat_digest import (
    GAP_SECONDS,
    ROUND_SECONDS_MAX,
    DigestSender,
    Rounds,
)

INTERVAL = 10.0


class Amphora:
    """What the report says at which time, and who waits for that.

    ``said``: time -> digest, from then on.
    """

    def __init__(self):
        self.now = 0.0
        self.said = {0.0: "one"}
        self.is_answering = True
        self.controllers = 1
        self.sender = DigestSender(
            lambda: {"id": "a", "ver": 3},
            self.await_news,
            lambda: self.is_answering,
            lambda: self.controllers,
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds

    def digest(self):
        return self.said[max(at for at in self.said if at <= self.now)]

    def await_news(self, known, seconds):
        until = self.now + seconds
        news = [at for at in sorted(self.said) if self.now < at <= until]
        if self.digest() == known != "":
            self.now = news[0] if news else until
        return self.digest()

    def send(self, count):
        """Send so many; (time, digest) of each."""
        sent = []
        for _ in range(count):
            message = self.sender.build()
            found = message.get("anycast", {}).get("report")
            sent.append((self.now, found))
            self.sender.wait(INTERVAL)
        return sent


@pytest.fixture
def amphora():
    return Amphora()


def test_at_rest_heartbeats_are_as_regular_as_ever(amphora):
    assert amphora.send(3) == [(0, "one"), (10, "one"), (20, "one")]


def test_news_are_sent_at_once(amphora):
    amphora.said[13.5] = "two"
    assert amphora.send(4) == [
        (0, "one"),
        (10, "one"),
        (13.5, "two"),
        (23.5, "two"),
    ]


def test_each_controller_gets_news_at_once(amphora):
    amphora.controllers = 3
    amphora.said[13.5] = "two"
    times = [at for at, _ in amphora.send(6)]
    assert times == [0, 10, 13.5, 13.5, 13.5, 23.5]


def test_what_flaps_doubles_the_heartbeats_at_most(amphora):
    """Ten times a second, for minutes."""
    for tenth in range(1, 6000):
        amphora.said[tenth / 10] = f"{tenth}"
    times = [at for at, _ in amphora.send(41)]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert min(gaps) >= GAP_SECONDS
    assert gaps[:4] == pytest.approx([1.1, 2.1, 4.1, 8.1], abs=0.2)
    assert 40 * INTERVAL / times[-1] <= 2.1


def test_after_a_quiet_interval_news_are_told_at_once_again(amphora):
    amphora.said |= {1.5: "two", 3.0: "three", 30.5: "four"}
    times = [at for at, _ in amphora.send(6)]
    assert times == [0, 1.5, 3.5, 13.5, 23.5, 30.5]


def test_an_agent_that_would_not_answer_vouches_for_nothing(amphora):
    amphora.is_answering = False
    assert amphora.send(2) == [(0, None), (10, None)]


def test_without_speakerd_heartbeats_go_on(amphora):
    amphora.said = {0.0: "one", 5.0: ""}
    assert amphora.send(3) == [(0, "one"), (10, None), (20, None)]


def test_an_interval_that_is_shorter_than_the_gap_is_kept(amphora):
    amphora.send(1)
    before = amphora.now
    amphora.sender.wait(0.5)
    assert amphora.now - before == 0.5


def test_octavias_loop_sends_it(monkeypatch):
    """Octavia's own loop runs, until the third heartbeat."""
    sent = []

    class Sender:
        def dosend(self, message):
            sent.append(message)

    class Commands:
        def get_nowait(self):
            return "shutdown" if len(sent) == 3 else "none"

    for name in ("build_stats_message", "time"):
        monkeypatch.setattr(health_daemon, name, getattr(health_daemon, name))
    monkeypatch.setattr(
        health_daemon, "build_stats_message", lambda: {"id": "a"}
    )
    monkeypatch.setattr(
        health_daemon, "health_sender", SimpleNamespace(UDPStatusSender=Sender)
    )
    digests = iter(f"{number}" for number in range(100))
    sender = heartbeat_digest.install(
        lambda known, seconds: next(digests), lambda: True
    )
    slept = []
    sender._sleep = slept.append
    health_daemon.run_sender(Commands())
    assert [m["anycast"]["report"] for m in sent] == ["0", "2", "4"]
    assert slept == [GAP_SECONDS, 2 * GAP_SECONDS]


def test_rounds_are_told_from_one_process_to_another():
    rounds = Rounds()
    assert not rounds.are_regular(), "there was none yet"
    child = multiprocessing.get_context("fork").Process(target=rounds.note)
    child.start()
    child.join()
    assert rounds.are_regular()


def test_rounds_that_do_not_come_are_missed():
    now = [100.0]
    rounds = Rounds(lambda: now[0])
    rounds.note()
    now[0] += ROUND_SECONDS_MAX - 0.1
    assert rounds.are_regular()
    now[0] += 0.2
    assert not rounds.are_regular()


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        ({}, ""),  # an older image
        ({"anycast": {"report": "abc"}}, "abc"),
        ({"anycast": {}}, ""),
        ({"anycast": {"report": "abc", "newer": 1}}, "abc"),
    ],
)
def test_a_controller_reads_it(ours, expected):
    cfg.CONF.set_override("heartbeat_key", "key", group="health_manager")
    try:
        datagram = status_message.wrap_envelope({"id": "a"} | ours, "key")
        assert heartbeats.read(datagram).report_digest == expected
    finally:
        cfg.CONF.clear_override("heartbeat_key", group="health_manager")
