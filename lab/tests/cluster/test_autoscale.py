# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Autoscaling: a cluster follows the connections that are held open.

A stream of new requests goes on meanwhile, and none of it may be lost. The
connections that are held are the load; those that a change of routes breaks
are not asked about here (test_drain.py counts them).
"""

import collections.abc
import dataclasses
import json
import time

import losses
import pytest
from cluster_bench import Balancer, Bench, web_listener
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import clients, http_probe

pytestmark = pytest.mark.lab

NAME = "autoscaled"
SIZE, MOST = 2, 4
FLOWS = 200
# Few enough for MOST, whichever flows break when two amphorae join.
TARGET = 20
DELAY = 20
SECONDS = 240.0


@pytest.fixture(scope="module")
def balancer(bench: Bench) -> collections.abc.Iterator[Balancer]:
    """A load balancer of two amphorae, which is not scaled yet."""
    bench.remove_earlier(NAME)
    made = bench.create(NAME, SIZE, listeners=[web_listener(bench)])
    bench.await_active(made.id)
    bench.await_whole(made)
    yield made
    bench.octavia.delete_load_balancer(made.id, cascade=True)
    bench.await_gone(made.id)


@dataclasses.dataclass(slots=True)
class Curve:
    """What Octavia's API says of open connections: (seconds, number)."""

    bench: Bench
    balancer: Balancer
    began: float = dataclasses.field(default_factory=time.monotonic)
    points: list[tuple[int, int]] = dataclasses.field(default_factory=list)

    def await_size(self, size: int) -> None:
        """Wait for so many announcers of every VIP, and write down."""
        wanted = dataclasses.replace(self.balancer, size=size)

        def is_so() -> bool:
            self._note()
            return self.bench.is_whole(wanted)

        process.wait_until(is_so, SECONDS, f"{size} amphorae", 1.0)

    def _note(self) -> None:
        octavia = self.bench.octavia
        found = octavia.get_load_balancer_statistics(self.balancer.id)
        seconds = round(time.monotonic() - self.began)
        self.points.append((seconds, int(found.active_connections)))


def _path(balancer: Balancer) -> str:
    return f"/v2/lbaas/loadbalancers/{balancer.id}/cluster"


def _cluster(bench: Bench, balancer: Balancer) -> rest.Body:
    return dict(
        bench.admin.get(rest.LOAD_BALANCER, _path(balancer))["cluster"]
    )


def _autoscale(bench: Bench, balancer: Balancer) -> None:
    wanted = {
        "min_size": SIZE,
        "max_size": MOST,
        "cooldown": 5,
        "autoscale": {
            "metric": "connections",
            "target": TARGET,
            "scale_in_delay": DELAY,
        },
    }
    bench.admin.request(
        "PUT", rest.LOAD_BALANCER, _path(balancer), {"cluster": wanted}
    )


def test_a_cluster_grows_under_held_connections_and_shrinks_afterwards(
    bench: Bench, balancer: Balancer
) -> None:
    before = _cluster(bench, balancer)
    assert before["autoscale"] is None, "it is off"
    _autoscale(bench, balancer)
    curve = Curve(bench, balancer)
    target = http_probe.Target(address=balancer.v4, port=80)
    with losses.stream(bench, balancer) as stream:
        held = clients.start_keepalive(
            bench.lab, bench.registry, target, FLOWS, seconds=SECONDS
        )
        try:
            curve.await_size(MOST)
            grown = _cluster(bench, balancer)
        finally:
            held.stop()
        out = stream.end()
    assert grown["desired_size"] == MOST
    assert "scaled out from 2 to 4: connections" in grown["scaling_reason"]
    with losses.stream(bench, balancer) as stream:
        curve.await_size(SIZE)
        lost = stream.end()
    print(f"out: {out}; in: {lost}")  # noqa: T201
    print(json.dumps(curve.points))  # noqa: T201
    assert out.is_planned_change_only, out
    assert lost.is_planned_change_only, lost
    shrunk = _cluster(bench, balancer)
    assert shrunk["scaling_reason"].startswith("scaled in from 3 to 2")
    assert shrunk["desired_size"] == SIZE
    bench.await_converged(balancer)
    bench.admin.request(
        "PUT",
        rest.LOAD_BALANCER,
        _path(balancer),
        {"cluster": {"autoscale": None}},
    )


def test_processors_that_are_busy_are_counted_too(
    bench: Bench, balancer: Balancer
) -> None:
    """An amphora of the lab sees the machine's processors, which do work."""

    def put(**wanted: object) -> None:
        bench.admin.request(
            "PUT", rest.LOAD_BALANCER, _path(balancer), {"cluster": wanted}
        )

    most = SIZE + 1
    put(
        min_size=SIZE,
        max_size=most,
        cooldown=0,
        autoscale={"metric": "cpu", "target": 1},
    )
    try:
        bench.await_whole(dataclasses.replace(balancer, size=most))
        reason = _cluster(bench, balancer)["scaling_reason"]
        assert f"scaled out from {SIZE} to {most}: cpu" in reason
    finally:
        put(autoscale=None)
        put(desired_size=SIZE)
    bench.await_whole(balancer)
    bench.await_converged(balancer)


def test_a_target_that_is_none_is_refused(
    bench: Bench, balancer: Balancer
) -> None:
    wanted = {"autoscale": {"metric": "cpu", "target": 101}}
    with pytest.raises(rest.ApiError, match=r"autoscale\.target") as refusal:
        bench.admin.request(
            "PUT", rest.LOAD_BALANCER, _path(balancer), {"cluster": wanted}
        )
    assert refusal.value.status == 400
    assert _cluster(bench, balancer)["autoscale"] is None
