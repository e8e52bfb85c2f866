# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A load balancer whose amphorae are replaced or drained with others."""

import collections.abc

import pytest
from cluster_bench import Balancer, Bench, web_listener

SIZE = 4


@pytest.fixture(scope="module")
def four(
    bench: Bench, request: pytest.FixtureRequest
) -> collections.abc.Iterator[Balancer]:
    """Four amphorae, two in each rack, each on a host of its own."""
    name = f"fleet-{request.module.__name__}"
    bench.remove_earlier(name)
    made = bench.create(name, SIZE, listeners=[web_listener(bench)])
    bench.await_active(made.id)
    bench.await_whole(made)
    yield made
    bench.octavia.delete_load_balancer(made.id, cascade=True)
    bench.await_gone(made.id)
