# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What BIRD does beyond the contract: BFD, keepalives at will, iBGP."""

import os
import signal
import time
from dataclasses import dataclass, replace

import pytest

from octavia_anycast.model.bgp import BfdTimers, SessionState, SpeakerDriver
from octavia_anycast.tests.contract import bird_peer
from octavia_anycast.tests.contract.test_speaker import (
    NEXT_HOPS,
    V4,
    V6,
    eventually,
    holds,
    paths,
    peer,
    state,
)
from octavia_anycast.tests.contract.test_speaker import (
    speakers as any_speakers,
)

HOLD_SECONDS = 90
# BFD notices within a second, the hold time after a minute and a half.
SILENT_SECONDS = 10


def speakers(*peers):
    return any_speakers(*peers, driver=SpeakerDriver.BIRD)


def established(bench, name):
    return lambda: state(bench, name) is SessionState.ESTABLISHED


@dataclass
class Watched:
    """A session with BFD at both ends."""

    bench: object
    name: str

    @property
    def bird(self):
        return self.bench.bird


@pytest.fixture(params=["p1", "p3"])
def watched(request, bird_bench):
    """Over IPv4, and over IPv6."""
    name = request.param
    bird_bench.bird.neighbours[name].has_bfd = True
    bird_bench.bird.neighbours[name].hold_time = HOLD_SECONDS
    bird_bench.stop_peers()
    bird_bench.start_peers()
    asked = peer(name, bfd=BfdTimers(), hold_time=HOLD_SECONDS)
    bird_bench.speaker.configure("10.1.0.5", speakers(asked))
    bird_bench.speaker.set_paths(paths(name))
    eventually(holds(bird_bench, name, V4), f"{name} holds {V4}")
    eventually(established(bird_bench, name), "the driver knows it")
    eventually(lambda: bird_bench.bird.is_watched(name), "BFD is up")
    return Watched(bird_bench, name)


def bfd(bench, name):
    return {s.peer_id: s for s in bench.speaker.status().sessions}[name].bfd


def test_bfd_is_told(watched):
    eventually(lambda: bfd(watched.bench, watched.name) == "Up", "it is up")


def test_bfd_that_the_peer_does_not_have_is_told(bird_bench):
    asked = peer("p1", bfd=BfdTimers(), hold_time=HOLD_SECONDS)
    bird_bench.speaker.configure("10.1.0.5", speakers(asked))
    bird_bench.speaker.set_paths(paths("p1"))
    eventually(established(bird_bench, "p1"), "it is known")
    eventually(lambda: bfd(bird_bench, "p1") == "Down", "BFD is down")


def test_bfd_notices_a_silent_peer(watched):
    for process in watched.bird.processes:
        os.kill(process.pid, signal.SIGSTOP)
    eventually(
        lambda: not established(watched.bench, watched.name)(),
        "the peer is given up",
        SILENT_SECONDS,
    )
    assert watched.bench.speaker.status().paths == frozenset()


def test_a_peer_notices_silence_by_bfd(watched):
    """What the fabric sees of an amphora that is gone."""
    watched.bench.hang_daemon()
    eventually(
        holds(watched.bench, watched.name), "it gives up", SILENT_SECONDS
    )
    assert "BFD" in watched.bird.reason(watched.name)


def test_other_timers_keep_the_session(watched):
    """BFD is renegotiated, not torn down (RFC 5880, section 6.8.2)."""
    before = watched.bird.since(watched.name)
    slower = speakers(
        peer(
            watched.name,
            bfd=BfdTimers(min_tx_ms=300, min_rx_ms=300, multiplier=4),
            hold_time=HOLD_SECONDS,
        )
    )
    watched.bench.speaker.configure("10.1.0.5", slower)
    eventually(
        lambda: watched.bench.speaker.status().speakers == slower, "loaded"
    )
    eventually(
        lambda: (
            watched.bird.detection_seconds(watched.name) == pytest.approx(1.2)
        ),
        "the peer waits for four times 300 ms",
    )
    assert watched.bird.since(watched.name) == before


def test_without_bfd_silence_lasts(bird_bench):
    """The negative control."""
    bird_bench.bird.neighbours["p1"].hold_time = HOLD_SECONDS
    bird_bench.stop_peers()
    bird_bench.start_peers()
    asked = peer("p1", hold_time=HOLD_SECONDS)
    bird_bench.speaker.configure("10.1.0.5", speakers(asked))
    bird_bench.speaker.set_paths(paths("p1"))
    eventually(holds(bird_bench, "p1", V4), "p1 holds it")
    eventually(established(bird_bench, "p1"), "it is known")
    for process in bird_bench.bird.processes:
        os.kill(process.pid, signal.SIGSTOP)
    time.sleep(3)
    assert state(bird_bench, "p1") is SessionState.ESTABLISHED


def test_keepalive_interval(bird_bench):
    asked = peer("p1", hold_time=3, keepalive_interval=1)
    bird_bench.speaker.configure("10.1.0.5", speakers(asked))
    bird_bench.speaker.set_paths(paths("p1"))
    eventually(holds(bird_bench, "p1", V4), "p1 holds it")
    text = bird_bench.config.read_text()
    assert "keepalive time 1;" in text


def test_local_pref_within_the_as(bird_bench):
    bird_bench.bird.neighbours["p1"].local_as = bird_peer.SPEAKER_AS
    bird_bench.stop_peers()
    bird_bench.start_peers()
    asked = replace(
        peer("p1", local_pref=333, as_path_prepend=2),
        remote_as=bird_peer.SPEAKER_AS,
    )
    bird_bench.speaker.configure("10.1.0.5", speakers(asked))
    bird_bench.speaker.set_paths(paths("p1", prefixes=(V4, V6)))
    eventually(holds(bird_bench, "p1", V4, V6), "both prefixes")
    for prefix, version in ((V4, 4), (V6, 6)):
        route = bird_bench.rib("p1")[prefix]
        assert route.as_path == ()
        assert str(route.nexthop_ip) == NEXT_HOPS[version]
        assert bird_bench.bird.local_pref("p1", prefix) == 333


def test_paths_differ_from_peer_to_peer(bird_bench):
    bird_bench.speaker.configure("10.1.0.5", speakers(peer("p1"), peer("p2")))
    bird_bench.speaker.set_paths(
        paths("p1", prefixes=(V4,)) | paths("p2", prefixes=(V6,))
    )
    eventually(holds(bird_bench, "p1", V4), "p1 holds its own")
    eventually(holds(bird_bench, "p2", V6), "p2 holds its own")


def test_ten_thousand_paths_come_and_go(bird_bench):
    prefixes = tuple(
        f"10.{64 + i // 65536}.{i // 256 % 256}.{i % 256}/32"
        for i in range(10_000)
    )
    bird_bench.speaker.configure("10.1.0.5", speakers(peer("p1")))
    bird_bench.speaker.set_paths(paths("p1", prefixes=prefixes))
    eventually(lambda: len(bird_bench.rib("p1")) == 10_000, "all", 60)
    eventually(
        lambda: len(bird_bench.speaker.status().paths) == 10_000, "told", 60
    )
    bird_bench.speaker.set_paths(frozenset())
    eventually(holds(bird_bench, "p1"), "none", 60)
