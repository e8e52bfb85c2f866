# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Orphans: what of an inventory belongs to nothing any more.

Layer: planning. Pure. Stock Octavia gives its servers, VIP ports and
security groups the very names that ours have, so nothing is an orphan by
its name alone. It has to be claimed first:

* by a row of ours: an amphora (a DELETED one too) or a cluster,
* by a row of Octavia that says our provider, DELETED or not,
* or by a name that only we give, as those of front-end ports.

What is claimed and has lost its owner is an orphan. A server that nobody at
all knows is reported, and that is all.

The counterpart are losses: rows whose things somebody else deleted.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from octavia_anycast.model.cluster import AmphoraRecord, AmphoraStatus
from octavia_anycast.model.housekeeping import (
    AnnouncedPath,
    Inventory,
    Orphan,
    OrphanKind,
    Seen,
)


def find(inventory: Inventory) -> tuple[Orphan, ...]:
    """Everything that belongs to nothing, in the order of its removal."""
    claims = _Claims(inventory)
    return (
        *_amphorae(inventory),
        *_servers(inventory, claims),
        *_ports(inventory, claims),
        *_security_groups(inventory, claims),
        *_clusters(inventory),
        *_paths(inventory, claims),
    )


class _Claims:
    """Who is known by which rows."""

    def __init__(self, inventory: Inventory) -> None:
        self.amphorae = {record.id: record for record in inventory.amphorae}
        self.live = inventory.octavia.live
        self.load_balancers = (
            self.live
            | inventory.octavia.deleted
            | {c.load_balancer_id for c in inventory.clusters}
            | {
                record.load_balancer_id
                for record in inventory.amphorae
                if record.load_balancer_id
            }
        )
        self.with_server = {s.amphora_id for s in inventory.servers}
        self.by_our_ports = {
            port.amphora_id
            for port in inventory.ports
            if port.is_named_by_us and port.amphora_id
        }

    def deleted(self, amphora_id: str | None) -> AmphoraRecord | None:
        """The DELETED record of an amphora, if that is what it has."""
        record = self.amphorae.get(amphora_id or "")
        if record is None or record.status is not AmphoraStatus.DELETED:
            return None
        return record

    def has_lost(self, load_balancer_id: str | None) -> bool:
        """Whether it was ours, and is gone."""
        return (
            load_balancer_id in self.load_balancers
            and load_balancer_id not in self.live
        )


def _amphorae(inventory: Inventory) -> Iterator[Orphan]:
    """Amphorae whose load balancer is gone; one without any is dedicated."""
    for record in inventory.amphorae:
        if record.status is AmphoraStatus.DELETED:
            continue
        owner = record.load_balancer_id
        if owner is None or owner in inventory.octavia.live:
            continue
        yield Orphan(
            kind=OrphanKind.AMPHORA,
            id=record.id,
            reason="its load balancer is gone",
            since=record.status_since,
            amphora_id=record.id,
            load_balancer_id=owner,
        )


def _servers(inventory: Inventory, claims: _Claims) -> Iterator[Orphan]:
    for server in inventory.servers:
        if server.amphora_id in inventory.octavia.stock_amphorae:
            continue
        record = claims.amphorae.get(server.amphora_id or "")
        if record is None:
            yield _unrecorded(server, claims)
        elif record.status is AmphoraStatus.DELETED:
            yield _seen(
                OrphanKind.SERVER,
                server,
                "its amphora is deleted",
                record.status_since,
            )
        elif record.compute_id not in (None, server.id):
            yield _seen(
                OrphanKind.SERVER,
                server,
                f"its amphora has server {record.compute_id}",
                record.status_since,
            )


def _unrecorded(server: Seen, claims: _Claims) -> Orphan:
    is_ours = server.amphora_id in claims.by_our_ports
    return Orphan(
        kind=OrphanKind.SERVER,
        id=server.id,
        reason="its amphora has no record"
        if is_ours
        else "no record of ours or Octavia's names it",
        since=server.created_at,
        amphora_id=server.amphora_id,
        is_ours=is_ours,
    )


def _ports(inventory: Inventory, claims: _Claims) -> Iterator[Orphan]:
    for port in inventory.ports:
        if port.load_balancer_id is not None:
            if claims.has_lost(port.load_balancer_id):
                yield _seen(
                    OrphanKind.PORT, port, "its load balancer is gone", None
                )
            continue
        deleted = claims.deleted(port.amphora_id)
        if deleted is not None:
            yield _seen(
                OrphanKind.PORT,
                port,
                "its amphora is deleted",
                deleted.status_since,
            )
        elif _is_unclaimed(port, claims):
            yield _seen(
                OrphanKind.PORT, port, "its amphora has no record", None
            )


def _is_unclaimed(port: Seen, claims: _Claims) -> bool:
    """Whether a port of ours has no record, and is no server's only claim.

    The server goes first: without the port nobody could tell whose it is.
    """
    return (
        port.is_named_by_us
        and port.amphora_id not in claims.amphorae
        and port.amphora_id not in claims.with_server
    )


def _security_groups(
    inventory: Inventory, claims: _Claims
) -> Iterator[Orphan]:
    for group in inventory.security_groups:
        if claims.has_lost(group.load_balancer_id):
            yield _seen(
                OrphanKind.SECURITY_GROUP,
                group,
                "its load balancer is gone",
                None,
            )


def _clusters(inventory: Inventory) -> Iterator[Orphan]:
    for cluster in inventory.clusters:
        if cluster.load_balancer_id not in inventory.octavia.live:
            yield Orphan(
                kind=OrphanKind.CLUSTER,
                id=cluster.load_balancer_id,
                reason="its load balancer is gone",
                since=cluster.created_at,
                load_balancer_id=cluster.load_balancer_id,
            )


def _paths(inventory: Inventory, claims: _Claims) -> Iterator[Orphan]:
    for path in inventory.paths:
        record = claims.amphorae.get(path.amphora_id)
        reason = _foreign(path, record, inventory)
        if reason:
            yield Orphan(
                kind=OrphanKind.PATH,
                id=path.id,
                reason=reason,
                since=None,
                amphora_id=path.amphora_id,
                load_balancer_id=record.load_balancer_id if record else None,
            )


def _foreign(
    path: AnnouncedPath, record: AmphoraRecord | None, inventory: Inventory
) -> str:
    """Why this path should not be; empty if it should."""
    if path.vip_ip in inventory.external_vips.get(path.amphora_id, ()):
        return ""
    if record is None or record.status is AmphoraStatus.DELETED:
        return "its amphora is deleted"
    if record.load_balancer_id is None:
        return ""
    if record.load_balancer_id not in inventory.octavia.live:
        return "its load balancer is gone"
    if path.vip_ip in inventory.octavia.vips.get(record.load_balancer_id, ()):
        return ""
    return "it is no VIP of its load balancer"


def _seen(
    kind: OrphanKind, seen: Seen, reason: str, ownerless: datetime | None
) -> Orphan:
    """An orphan since it exists and has no owner, whichever came later."""
    since = seen.created_at
    if since is not None and ownerless is not None:
        since = max(since, ownerless)
    return Orphan(
        kind=kind,
        id=seen.id,
        reason=reason,
        since=since,
        amphora_id=seen.amphora_id,
        load_balancer_id=seen.load_balancer_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A thing that is gone: of an amphora, or of the load balancer."""

    load_balancer_id: str
    what: str
    amphora_id: str = ""


def find_losses(inventory: Inventory) -> tuple[Loss, ...]:
    """Everything that its rows know and that is not there.

    Where nothing of a kind is listed at all, nobody can tell: the network
    driver may not be able to list.
    """
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
