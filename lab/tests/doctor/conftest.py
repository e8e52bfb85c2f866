# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A distributor beside the lab's own, with BIRD and BFD; four amphorae on it.

Two are behind each leaf. The files of this folder share them.
"""

import collections.abc

import pytest
from cluster_bench import Balancer, Bench
from octavia_anycast_lab.api import distributors
from octavia_anycast_lab.fabric import frr
from planted import NAME, await_silence
from planting import Scene

BALANCER = "doctor"
SIZE = 4
BFD = {
    "min_tx_ms": frr.BFD_INTERVAL_MS,
    "min_rx_ms": frr.BFD_INTERVAL_MS,
    "multiplier": 3,
}


@pytest.fixture(scope="package")
def distributor_id(bench: Bench) -> collections.abc.Iterator[str]:
    """A distributor with driver bird and BFD to each leaf."""
    distributors.ensure(bench.admin)
    body = distributors.body(bench.admin, NAME)
    distributors.speak_bird(body, BFD)
    made = distributors.ensure_beside(bench.admin, body)
    yield made
    distributors.delete(bench.admin, made)


@pytest.fixture(scope="package")
def balancer(
    bench: Bench, distributor_id: str
) -> collections.abc.Iterator[Balancer]:
    """A load balancer of four amphorae on that distributor."""
    bench.remove_earlier(BALANCER)
    made = bench.create_on(distributor_id, BALANCER, SIZE)
    bench.await_active(made.id)
    bench.await_whole(made)
    yield made
    bench.await_settled(made.id)
    bench.octavia.delete_load_balancer(made.id, cascade=True)
    bench.await_gone(made.id)


@pytest.fixture(scope="package")
def scene(bench: Bench, balancer: Balancer, distributor_id: str) -> Scene:
    """All of it, found well by the doctor."""
    made = Scene(bench=bench, balancer=balancer, distributor_id=distributor_id)
    assert len(made.behind) == SIZE / 2
    await_silence(made)
    return made
