# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What amphorae tell is as true with three controllers, and how fast it is.

The same is asked of one controller, then of three, on the same load balancer:
how long a member's fall, the silence of an amphora and a load take until they
show, and whether each connection is counted once. Seconds are printed, and
not judged: bench/README.rst has them.
"""

import collections.abc
import statistics
import time
import typing

import pytest
from cluster_bench import Balancer, Bench
from octavia_anycast_lab import faults, settings
from octavia_anycast_lab.amphora import hypervisor
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import clients, http_probe, traffic_record
from three_nodes import SECONDS, convert, long_only

pytestmark = [pytest.mark.lab, long_only]

ROUNDS = 3
LOSSES = 2
COUNT = 300
FLOWS, TARGET = 60, 20
MEMBER = settings.MEMBERS[1]
LOOK_SECONDS = 0.1
# Amphorae send a heartbeat each second, to each of three in turn.
SETTLED_SECONDS = 7.0


class News:
    """Asks one load balancer, and keeps the seconds that answers took."""

    def __init__(
        self, bench: Bench, balancer: Balancer, web: dict[str, str]
    ) -> None:
        self._bench = bench
        self._balancer = balancer
        self._web = web
        self.seconds: dict[str, list[float]] = collections.defaultdict(list)

    def of_a_member(self) -> None:
        """A member does not answer any more, and then it does again."""
        lab = self._bench.lab
        for _ in range(ROUNDS):
            faults.silence(lab, MEMBER.name, ("eth0",))
            try:
                self._await(
                    "a member falls", lambda: self._member() == "ERROR"
                )
            finally:
                faults.end_silence(lab, MEMBER.name)
            self._await("it is back", lambda: self._member() == "ONLINE")

    def of_a_silence(self) -> None:
        """An amphora loses its power, and another one boots."""
        bench = self._bench
        for _ in range(LOSSES):
            there = bench.instance_ids(self._balancer)
            victim = bench.amphorae(self._balancer)[0].seen.instance
            bench.machines.kill(victim.id, hypervisor.Loss.POWER)
            self._await(
                "a dead amphora is replaced",
                lambda there=there: bench.instance_ids(self._balancer) - there,
            )
            bench.await_converged(self._balancer)

    def of_connections(self) -> None:
        """Each is counted once, and the count stays so."""
        before = self._settled()
        target = http_probe.Target(address=self._balancer.v4, port=80)
        records = clients.shares(self._bench.lab, target, COUNT)
        assert traffic_record.summarize(records).ok == COUNT
        self._await(
            "connections are counted",
            lambda: self._counted() >= before + COUNT,
        )
        assert self._settled() == before + COUNT

    def of_a_load(self) -> None:
        """Connections are held, and the cluster wants to be larger."""
        was = self._cluster()
        target = http_probe.Target(address=self._balancer.v4, port=80)
        self._change(
            cooldown=5, autoscale={"metric": "connections", "target": TARGET}
        )
        held = clients.start_keepalive(
            self._bench.lab, self._bench.registry, target, FLOWS, seconds=240
        )
        try:
            self._await(
                "a load is followed",
                lambda: self._cluster()["desired_size"] > was["desired_size"],
            )
        finally:
            held.stop()
            kept = ("desired_size", "cooldown")
            self._change(autoscale=None, **{name: was[name] for name in kept})
        self._bench.await_converged(self._balancer)

    def _await(
        self, what: str, condition: collections.abc.Callable[[], object]
    ) -> None:
        seconds = process.wait_until(
            lambda: bool(condition()), SECONDS, what, LOOK_SECONDS
        )
        self.seconds[what].append(seconds)

    def _member(self) -> str:
        found = self._bench.octavia.get_member(
            self._web[MEMBER.name], self._web["pool"]
        )
        return str(found.operating_status)

    def _counted(self) -> int:
        path = f"/lbaas/listeners/{self._web['listener']}/stats"
        answer = self._bench.octavia.get(path).json()
        return int(answer["stats"]["total_connections"])

    def _settled(self) -> int:
        """The count, once it has not changed for some heartbeats."""
        seen = [self._counted()]
        since = time.monotonic()

        def is_settled() -> bool:
            nonlocal since
            seen.append(self._counted())
            if seen[-1] != seen[-2]:
                since = time.monotonic()
            return time.monotonic() - since > SETTLED_SECONDS

        process.wait_until(is_settled, SECONDS, "counts at rest", 0.5)
        return seen[-1]

    def _cluster(self) -> rest.Body:
        found = self._bench.admin.get(rest.LOAD_BALANCER, self._path())
        return dict(found["cluster"])

    def _change(self, **wanted: typing.Any) -> None:
        self._bench.admin.request(
            "PUT", rest.LOAD_BALANCER, self._path(), {"cluster": wanted}
        )

    def _path(self) -> str:
        return f"/v2/lbaas/loadbalancers/{self._balancer.id}/cluster"


def tell(name: str, news: News) -> None:
    """Print what was measured."""
    for what, seconds in news.seconds.items():
        each = ", ".join(f"{one:.1f}" for one in seconds)
        median = statistics.median(seconds)
        print(f"{name}: {what}: {median:.1f} s ({each})")  # noqa: T201


def ask(news: News) -> None:
    """Ask all of it."""
    news.of_a_member()
    news.of_connections()
    news.of_a_load()
    news.of_a_silence()


def test_what_amphorae_tell_is_known_as_with_one_controller(
    bench: Bench, balancer: Balancer, web: dict[str, str]
) -> None:
    one = News(bench, balancer, web)
    ask(one)
    tell("one controller", one)
    convert(bench, balancer)
    three = News(bench, balancer, web)
    ask(three)
    tell("three controllers", three)
    assert three.seconds.keys() == one.seconds.keys()
