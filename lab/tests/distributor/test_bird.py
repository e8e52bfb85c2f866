# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae that speak BGP with BIRD, and BFD with their leaves.

A distributor beside the lab's own, whose peers have BFD at 3 x 100 ms; the
leaves' profile for amphorae is as fast for as long. Judged by the leaves'
logs and routes and by the client's requests.
"""

import dataclasses
import logging
import re
import sys
from collections.abc import Callable, Iterator

import losses
import pytest
from cluster_bench import Amphora, Balancer, Bench
from octavia_anycast_lab import settings
from octavia_anycast_lab.api import distributors, rest
from octavia_anycast_lab.fabric import frr, observe
from octavia_anycast_lab.host import netns, process
from octavia_anycast_lab.traffic import clients, http_probe, traffic_record

LOG = logging.getLogger(__name__)
pytestmark = pytest.mark.lab

NAME = "lab-fabric-bird"
BALANCER = "bird"
SIZE = 2
BFD_DOWN = "Cease/BFD Down"
BFD = {"min_tx_ms": 100, "min_rx_ms": 100, "multiplier": 3}
BIRD = "bird.service"
EXABGP = "exabgp.service"
SPEAKERD = "octavia-anycast-speakerd.service"
SECONDS = 60.0
RATE = 200.0


@pytest.fixture(scope="module")
def quick_leaves(bench: Bench) -> Iterator[None]:
    """The leaves' side of BFD at 3 x 100 ms."""
    frr.set_bfd_interval(bench.lab, BFD["min_tx_ms"])
    yield
    frr.set_bfd_interval(bench.lab, frr.BFD_INTERVAL_MS)


@pytest.fixture(scope="module")
def fabric_with_bfd(bench: Bench, quick_leaves: None) -> Iterator[str]:
    """The id of a distributor with driver bird and BFD to each leaf."""
    body = distributors.body(bench.admin, NAME)
    distributors.speak_bird(body, BFD)
    made = distributors.ensure_beside(bench.admin, body)
    yield made
    distributors.delete(bench.admin, made)


