# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Two controllers on one database: one works, the other one takes over.

Who works is read from the kernel, which knows who holds a load balancer's
lock; what came of it from the hypervisor and the fabric.
"""

import itertools
from collections.abc import Iterator

import losses
import pytest
import watching
from cluster_bench import Balancer, Bench
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.chaos import leftovers, two_controllers
from octavia_anycast_lab.chaos.fault import SPEAKERS, Scene
from octavia_anycast_lab.cloud import controller, second_controller
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab

SECONDS = 60.0
TURNS = 2
# Longer than a load balancer that is another one's is left to that.
PATIENCE_SECONDS = 6.0
COOLDOWNS = itertools.count(61)  # seconds; each is another one


@pytest.fixture(autouse=True)
def two(bench: Bench, balancer: Balancer) -> Iterator[None]:
    """A second controller for the length of a test, and a whole cluster."""
    bench.await_converged(balancer)
    second_controller.start(bench.plane, bench.registry)
    yield
    controller.start(bench.plane, bench.registry)
    second_controller.stop(bench.registry)
    bench.await_converged(balancer)


def _holder(bench: Bench, balancer: Balancer) -> str | None:
    return second_controller.holder(bench.plane, bench.registry, balancer.id)


def _await_turn(bench: Bench, balancer: Balancer) -> str:
    """Wait until one begins to work at it; who that is."""
    process.wait_until(
        lambda: _holder(bench, balancer) is None, SECONDS, "a pause", 0.002
    )
    # At rest its turn is in three minutes: a user's change is begun at once.
    path = f"/v2/lbaas/loadbalancers/{balancer.id}/cluster"
    body = {"cluster": {"cooldown": next(COOLDOWNS)}}
    bench.admin.request("PUT", rest.LOAD_BALANCER, path, body)
    return second_controller.await_holder(
        bench.plane, bench.registry, balancer.id, SECONDS
    )


def _other(label: str) -> str:
    (other,) = set(second_controller.LABELS) - {label}
    return other


def test_one_looks_after_it_and_the_other_one_after_that(
    bench: Bench, balancer: Balancer
) -> None:
    """Always the same one, until that one is gone."""
    # The ring is another one once the first has noticed the second.
    process.wait_until(
        lambda: len({_await_turn(bench, balancer) for _ in range(TURNS)}) == 1,
        SECONDS,
        "one and the same controller",
    )
    owner = _await_turn(bench, balancer)
    controller.stop(bench.registry, owner)
    turns = {_await_turn(bench, balancer) for _ in range(TURNS)}
    assert turns == {_other(owner)}
    bench.await_converged(balancer)


def test_one_is_killed_in_the_middle_of_a_failover(
    bench: Bench, balancer: Balancer
) -> None:
    """The other one goes on: nobody is booted twice, nothing is left."""
    before = leftovers.count(bench.plane, bench.admin)
    old = {amphora.instance_id for amphora in bench.amphorae(balancer)}
    scene = Scene(
        plane=bench.plane,
        load_balancer_id=balancer.id,
        victim=bench.amphorae(balancer)[0].seen.instance,
        speaker=SPEAKERS["exabgp"],
    )
    watcher = watching.watcher(bench, balancer)
    with watcher, losses.stream(bench, balancer) as stream:
        killed = two_controllers.kill_one(scene)
        assert controller.pid_of(bench.registry, killed) is None
        assert bench.provisioning(balancer.id) == "PENDING_UPDATE"
        bench.await_converged(balancer)
        lost = stream.end()
    assert second_controller.await_holder(
        bench.plane, bench.registry, balancer.id
    ) == _other(killed)
    new = {amphora.instance_id for amphora in bench.amphorae(balancer)}
    assert not new & old
    # The boot that was cut off half way is given up and swept away.
    assert len(watcher.seen - old - new) <= 1
    assert not watcher.violations, sorted(watcher.violations)
    assert lost.is_nothing, lost
    process.wait_until(
        lambda: leftovers.count(bench.plane, bench.admin) == before,
        SECONDS,
        "nothing left over",
        0.5,
    )


def test_nobody_goes_on_where_there_is_nobody(
    bench: Bench, balancer: Balancer
) -> None:
    """The control: without a second one, a change stays where it was."""
    second_controller.stop(bench.registry)
    controller.kill(bench.registry)
    (listener,) = bench.octavia.listeners(
        load_balancer_id=balancer.id, name="web"
    )
    limit = 1000 + (listener.connection_limit + 1) % 100
    bench.octavia.update_listener(listener.id, connection_limit=limit)
    with pytest.raises(TimeoutError):
        second_controller.await_holder(
            bench.plane, bench.registry, balancer.id, PATIENCE_SECONDS
        )
    assert bench.provisioning(balancer.id) == "PENDING_UPDATE"
    second_controller.start(bench.plane, bench.registry)
    bench.await_active(balancer.id)
