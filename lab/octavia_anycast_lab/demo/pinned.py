# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A load balancer whose front-end network the tenant has chosen."""

import collections.abc
import ipaddress
import typing

from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import cluster
from octavia_anycast_lab.api import rest, seed
from octavia_anycast_lab.cloud import survey
from octavia_anycast_lab.demo import context, figures
from octavia_anycast_lab.fabric import observe
from octavia_anycast_lab.host import process
from octavia_anycast_lab.traffic import fetch

NAME = "demo-rack2"
SIZE = 2
LEAF = settings.RACK_LEAVES[-1]
_PATH = "/v2/lbaas/loadbalancers"
_ANNOUNCED_SECONDS = 30.0
_UNAVAILABLE = 503


def show(
    stage: context.Stage,
    await_active: collections.abc.Callable[[str], dict[str, typing.Any]],
) -> None:
    """Make it, see where it is, delete it."""
    screen = stage.screen
    screen.act("a load balancer with a front-end network of its own choice")
    before = survey.take(stage.plane, stage.admin)
    network = seed.front_end_network(str(LEAF.rack))
    with screen.progress.step(f"load balancer of {SIZE} amphorae ACTIVE"):
        stage.client.run(
            *("loadbalancer", "create", "--name", NAME),
            *("--flavor", f"cluster-{SIZE}", "--vip-subnet-id", "anycast-v4"),
            *("--frontend-network-id", network),
            *("--frontend-subnet-id", f"{network}-v4"),
        )
        await_active(NAME)
        _listen(stage, await_active(NAME)["id"])
        found = await_active(NAME)
    subject = context.Subject(
        id=found["id"],
        name=NAME,
        vips=(ipaddress.ip_address(found["vip_address"]),),
        size=SIZE,
        before=before,
    )
    with screen.progress.step("both announce its VIP"):
        context.await_announced(stage, subject)
    _check(stage, subject, found)


def _listen(stage: context.Stage, load_balancer_id: str) -> None:
    """A listener without a pool: HAProxy itself answers 503."""
    listener = {
        "name": "pinned",
        "loadbalancer_id": load_balancer_id,
        "protocol": "HTTP",
        "protocol_port": figures.PORT,
    }
    stage.tenant.request(
        "POST",
        rest.LOAD_BALANCER,
        "/v2/lbaas/listeners",
        {"listener": listener},
    )


def _check(
    stage: context.Stage,
    subject: context.Subject,
    found: dict[str, typing.Any],
) -> None:
    """The API, the hypervisor and the leaves say the same."""
    amphorae = context.amphorae(stage, subject)
    stage.screen.table(
        ("amphora", "rack", "front-end IPv4", "front-end IPv6"),
        [(a.label, a.rack, a.address(4), a.address(6)) for a in amphorae],
    )
    (vip,) = subject.vips
    prefix = context.prefix(vip)
    routers = {
        path.router for path in observe.amphora_paths(stage.lab, prefix)
    }
    stage.screen.claim(
        _are_pinned(amphorae) and routers == {LEAF.name},
        f"all of it is in {LEAF.rack}; {LEAF.name} alone hears of {prefix} "
        "by amphorae",
    )
    network = stage.tenant.get(
        rest.NETWORK, f"/v2.0/networks/{found['frontend_network_id']}"
    )["network"]
    stage.screen.claim(
        network["name"] == seed.front_end_network(str(LEAF.rack)),
        f"the load balancer shows {network['name']} as its front-end network",
    )
    process.wait_until(
        lambda: (
            fetch.fetch(stage.lab, vip, figures.PORT, "/").status
            == _UNAVAILABLE
        ),
        _ANNOUNCED_SECONDS,
        "an answer of HAProxy",
    )
    stage.screen.say(
        "(it answers 503, as HAProxy does: it was given no members)"
    )


def _are_pinned(amphorae: tuple[cluster.Amphora, ...]) -> bool:
    subnets = (LEAF.gateway_v4.network, LEAF.gateway_v6.network)
    return len(amphorae) == SIZE and all(
        a.rack == LEAF.rack
        and a.addresses
        and all(any(x in subnet for subnet in subnets) for x in a.addresses)
        for a in amphorae
    )
