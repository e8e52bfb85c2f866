# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Losses: what of a load balancer's ports and groups somebody else deleted.

Layer: planning. Pure. The counterpart of orphans: rows without their things.
Where nothing of a kind is listed at all, nobody can tell: the network driver
may not be able to list.
"""

from collections import Counter
from dataclasses import dataclass

from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.housekeeping import Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A thing that is gone: of an amphora, or of the load balancer."""

    load_balancer_id: str
    what: str
    amphora_id: str = ""


def find(inventory: Inventory) -> tuple[Loss, ...]:
    """Everything that its rows know and that is not there."""
    return (*_of_load_balancers(inventory), *_of_amphorae(inventory))


def _of_load_balancers(inventory: Inventory) -> list[Loss]:
    vip_ports = {p.load_balancer_id for p in inventory.ports}
    groups = {g.load_balancer_id for g in inventory.security_groups}
    live = inventory.octavia.live
    prepared = sorted(
        c.load_balancer_id
        for c in inventory.clusters
        if c.config_revision and c.load_balancer_id in live
    )
    lost = [
        Loss(load_balancer_id=i, what="its VIP port")
        for i in prepared
        if i in inventory.octavia.with_own_vip_port and i not in vip_ports
    ]
    if inventory.ports:
        return lost + [
            Loss(load_balancer_id=i, what="its security group")
            for i in prepared
            if i not in groups
        ]
    return []


def _of_amphorae(inventory: Inventory) -> list[Loss]:
    count = Counter(p.amphora_id for p in inventory.ports if p.amphora_id)
    if not count:
        return []
    return [
        Loss(
            load_balancer_id=record.load_balancer_id or "",
            amphora_id=record.id,
            what="one of its ports",
        )
        for record in inventory.amphorae
        if _is_whole(record) and count[record.id] < _expected(record)
    ]


def _is_whole(record: AmphoraRecord) -> bool:
    """Whether it serves a load balancer and is to have all of its ports."""
    return (
        record.status is AmphoraStatus.ALLOCATED
        and record.load_balancer_id is not None
        and record.frontend_port_id is not None
        and record.leaving_since is None
        and not record.failover_wanted
    )


def _expected(record: AmphoraRecord) -> int:
    """The front end's, and one in each network of members."""
    return 1 + len(record.member_network_ids)
