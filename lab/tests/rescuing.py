# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Flow rescue of a cluster: switched, and as its amphorae report it."""

from cluster_bench import Balancer, Bench
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.host import process

_SECONDS = 60.0


def cluster(bench: Bench, balancer: Balancer) -> rest.Body:
    """The cluster as the API shows it."""
    found = bench.admin.get(rest.LOAD_BALANCER, _path(balancer))
    return dict(found["cluster"])


def switch(bench: Bench, balancer: Balancer, *, is_on: bool) -> None:
    """Switch flow rescue, and wait until each amphora says so."""
    body = {"cluster": {"flow_rescue": is_on}}
    bench.admin.request("PUT", rest.LOAD_BALANCER, _path(balancer), body)
    await_state(bench, balancer, "on" if is_on else "off")


def await_state(bench: Bench, balancer: Balancer, state: str) -> None:
    """Wait until each amphora reports this state of flow rescue."""

    def is_there() -> bool:
        shown = cluster(bench, balancer)["amphorae"]
        return all(
            (a["flow_rescue"] or {}).get("state") == state for a in shown
        )

    process.wait_until(is_there, _SECONDS, f"flow rescue {state}", 0.5)


def counted(bench: Bench, balancer: Balancer, name: str) -> int:
    """The sum of one count of flow rescue over all amphorae."""
    shown = cluster(bench, balancer)["amphorae"]
    return sum((one["flow_rescue"] or {}).get(name, 0) for one in shown)


def _path(balancer: Balancer) -> str:
    return f"/v2/lbaas/loadbalancers/{balancer.id}/cluster"
