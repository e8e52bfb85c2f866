# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Paths and shares: read from the routers, counted by the leaves."""

import collections.abc
import dataclasses
import time

from octavia_anycast_lab import settings
from octavia_anycast_lab.amphora import cluster
from octavia_anycast_lab.demo import context
from octavia_anycast_lab.fabric import observe, topology
from octavia_anycast_lab.traffic import (
    clients,
    flows,
    http_probe,
    traffic_record,
)

CONNECTIONS = 4000
EVEN = 1.1
PORT = 80


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Who took the connections to one VIP: name -> how many."""

    vip: settings.Address
    amphorae: collections.abc.Mapping[str, int]
    members: collections.abc.Mapping[str, int]
    answered: int
    seconds: float


def show_paths(stage: context.Stage, subject: context.Subject) -> None:
    """Each router's paths and kernel next hops, for each VIP."""
    header = ["router"]
    for vip in subject.vips:
        header += ["paths", f"to {context.prefix(vip)} by"]
    stage.screen.table(
        header,
        [
            (router, *_held(stage, subject, router))
            for router in topology.ROUTER_NAMES
        ],
    )
    named = {
        address
        for amphora in context.amphorae(stage, subject)
        for address in amphora.addresses
    }
    hops = [
        observe.announcers(stage.lab, context.prefix(vip))
        for vip in subject.vips
    ]
    stage.screen.claim(
        all(len(found) == subject.size and found <= named for found in hops),
        f"for each VIP leaf1 and leaf2 use {subject.size} next hops, each an "
        "amphora's front-end address",
    )


def show_shares(stage: context.Stage, subject: context.Subject) -> None:
    """New connections to each VIP, by amphora and by member."""
    found = [_shares_of(stage, subject, vip) for vip in subject.vips]
    for shares in found:
        stage.screen.say(
            f"{CONNECTIONS} new connections to {shares.vip} took "
            f"{shares.seconds:.1f} s"
        )
    families = [f"IPv{shares.vip.version}" for shares in found]
    stage.screen.side_by_side(
        (
            ("amphora", *(w for f in families for w in (f, "share"))),
            _rows([s.amphorae for s in found], with_share=True),
        ),
        (
            ("member", *families),
            _rows([s.members for s in found], with_share=False),
        ),
    )
    for shares in found:
        _claim_even(stage, subject, shares)


def _claim_even(
    stage: context.Stage, subject: context.Subject, shares: Shares
) -> None:
    uneven = flows.unevenness(list(shares.amphorae.values()))
    stage.screen.claim(
        shares.answered == CONNECTIONS
        and len(shares.members) == len(settings.MEMBERS)
        and len(shares.amphorae) == subject.size
        and uneven <= EVEN,
        f"IPv{shares.vip.version}: all {shares.answered} were answered, by "
        f"{len(shares.members)} members; the largest share of "
        f"{len(shares.amphorae)} is {uneven:.2f} of the mean",
    )


def _held(
    stage: context.Stage, subject: context.Subject, router: str
) -> list[object]:
    cells: list[object] = []
    for vip in subject.vips:
        prefix = context.prefix(vip)
        hops = sorted(observe.fib(stage.lab, router, prefix))
        # Between routers there are no addresses, only links (RFC 5549).
        used = ", ".join(
            gateway if interface == settings.FRONT_END_BRIDGE else interface
            for gateway, interface in hops
        )
        held = observe.paths(stage.lab, router, prefix)
        cells += [len(held), used]
    return cells


def _shares_of(
    stage: context.Stage, subject: context.Subject, vip: settings.Address
) -> Shares:
    flows.reset(stage.lab)
    target = http_probe.Target(address=str(vip), port=PORT)
    began = time.monotonic()
    records = clients.shares(stage.lab, target, CONNECTIONS)
    took = time.monotonic() - began
    summary = traffic_record.summarize(records)
    return Shares(
        vip=vip,
        amphorae=cluster.shares(
            stage.lab, context.amphorae(stage, subject), vip
        ),
        members=summary.members,
        answered=summary.ok,
        seconds=took,
    )


def _rows(
    counts: collections.abc.Sequence[collections.abc.Mapping[str, int]],
    *,
    with_share: bool,
) -> list[list[object]]:
    """Name -> its count in each column, and that in percent of the column."""
    names = list(counts[0]) + [n for n in counts[-1] if n not in counts[0]]
    rows = []
    for name in names if with_share else sorted(names):
        row: list[object] = [name]
        for column in counts:
            count = column.get(name, 0)
            row.append(count)
            if with_share:
                row.append(f"{100 * count / (sum(column.values()) or 1):.1f}%")
        rows.append(row)
    return rows
