# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""After everything that the other tests did to it: nothing is left."""

import pytest
from cluster_bench import Balancer, Bench, prefix
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process

pytestmark = pytest.mark.lab


def test_cascade_delete_leaves_nothing(
    bench: Bench, balancer: Balancer
) -> None:
    assert bench.leftovers(balancer), "the negative control"
    bench.octavia.delete_load_balancer(balancer.id, cascade=True)
    bench.await_gone(balancer.id)
    # The leaves and spines are told by BGP, and try each other's paths before
    # they have none; nothing else may come later.
    process.wait_until(
        lambda: (
            not any(
                observe.leftovers(bench.lab, prefix(vip))
                for vip in balancer.vips
            )
        ),
        15.0,
        "no paths",
    )
    assert bench.leftovers(balancer) == {}
