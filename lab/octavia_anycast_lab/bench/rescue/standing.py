# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The cluster of the rows of flow rescue, and how it is switched.

Its drains last ``DRAIN_SECONDS`` at most, so that a failover of all of it
ends in minutes.
"""

import collections.abc
import contextlib

from octavia_anycast_lab import deployment
from octavia_anycast_lab.api import rest
from octavia_anycast_lab.bench import world
from octavia_anycast_lab.bench.events import columns
from octavia_anycast_lab.cloud import controller
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import held

DRAIN_SECONDS = 20
TCP_PORT = 81
# Ten thousand over three amphorae and two listeners, and some of them twice;
# an amphora of the lab may open 20,000 files.
_CONNECTION_LIMIT = 4_000
_SWITCHED_SECONDS = 120.0


@contextlib.contextmanager
def standing(
    lab: world.World,
    peering: columns.Peering = columns.Peering.MANAGEMENT,
    bfd: collections.abc.Mapping[str, int] = columns.BFD,
) -> collections.abc.Iterator[columns.Cluster]:
    """Four amphorae, a listener for HTTP and one for TCP, for a block."""
    listeners = [
        {**lab.listener(*wanted), "connection_limit": _CONNECTION_LIMIT}
        for wanted in (("HTTP", world.PORT), ("TCP", TCP_PORT))
    ]
    with (
        _short_drains(lab),
        columns.distributor(lab, peering, bfd) as distributor_id,
    ):
        made = lab.create(
            columns.SIZE,
            "bench-rescue",
            distributor_id=distributor_id,
            listeners=listeners,
        )
        try:
            lab.await_active(made)
            yield columns.Cluster(lab=lab, balancer=made)
        finally:
            lab.delete(made)


@contextlib.contextmanager
def _short_drains(lab: world.World) -> collections.abc.Iterator[None]:
    path = lab.plane.config_dir / "octavia-short-drains.conf"
    text = f"[anycast]\ndrain_timeout = {DRAIN_SECONDS}\n"
    deployment.write_private(path, text)
    controller.stop(lab.registry)
    controller.start(lab.plane, lab.registry, (path,))
    try:
        yield
    finally:
        controller.stop(lab.registry)
        controller.start(lab.plane, lab.registry)


def places(balancer: world.LoadBalancer) -> tuple[held.Place, ...]:
    """Where held connections go: each VIP, HTTP and TCP."""
    return tuple(
        held.Place(address=str(vip), port=port, is_tcp=port == TCP_PORT)
        for port in (world.PORT, TCP_PORT)
        for vip in balancer.vips
    )


def switch(
    lab: world.World, balancer: world.LoadBalancer, *, is_on: bool
) -> None:
    """Switch flow rescue, and wait until each amphora says so."""
    path = f"/v2/lbaas/loadbalancers/{balancer.id}/cluster"
    body = {"cluster": {"flow_rescue": is_on}}
    lab.api.request("PUT", rest.LOAD_BALANCER, path, body)
    wanted = {"on" if is_on else "off"}

    def is_switched() -> bool:
        shown = lab.api.get(rest.LOAD_BALANCER, path)["cluster"]["amphorae"]
        states = [(one["flow_rescue"] or {}).get("state") for one in shown]
        return set(states) == wanted

    process.wait_until(
        is_switched, _SWITCHED_SECONDS, f"flow rescue {wanted}", 0.5
    )
