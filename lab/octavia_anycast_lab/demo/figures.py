# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Paths and shares: read from the routers, counted by the leaves."""

import collections.abc
import time

from octavia_anycast_lab import (
    clients,
    flows,
    http_probe,
    observe,
    settings,
    traffic_record,
)
from octavia_anycast_lab.demo import cluster, context
from octavia_anycast_lab.fabric import topology

CONNECTIONS = 4000
EVEN = 1.1
PORT = 80


def show_paths(stage: context.Stage, subject: context.Subject) -> None:
    """Each router's paths and kernel next hops, for each VIP."""
    named = {
        address
        for amphora in context.amphorae(stage, subject)
        for address in amphora.addresses
    }
    for vip in subject.vips:
        text = context.prefix(vip)
        stage.screen.table(
            (text, "paths", "next hops in the kernel"),
            [_path_row(stage, router, text) for router in ROUTERS],
        )
        hops = observe.announcers(stage.lab, text)
        stage.screen.claim(
            len(hops) == subject.size and hops <= named,
            f"IPv{vip.version}: the leaves of the racks use {len(hops)} "
            "next hops, each an amphora's front-end address",
        )


def show_shares(stage: context.Stage, subject: context.Subject) -> None:
    """New connections to each VIP, by amphora and by member."""
    for vip in subject.vips:
        _shares_of(stage, subject, vip)


def _path_row(
    stage: context.Stage, router: str, prefix: str
) -> tuple[str, int, str]:
    held = observe.paths(stage.lab, router, prefix)
    hops = sorted(observe.fib(stage.lab, router, prefix))
    # Between routers there are no addresses, only links (RFC 5549).
    used = ", ".join(
        gateway if interface == settings.FRONT_END_BRIDGE else interface
        for gateway, interface in hops
    )
    return router, len(held), used


def _shares_of(
    stage: context.Stage, subject: context.Subject, vip: settings.Address
) -> None:
    flows.reset(stage.lab)
    target = http_probe.Target(address=str(vip), port=PORT)
    began = time.monotonic()
    records = clients.shares(stage.lab, target, CONNECTIONS)
    took = time.monotonic() - began
    summary = traffic_record.summarize(records)
    counted = cluster.shares(stage.lab, context.amphorae(stage, subject), vip)
    screen = stage.screen
    screen.say(f"{CONNECTIONS} new connections to {vip} in {took:.1f} s:")
    screen.side_by_side(
        (("amphora", "connections", "share"), _rows(counted)),
        (
            ("member", "connections", "share"),
            _rows(dict(sorted(summary.members.items()))),
        ),
    )
    screen.claim(
        summary.ok == CONNECTIONS and len(summary.members) == 3,
        f"all {summary.ok} were answered, by {len(summary.members)} members",
    )
    uneven = flows.unevenness(list(counted.values()))
    screen.claim(
        len(counted) == subject.size and uneven <= EVEN,
        f"{len(counted)} amphorae took them, the largest share is "
        f"{uneven:.2f} of the mean",
    )


def _rows(
    counted: collections.abc.Mapping[str, int],
) -> list[tuple[str, int, str]]:
    total = sum(counted.values()) or 1
    return [
        (name, count, f"{100 * count / total:.1f}%")
        for name, count in counted.items()
    ]


ROUTERS = topology.ROUTER_NAMES
