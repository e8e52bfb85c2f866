# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Three controllers on a real etcd and a real Galera, under faults.

Each fault comes while a load balancer is failed over, right after its first
boot, to whatever works on it then, under a stream of new connections. What
came of it is read from the fabric, the hypervisor and the API.
"""

import collections.abc
import contextlib
import dataclasses
import re
import time

import losses
import pytest
import watching
from cluster_bench import Balancer, Bench
from octavia_anycast_lab.chaos import leftovers, two_controllers
from octavia_anycast_lab.cloud import database
from octavia_anycast_lab.ha import (
    controllers,
    etcd,
    front,
    galera,
    nodes,
    printed,
)
from octavia_anycast_lab.ha.nodes import Node
from octavia_anycast_lab.host import netns, process
from three_nodes import (
    GUIDE,
    LONG_SECONDS,
    SECONDS,
    convert,
    files,
    long_only,
    scene_of,
)

pytestmark = [pytest.mark.lab, long_only]

PAUSE_SECONDS = 60.0
_FAST = 300  # seconds that a clock is off
CORRECTED = f"The clock of this host is {_FAST} s"
_BOOTS = re.compile(r"Amphora (\S+) of load balancer (\S+) boots as server")


@dataclasses.dataclass(frozen=True, slots=True)
class Three:
    """The nodes, and the lab that they are in."""

    bench: Bench
    nodes: tuple[Node, ...]

    def booter(
        self, balancer: Balancer, before: dict[str, int]
    ) -> Node | None:
        """The node whose controller has booted an amphora since then."""
        for node in self.nodes:
            if self.boots(node, balancer) > before[node.name]:
                return node
        return None

    def boots(self, node: Node, balancer: Balancer) -> int:
        """How many amphorae of it a controller has booted."""
        log = node.log(controllers.PROGRAM)
        text = log.read_text(errors="replace") if log.exists() else ""
        return sum(found == balancer.id for _, found in _BOOTS.findall(text))

    def epoch(self, balancer: Balancer) -> int:
        """How many plans controllers have begun for it."""
        found = database.query(
            self.bench.plane,
            "octavia",
            "SELECT epoch FROM anycast_cluster"
            f" WHERE load_balancer_id = '{balancer.id}'",
        )
        return int(found)

    def heal(self) -> None:
        """Have all of it run again."""
        controllers.heal(self.bench.plane, self.bench.registry, files())

    def restart(self, node: Node, environment: dict[str, str]) -> None:
        """Have the controller of a node run in another environment."""
        plane, registry = self.bench.plane, self.bench.registry
        controllers.kill(node, registry)
        controllers.start(plane, registry, node, files(), environment)


@pytest.fixture(scope="module")
def three(bench: Bench, pool) -> Three:
    """The lab with three controllers; it does not become another one again."""
    balancer = pool.take()
    bench.await_converged(balancer)
    made = convert(bench, balancer)
    return Three(bench, made)


@pytest.fixture(autouse=True)
def whole(three: Three, balancer: Balancer) -> collections.abc.Iterator[None]:
    """Everything runs, and the load balancer is as it should be."""
    three.heal()
    three.bench.await_converged(balancer)
    yield
    three.heal()
    three.bench.await_converged(balancer)


Fault = collections.abc.Callable[[Three, Node], None]


def fail_over_under(three: Three, balancer: Balancer, fault: Fault) -> None:
    """Fail over, do that to whoever works on it, and see what came of it."""
    bench = three.bench
    before = leftovers.count(bench.plane, bench.admin)
    old = {amphora.instance_id for amphora in bench.amphorae(balancer)}
    counts = {node.name: three.boots(node, balancer) for node in three.nodes}
    scene = scene_of(bench, balancer)
    watcher = watching.watcher(bench, balancer)
    with watcher, losses.stream(bench, balancer) as stream:
        two_controllers.fail_over(scene)
        process.wait_until(
            lambda: three.booter(balancer, counts) is not None,
            SECONDS,
            "a first boot",
            0.05,
        )
        worker = three.booter(balancer, counts)
        assert worker is not None
        fault(three, worker)
        three.heal()
        bench.await_converged(balancer)
        lost = stream.end()
    new = {amphora.instance_id for amphora in bench.amphorae(balancer)}
    assert not new & old
    assert not watcher.violations, sorted(watcher.violations)
    assert lost.is_nothing, lost
    process.wait_until(
        lambda: leftovers.count(bench.plane, bench.admin) == before,
        LONG_SECONDS,
        "nothing left over",
        0.5,
    )


def wait(seconds: float) -> None:
    """Let a fault last."""
    began = time.monotonic()
    process.wait_until(
        lambda: time.monotonic() - began > seconds, 2 * seconds, "a while"
    )


def test_the_checks_of_the_guide_say_that_all_is_set_up(three):
    """Those that the chapter has after each step."""
    text = " ".join(GUIDE.read_text().split())
    (command,) = re.findall(r"``(ETCDCTL_API=3 [^`]+)``", text)
    (variable,) = re.findall(r"``SHOW STATUS LIKE '(\w+)'`` says 3", text)
    (joined,) = re.findall(r'"(Joined the controllers as [^"]+)"', text)
    for node in three.nodes:
        words = printed.on(node, command).split()
        said = netns.run(node.namespace, ["env", *words]).stdout
        leaders = [line.split(", ")[4] for line in said.splitlines()]
        assert sorted(leaders) == ["false", "false", "true"]
        status = galera.query(node, "mysql", f"SHOW STATUS LIKE '{variable}'")
        assert status.split() == [variable, "3"]
        begin, _, end = printed.on(node, joined).partition("HOST-...")
        log = node.log(controllers.PROGRAM).read_text()
        assert re.search(f"{re.escape(begin)}.+{re.escape(end)}", log)


def test_the_worker_is_killed(three, balancer):
    def fault(three: Three, worker: Node) -> None:
        controllers.kill(worker, three.bench.registry)
        last = three.epoch(balancer)
        seconds = process.wait_until(
            lambda: three.epoch(balancer) > last, SECONDS, "a next plan", 0.1
        )
        print(f"taken over after {seconds:.1f} s")  # noqa: T201

    fail_over_under(three, balancer, fault)


def test_the_worker_is_paused_for_a_minute(three, balancer):
    """The others finish it; what it says then counts for nothing."""

    def fault(three: Three, worker: Node) -> None:
        controllers.pause(worker, three.bench.registry)
        wait(PAUSE_SECONDS)
        controllers.resume(worker, three.bench.registry)

    fail_over_under(three, balancer, fault)


def test_the_workers_database_node_is_killed(three, balancer):
    def fault(three: Three, worker: Node) -> None:
        galera.kill(worker, three.bench.registry)
        wait(20)

    fail_over_under(three, balancer, fault)


def test_the_leader_of_etcd_is_killed(three, balancer):
    def fault(three: Three, worker: Node) -> None:
        leader = etcd.leader(three.nodes)
        assert leader is not None
        etcd.kill(leader, three.bench.registry)
        wait(20)

    fail_over_under(three, balancer, fault)


def test_etcd_has_no_quorum_for_a_minute(three, balancer):
    def fault(three: Three, worker: Node) -> None:
        for node in three.nodes[:2]:
            etcd.kill(node, three.bench.registry)
        wait(PAUSE_SECONDS)

    fail_over_under(three, balancer, fault)


def test_the_worker_is_split_off_with_its_node(three, balancer):
    def fault(three: Three, worker: Node) -> None:
        nodes.split_off(worker)
        wait(PAUSE_SECONDS)

    fail_over_under(three, balancer, fault)


def test_a_node_of_galera_joins_by_sst(three, balancer):
    def fault(three: Three, worker: Node) -> None:
        registry = three.bench.registry
        galera.kill(worker, registry)
        galera.forget_data(worker)
        galera.restart(worker, registry)

    fail_over_under(three, balancer, fault)


def test_the_workers_database_node_falls_behind(three, balancer):
    """It answers, and takes writes, with what was true some time ago."""

    def fault(three: Three, worker: Node) -> None:
        galera.desync(worker, is_on=True)
        wait(20)
        galera.desync(worker, is_on=False)

    fail_over_under(three, balancer, fault)


def said_by(node: Node) -> str:
    return node.log(controllers.PROGRAM).read_text(errors="replace")


def test_clocks_differ_by_minutes(three, balancer):
    """One is ahead of the amphorae's and one behind, for two minutes.

    Each of the three receives a third of the heartbeats: none may find an
    amphora silent that is not.
    """
    ahead, behind = three.nodes[0], three.nodes[1]
    with contextlib.ExitStack() as healing:
        for node, seconds in ((ahead, _FAST), (behind, -_FAST)):
            three.restart(node, controllers.other_clock(seconds))
            healing.callback(controllers.kill, node, three.bench.registry)
        for node in (ahead, behind):
            process.wait_until(
                lambda node=node: CORRECTED in said_by(node),
                SECONDS,
                f"{node.name} counts with the middle one of all clocks",
                0.5,
            )
        fail_over_under(three, balancer, lambda three, worker: None)
        made = three.bench.instance_ids(balancer)
        wait(PAUSE_SECONDS)
        assert three.bench.instance_ids(balancer) == made


def test_all_are_restarted_at_once(three, balancer):
    def fault(three: Three, worker: Node) -> None:
        registry = three.bench.registry
        for node in three.nodes:
            controllers.kill(node, registry)
            galera.kill(node, registry)
            etcd.kill(node, registry)

    fail_over_under(three, balancer, fault)


def test_the_api_goes_on_by_the_next_node(three, balancer):
    """The front leads to another node when the first one is away."""
    registry = three.bench.registry
    assert process.is_alive(registry, front.LABEL)
    galera.kill(three.nodes[0], registry)
    process.wait_until(
        lambda: _api_answers(three.bench, balancer), SECONDS, "the API", 0.5
    )


def _api_answers(bench: Bench, balancer: Balancer) -> bool:
    try:
        return bench.provisioning(balancer.id) != ""
    except Exception:  # noqa: BLE001 - the SDK has many
        return False
