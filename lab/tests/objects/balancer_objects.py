# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Objects of the tests' load balancer, made and taken away."""

import contextlib
from collections.abc import Iterator

from cluster_bench import Balancer, Bench
from octavia_anycast_lab import settings


@contextlib.contextmanager
def changed(bench: Bench, balancer: Balancer) -> Iterator[None]:
    """A change, and the wait until it is made."""
    yield
    bench.await_active(balancer.id)


@contextlib.contextmanager
def listener(
    bench: Bench, balancer: Balancer, **attributes: object
) -> Iterator[str]:
    """One more listener for the length of a block."""
    with changed(bench, balancer):
        made = bench.octavia.create_listener(
            load_balancer_id=balancer.id, **attributes
        )
    try:
        yield made.id
    finally:
        bench.await_settled(balancer.id)
        with changed(bench, balancer):
            bench.octavia.delete_listener(made.id)


@contextlib.contextmanager
def pool(
    bench: Bench, balancer: Balancer, names: dict[str, int], **more: object
) -> Iterator[str]:
    """One more pool: member name -> port."""
    attributes = {
        "protocol": "HTTP",
        "lb_algorithm": "ROUND_ROBIN",
        "loadbalancer_id": balancer.id,
        **more,
    }
    with changed(bench, balancer):
        made = bench.octavia.create_pool(**attributes)
    with changed(bench, balancer):
        bench.octavia.put(
            f"/lbaas/pools/{made.id}/members",
            json={
                "members": [
                    member(bench, name, protocol_port=port)
                    for name, port in names.items()
                ]
            },
        ).raise_for_status()
    try:
        yield made.id
    finally:
        bench.await_settled(balancer.id)
        with changed(bench, balancer):
            bench.octavia.delete_pool(made.id)


def member(bench: Bench, name: str, **more: object) -> dict[str, object]:
    (found,) = (m for m in settings.MEMBERS if m.name == name)
    return {
        "name": name,
        "address": str(found.address_v4.ip),
        "protocol_port": settings.MEMBER_PORT,
        "subnet_id": bench.subnets["backend-v4"],
        **more,
    }
