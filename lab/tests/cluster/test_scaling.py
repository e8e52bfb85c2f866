# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The cluster manager: scaling, failover and spares, under traffic.

New requests go through each planned change; those that failed are counted.
The control is an amphora that loses its power while its spare waits: that
loses packets, and only for as long as the fabric and the spare take.
"""

import collections.abc
import dataclasses
import time

import losses
import pytest
from cluster_bench import Amphora, Balancer, Bench, web_listener
from octavia_anycast_lab.amphora import hypervisor
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

NAME = "scaled"
SECONDS = 180.0


@pytest.fixture(scope="module")
def scaled(bench: Bench) -> collections.abc.Iterator[Balancer]:
    """A load balancer of two amphorae of its own."""
    bench.remove_earlier(NAME)
    made = bench.create(NAME, 2, listeners=[web_listener(bench)])
    bench.await_active(made.id)
    bench.await_whole(made)
    yield made
    bench.octavia.delete_load_balancer(made.id, cascade=True)
    bench.await_gone(made.id)


def _path(balancer: Balancer) -> str:
    return f"/v2/lbaas/loadbalancers/{balancer.id}/cluster"


def _cluster(bench: Bench, balancer: Balancer) -> rest.Body:
    return dict(
        bench.admin.get(rest.LOAD_BALANCER, _path(balancer))["cluster"]
    )


def _change(bench: Bench, balancer: Balancer, **given: object) -> rest.Body:
    """Change the cluster; as its GET shows it."""
    answer = bench.admin.request(
        "PUT", rest.LOAD_BALANCER, _path(balancer), {"cluster": given}
    )
    assert answer is not None
    return dict(answer["cluster"])


def _sized(balancer: Balancer, size: int) -> Balancer:
    return dataclasses.replace(balancer, size=size)


def test_scaling_out_and_in_loses_no_new_request(
    bench: Bench, scaled: Balancer
) -> None:
    with losses.stream(bench, scaled) as stream:
        shown = _change(bench, scaled, desired_size=4)
        assert shown["desired_size"] == 4
        assert bench.provisioning(scaled.id) == "ACTIVE", "it is not locked"
        bench.await_whole(_sized(scaled, 4))
        out = stream.end()
    with losses.stream(bench, scaled) as stream:
        _change(bench, scaled, desired_size=2)
        bench.await_whole(scaled)
        lost = stream.end()
    print(f"out: {out}; in: {lost}")  # noqa: T201
    assert out.is_planned_change_only, out
    assert lost.is_planned_change_only, lost
    bench.await_converged(scaled)


def test_failover_of_a_load_balancer_loses_no_new_request(
    bench: Bench, scaled: Balancer
) -> None:
    before = bench.instance_ids(scaled)
    with losses.stream(bench, scaled) as stream:
        bench.operator.failover_load_balancer(scaled.id)
        process.wait_until(
            lambda: not before & bench.instance_ids(scaled),
            SECONDS,
            "other amphorae",
            0.5,
        )
        bench.await_whole(scaled)
        lost = stream.end()
    print(f"failover: {lost}")  # noqa: T201
    assert lost.is_planned_change_only, lost
    bench.await_converged(scaled)


def test_a_spare_joins_when_an_amphora_loses_its_power(
    bench: Bench, scaled: Balancer
) -> None:
    """The control, too: without a warning, packets are lost."""
    _change(bench, scaled, spare_count=1)
    _await_spares(bench, scaled)
    spare = _spare(bench, scaled)
    assert bench.is_withdrawn(scaled, spare)
    victim = next(a for a in bench.amphorae(scaled) if a.id != spare.id)
    with losses.stream(bench, scaled) as stream:
        killed = time.monotonic()
        bench.machines.kill(victim.instance_id, hypervisor.Loss.POWER)
        process.wait_until(
            lambda: bench.announces(scaled, spare), 60.0, "the spare", 0.05
        )
        joined = time.monotonic() - killed
        process.wait_until(
            lambda: bench.is_withdrawn(scaled, victim), 60.0, "the end", 0.1
        )
        lost = stream.end()
    print(f"the spare announced after {joined:.2f} s; {lost}")  # noqa: T201
    assert lost.vanished > 0
    _await_spares(bench, scaled)
    assert _spare(bench, scaled).id != spare.id, "there is another one"
    assert bench.announces(scaled, spare), "it stays"
    _change(bench, scaled, spare_count=0)
    bench.await_converged(scaled)


def _await_spares(bench: Bench, balancer: Balancer) -> None:
    def is_so() -> bool:
        shown = _cluster(bench, balancer)
        return (
            "1 of 1 spares ready" in shown["reason"]
            and shown["announcing_count"] == 2
            and shown["amphora_count"] == 3
        )

    process.wait_until(is_so, SECONDS, "a spare that is ready", 0.5)


def _spare(bench: Bench, balancer: Balancer) -> Amphora:
    (found,) = (
        member["id"]
        for member in _cluster(bench, balancer)["amphorae"]
        if member["spare"]
    )
    (spare,) = (a for a in bench.amphorae(balancer) if a.id == found)
    return spare


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"desired_size": 1, "min_size": 2}, "desired_size"),
        ({"desired_size": 65}, "desired_size"),
        ({"max_size": 1}, "max_size"),
        ({"spare_count": 3}, "spare_count"),
    ],
    ids=str,
)
def test_bad_sizes_are_refused_and_nothing_changes(
    bench: Bench, scaled: Balancer, given: dict[str, object], field: str
) -> None:
    before = _cluster(bench, scaled)
    with pytest.raises(rest.ApiError, match=field) as refusal:
        _change(bench, scaled, **given)
    assert refusal.value.status == 400
    after = _cluster(bench, scaled)
    assert after["desired_size"] == before["desired_size"]
    assert bench.is_whole(scaled)