@pytest.fixture(scope="module")
def bird(bench: Bench, fabric_with_bfd: str) -> Iterator[Balancer]:
    """A load balancer of two amphorae on that distributor."""
    bench.remove_earlier(BALANCER)
    made = bench.create_on(fabric_with_bfd, BALANCER, SIZE)
    bench.await_active(made.id)
    bench.await_whole(made)
    yield made
    bench.await_settled(made.id)
    bench.octavia.delete_load_balancer(made.id, cascade=True)
    bench.await_gone(made.id)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What a leaf told an amphora when it gave it up, from the leaf's log.

    "Cease/BFD Down" (RFC 9384) or "Hold Timer Expired".
    """

    bench: Bench
    amphora: Amphora
    skipped: int = 0

    @classmethod
    def from_now(cls, bench: Bench, amphora: Amphora) -> "Verdicts":
        """Only those that come from now on."""
        skipped = len(cls(bench=bench, amphora=amphora).all())
        return cls(bench=bench, amphora=amphora, skipped=skipped)

    def all(self) -> list[str]:
        """In order."""
        home = frr.directory(self.bench.lab, self.amphora.leaf.name)
        neighbor = re.escape(str(self.amphora.management))
        found = re.findall(
            rf"%NOTIFICATION: sent to neighbor {neighbor} \S+ \((.*?)\)",
            (home / "bgpd.log").read_text("utf-8"),
        )
        return found[self.skipped :]


def _await(condition: Callable[[], bool], what: str) -> None:
    process.wait_until(condition, SECONDS, what, 0.05)


def _is_watched(bench: Bench, amphora: Amphora) -> bool:
    """True if the leaf has a BFD session with it, and it is up."""
    answer = frr.show(bench.lab, amphora.leaf.name, "show bfd peers json")
    return any(
        peer["peer"] == str(amphora.management) and peer["status"] == "up"
        for peer in answer
    )


def _active(bench: Bench, amphora: Amphora, unit: str) -> str:
    return bench.inside(
        amphora, "systemctl", "is-active", unit, check=False
    ).strip()


def test_bird_announces_and_bfd_watches(bench: Bench, bird: Balancer) -> None:
    for amphora in bench.amphorae(bird):
        assert bench.announces(bird, amphora)
        assert _active(bench, amphora, BIRD) == "active"
        assert _active(bench, amphora, EXABGP) == "inactive"
        _await(lambda a=amphora: _is_watched(bench, a), "BFD is up")
    for vip in bird.vips:
        assert {a.status for a in bench.ask(str(vip), count=20)} == {200}
        paths = observe.paths(bench.lab, "leaf1", f"{vip}/{vip.max_prefixlen}")
        assert {p.as_path[-1] for p in paths} == {settings.AMPHORA_AS}


def test_garbage_takes_no_session_down(bench: Bench, bird: Balancer) -> None:
    """Segments that nobody has a connection for, 20,000 a second.

    Amphorae ask each other about each (ADR 0121). BGP and BFD go on, and so
    do requests.
    """
    amphorae = bench.amphorae(bird)
    for amphora in amphorae:
        _await(lambda a=amphora: _is_watched(bench, a), "BFD is up")
    verdicts = [Verdicts.from_now(bench, amphora) for amphora in amphorae]
    before = [bench.session(amphora) for amphora in amphorae]
    with losses.stream(bench, bird) as stream:
        argv = [sys.executable, "-m", "octavia_anycast_lab.traffic.garbage"]
        sent = netns.run(
            bench.lab.namespace(settings.CLIENT),
            [*argv, bird.v4, "80", "--count", "200000", "--rate", "20000"],
        )
        lost = stream.end()
    assert int(sent.stdout) == 200_000
    path = f"/v2/lbaas/loadbalancers/{bird.id}/cluster"

    def counted(name: str) -> int:
        shown = bench.admin.get(rest.LOAD_BALANCER, path)["cluster"]
        return sum(a["flow_rescue"][name] for a in shown["amphorae"])

    process.wait_until(
        lambda: counted("floods") > 0, SECONDS, "counts of flow rescue", 1.0
    )
    LOG.info(
        "floods %s, refused %s, given up %s; %s",
        *map(counted, ("floods", "refused", "given_up")),
        lost,
    )
    assert [verdict.all() for verdict in verdicts] == [[], []]
    for amphora, session in zip(amphorae, before, strict=True):
        assert bench.is_kept(amphora, session)
    assert sum(lost.failed.values()) <= 0.05 * lost.total


def test_the_agent_may_die(bench: Bench, bird: Balancer) -> None:
    """Fail-static: BIRD goes on, and the next agent disturbs nothing."""
    victim = bench.amphorae(bird)[0]
    before = bench.session(victim)
    pid = bench.main_pid(victim, SPEAKERD)
    with losses.stream(bench, bird) as stream:
        bench.signal(victim, SPEAKERD, "KILL")
        _await(
            lambda: bench.main_pid(victim, SPEAKERD) not in (0, pid),
            "another daemon",
        )
        bench.await_converged(bird)
        lost = stream.end()
    assert bench.is_kept(victim, before)
    assert lost.is_nothing, lost


def test_bird_may_die(bench: Bench, bird: Balancer) -> None:
    """It comes back by itself, with its paths."""
    victim = bench.amphorae(bird)[0]
    before = bench.session(victim)
    with losses.stream(bench, bird) as stream:
        bench.signal(victim, BIRD, "KILL")
        _await(
            lambda: (
                bench.is_new(victim, before) and bench.announces(bird, victim)
            ),
            "another session, with the paths",
        )
        lost = stream.end()
    assert lost.is_change_of_routes_only, lost
    bench.await_converged(bird)


def test_bird_hangs(bench: Bench, bird: Balancer) -> None:
    """BFD gives up on it within the hold time; then the agent kills it."""
    victim = bench.amphorae(bird)[0]
    _await(lambda: _is_watched(bench, victim), "BFD is up")
    before = bench.main_pid(victim, BIRD)
    verdicts = Verdicts.from_now(bench, victim)
    bench.signal(victim, BIRD, "STOP")
    _await(lambda: bench.is_withdrawn(bird, victim), "the withdrawal")
    _await(lambda: bench.announces(bird, victim), "its return")
    assert bench.main_pid(victim, BIRD) != before
    assert verdicts.all()[:1] == [BFD_DOWN]
    bench.await_converged(bird)


def test_power_off_is_noticed_by_bfd(
    bench: Bench,
    bird: Balancer,
    record_property: Callable[[str, object], None],
) -> None:
    """Nobody says good-bye: the leaf notices by BFD, not by the hold time."""
    victim = bench.amphorae(bird)[0]
    _await(lambda: _is_watched(bench, victim), "BFD is up")
    verdicts = Verdicts.from_now(bench, victim)
    target = http_probe.Target(address=bird.v4, port=80)
    with clients.streaming(
        bench.lab, bench.registry, target, RATE
    ) as generator:
        bench.machines.kill(victim.instance_id)
        _await(lambda: bench.is_withdrawn(bird, victim), "the withdrawal")
        records = generator.stop()
    window = traffic_record.window(records)
    record_property("window_seconds", window.seconds)
    LOG.info("Power off, BFD 3 x 100 ms: %s", window)
    assert verdicts.all()[:1] == [BFD_DOWN]
    assert window.bad > 0, "the traffic met the fault"
    bench.await_converged(bird)
