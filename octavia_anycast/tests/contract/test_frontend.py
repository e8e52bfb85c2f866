# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Peers over the front end, by either driver: the daemon in the namespace.

The bench's namespace is HAProxy's; the other daemon is in one that nobody is
connected to, as the management network is nothing to these peers.
"""

import itertools
import sys

import pytest

from octavia_anycast.agent.speakers.choice import Choice, ChosenSpeaker
from octavia_anycast.model.bgp import (
    BfdTimers,
    PeeringNetwork,
    SessionState,
    SpeakerDriver,
)
from octavia_anycast.testing.fakes.fake_speaker import FakeSpeaker, InParts
from octavia_anycast.tests.contract import bird_peer
from octavia_anycast.tests.contract.conftest import BENCHES
from octavia_anycast.tests.contract.test_speaker import (
    V4,
    V6,
    eventually,
    holds,
    paths,
    peer,
    speakers,
    state,
)

ROUTER_ID = "10.1.0.5"
MANAGEMENT, FRONTEND = PeeringNetwork.MANAGEMENT, PeeringNetwork.FRONTEND


class FrontendBench:
    """A bench's daemon over the front end, behind the choice of daemons."""

    def __init__(self, bench):
        self.bench = bench
        self.driver = SpeakerDriver(bench.kind)
        self.unconnected = FakeSpeaker({})
        self.speaker = self.make_speaker()

    def make_speaker(self):
        return InParts(
            ChosenSpeaker(
                {
                    (driver, network): self.choice(driver, network)
                    for driver, network in itertools.product(
                        SpeakerDriver, PeeringNetwork
                    )
                }
            )
        )

    def choice(self, driver, network):
        is_front = (driver, network) == (self.driver, FRONTEND)
        config = self.bench.config if is_front else "/nonexistent"
        return Choice(
            make=lambda: (
                self.bench.speaker.speaker if is_front else self.unconnected
            ),
            program=sys.executable,
            config_path=str(config),
        )

    def restart_agent(self):
        self.bench.replace_driver()
        self.speaker = self.make_speaker()

    def configure(self, *names, network=FRONTEND, **attributes):
        wanted = speakers(
            *(
                peer(name, peering_network=network, **attributes)
                for name in names
            ),
            driver=self.driver,
        )
        self.speaker.check(wanted)
        self.speaker.configure(ROUTER_ID, wanted)
        return wanted

    def plug(self, *, is_plugged):
        verb = "up" if is_plugged else "down"
        bird_peer.ip(*("-n", self.bench.amphora, "link", "set", "a0", verb))
        if is_plugged:  # a link that goes down loses those of IPv6
            for address in ("fd00:31::5/64",):
                bird_peer.ip(
                    *("-n", self.bench.amphora, "addr", "replace", address),
                    *("dev", "a0", "nodad"),
                )

    def cut(self, rules):
        """Have nftables do this inside the namespace."""
        namespace = self.bench.amphora
        bird_peer.ip("netns", "exec", namespace, "nft", rules)

    def rib(self, name):
        return self.bench.rib(name)


@pytest.fixture(params=sorted(BENCHES))
def front(request):
    """Each driver's daemon in the front end's namespace."""
    bench = request.getfixturevalue("daemon_bench")(request.param)
    return FrontendBench(bench)


def established(front, name):
    return lambda: state(front, name) is SessionState.ESTABLISHED


def test_sessions_of_both_families_with_password_and_gtsm(front):
    for name in ("p1", "p3"):
        front.bench.bird.neighbours[name].has_ttl_security = True
        front.bench.expect(name, password="s3cret")
    wanted = front.configure(
        "p1", "p3", auth_type="md5", password="s3cret", ttl_hops=1
    )
    front.speaker.set_paths(paths("p1", "p3", prefixes=(V4, V6)))
    for name in ("p1", "p3"):
        eventually(holds(front, name, V4, V6), f"{name} holds both")
    eventually(
        lambda: front.speaker.status().speakers == wanted, "all is loaded"
    )
    assert front.unconnected.status().sessions == ()


def test_front_end_is_plugged_later(front):
    front.plug(is_plugged=False)
    front.configure("p1", "p3")
    front.speaker.set_paths(paths("p1", "p3"))
    eventually(lambda: front.speaker.status().is_running, "the daemon runs")
    assert front.speaker.status().paths == frozenset()
    assert not established(front, "p1")()

    front.plug(is_plugged=True)

    for name in ("p1", "p3"):
        eventually(holds(front, name, V4), f"{name} holds {V4}", 40)
    eventually(
        lambda: front.speaker.status().paths == paths("p1", "p3"), "status"
    )


def test_the_peering_network_changes(front):
    front.configure("p1")
    front.speaker.set_paths(paths("p1"))
    eventually(holds(front, "p1", V4), "p1 holds it")

    front.configure("p1", network=MANAGEMENT)
    eventually(holds(front, "p1"), "the daemon over the front end is gone")
    assert front.speaker.status().paths == frozenset()

    front.configure("p1")
    eventually(holds(front, "p1", V4), "p1 holds it again", 30)


def test_a_restart_of_the_agent_disturbs_nothing(front):
    front.configure("p1")
    front.speaker.set_paths(paths("p1"))
    eventually(established(front, "p1"), "the session")
    eventually(holds(front, "p1", V4), "p1 holds it")
    pid = front.bench.service.process.pid

    front.restart_agent()
    front.configure("p1")
    front.speaker.set_paths(paths("p1"))

    eventually(
        lambda: front.speaker.status().paths == paths("p1"), "the same paths"
    )
    assert front.bench.service.process.pid == pid
    assert set(front.rib("p1")) == {V4}


def test_the_daemon_dies_and_comes_back(front):
    front.configure("p1")
    front.speaker.set_paths(paths("p1"))
    eventually(holds(front, "p1", V4), "p1 holds it")

    front.bench.kill_daemon()
    eventually(holds(front, "p1"), "a dead daemon announces nothing")

    eventually(holds(front, "p1", V4), "p1 holds it again", 30)


def test_bfd_notices_that_the_front_end_is_cut(daemon_bench):
    """Long before the hold time of a minute and a half; and it comes back."""
    front = FrontendBench(daemon_bench("bird"))
    neighbour = front.bench.bird.neighbours["p1"]
    neighbour.has_bfd, neighbour.hold_time = True, 90
    neighbour.has_ttl_security = True
    front.bench.stop_peers()
    front.bench.start_peers()
    front.configure("p1", ttl_hops=1, hold_time=90, bfd=BfdTimers())
    front.speaker.set_paths(paths("p1"))
    eventually(holds(front, "p1", V4), "p1 holds it")
    eventually(lambda: front.bench.bird.is_watched("p1"), "BFD is up")

    front.cut(
        "add table inet cut; add chain inet cut in { type filter hook "
        "input priority 0; policy drop; }; add chain inet cut out "
        "{ type filter hook output priority 0; policy drop; }"
    )
    eventually(holds(front, "p1"), "BFD has noticed", 20)
    assert "BFD" in front.bench.bird.reason("p1")

    front.cut("delete table inet cut")
    eventually(holds(front, "p1", V4), "p1 holds it again", 40)
