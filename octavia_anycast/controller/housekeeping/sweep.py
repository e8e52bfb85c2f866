# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The sweep: removes what has lost its load balancer or amphora.

Octavia's API calls the provider driver inside a transaction that may still
roll back, and a controller may die between two steps; a database may be
restored from yesterday. What is then left without its load balancer or
amphora is removed after ``orphan_after``.

A VIP port, a security group or a port of an amphora that somebody deleted is
made again, a port of an amphora with a new amphora. Two sweeps in a row have
to miss it, because what is just being made is missing, too.

Layer: controller. What is an orphan is decided in planning/housekeeping.py.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from oslo_log import log as logging

from octavia_anycast.controller.amphora.tasks import delete_amphora
from octavia_anycast.controller.ports import World
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.registration import registrations
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.errors import AnycastError, NotFound, Retryable
from octavia_anycast.model.housekeeping import (
    AnnouncedPath,
    Finding,
    Inventory,
    Orphan,
    OrphanKind,
    Outcome,
)
from octavia_anycast.model.wire import Report
from octavia_anycast.planning import housekeeping
from octavia_anycast.planning.housekeeping import Loss

LOG = logging.getLogger(__name__)
LOST_AFTER_SIGHTS = 2
Reconcile = Callable[[str], object]


def take_inventory(world: World) -> Inventory:
    """Look at all that could be orphaned; a constant number of calls.

    The things come first, the rows after them: a row is written before its
    thing is made, so a thing that is in the list has its row in the
    inventory, however young both are.

    :raises Retryable: a service did not answer.
    """
    servers = world.compute.list_servers()
    ports = world.network.list_ports()
    groups = world.network.list_security_groups()
    with world.database.transaction() as session:
        our_clusters = clusters.list_all(session)
        records = amphorae.list_known(session)
        found = reports.list_all(session)
        external = registrations.list_external_vips(session)
    return Inventory(
        clusters=tuple(our_clusters),
        amphorae=tuple(records),
        # Octavia's last: our cluster's row is there before Octavia's.
        octavia=world.load_balancers.census(),
        servers=servers,
        ports=ports,
        security_groups=groups,
        paths=tuple(
            path
            for amphora_id, report in sorted(found.items())
            for path in _paths(amphora_id, report)
        ),
        external_vips={i: frozenset(vips) for i, vips in external.items()},
    )


def _paths(amphora_id: str, report: Report) -> list[AnnouncedPath]:
    """What it announces to anybody, each address once."""
    return [
        AnnouncedPath(amphora_id=amphora_id, vip_ip=address)
        for address in sorted(
            report.announced(), key=lambda a: (a.version, int(a))
        )
    ]


@dataclass(slots=True)
class Sweep:
    """Finds orphans and removes them.

    ``reconcile`` brings a load balancer that lives to what it should be:
    the cure for a path of its amphorae that is not one of its VIPs. None: the
    controller that looks after it is asked to, which may be another one.
    """

    world: World
    reconcile: Reconcile | None = None
    _first_seen: dict[tuple[str, str], datetime] = field(default_factory=dict)
    # Loss -> in how many sweeps in a row it was seen.
    _losses: dict[Loss, int] = field(default_factory=dict)

    def find(self) -> tuple[Finding, ...]:
        """Find orphans, without touching anything.

        The age of one without a time counts from when this object saw it
        first.

        :raises Retryable: a service did not answer.
        """
        return self._find(take_inventory(self.world))

    def _find(self, taken: Inventory) -> tuple[Finding, ...]:
        now = self.world.now()
        limit = now - timedelta(seconds=self.world.settings.orphan_after)
        found = housekeeping.find(taken)
        return tuple(_judge(orphan, limit) for orphan in self._dated(found))

    def run(self) -> tuple[Finding, ...]:
        """Remove those that are old enough; return all, with outcomes.

        :raises Retryable: a service did not answer.
        """
        taken = take_inventory(self.world)
        self._make_good(housekeeping.find_losses(taken))
        return tuple(
            self._remove(finding)
            if finding.outcome is Outcome.FOUND
            else finding
            for finding in self._find(taken)
        )

    def _make_good(self, found: tuple[Loss, ...]) -> None:
        """Request that lost things are made again; once for each loss."""
        self._losses = {loss: self._losses.get(loss, 0) + 1 for loss in found}
        for loss, sights in self._losses.items():
            if sights != LOST_AFTER_SIGHTS:
                continue
            LOG.warning(
                "%s of load balancer %s lost %s: somebody deleted it.",
                f"Amphora {loss.amphora_id}" if loss.amphora_id else "VIP",
                loss.load_balancer_id,
                loss.what,
            )
            with (
                contextlib.suppress(NotFound),  # it was deleted meanwhile
                self.world.database.transaction() as session,
            ):
                if loss.amphora_id:
                    amphorae.update(
                        session, loss.amphora_id, failover_wanted=True
                    )
                else:
                    clusters.update(
                        session,
                        loss.load_balancer_id,
                        config_revision="",
                        changed_at=self.world.now(),
                    )

    def _dated(self, found: tuple[Orphan, ...]) -> list[Orphan]:
        now = self.world.now()
        keys = {orphan.key for orphan in found}
        for key in set(self._first_seen) - keys:
            del self._first_seen[key]
        return [
            orphan
            if orphan.since is not None
            else replace(
                orphan, since=self._first_seen.setdefault(orphan.key, now)
            )
            for orphan in found
        ]

    def _remove(self, finding: Finding) -> Finding:
        orphan = finding.orphan
        what = f"{orphan.kind} {orphan.id}"
        try:
            _REMOVERS[orphan.kind](self, orphan)
        except AnycastError as e:
            LOG.warning("The orphaned %s is still there: %s", what, e)
            return replace(finding, outcome=Outcome.FAILED, detail=str(e))
        LOG.info("The orphaned %s was removed: %s.", what, orphan.reason)
        return replace(finding, outcome=Outcome.DONE)


def _judge(orphan: Orphan, limit: datetime) -> Finding:
    if not orphan.is_ours:
        return Finding(orphan=orphan, outcome=Outcome.FOREIGN)
    is_old = orphan.since is not None and orphan.since < limit
    return Finding(
        orphan=orphan, outcome=Outcome.FOUND if is_old else Outcome.YOUNG
    )


def _remove_amphora(sweep: Sweep, orphan: Orphan) -> None:
    with sweep.world.database.transaction() as session:
        record = amphorae.get(session, orphan.id)
    if record is not None and record.status is not AmphoraStatus.DELETED:
        delete_amphora(sweep.world, record)


def _remove_server(sweep: Sweep, orphan: Orphan) -> None:
    sweep.world.compute.delete(str(orphan.amphora_id), orphan.id)


def _remove_port(sweep: Sweep, orphan: Orphan) -> None:
    sweep.world.network.delete_port(orphan.id)


def _remove_group(sweep: Sweep, orphan: Orphan) -> None:
    sweep.world.network.delete_security_group(orphan.id)


def _remove_cluster(sweep: Sweep, orphan: Orphan) -> None:
    world = sweep.world
    with world.database.transaction() as session:
        left = amphorae.list_for(session, orphan.id)
    if left:
        raise Retryable(f"{len(left)} of its amphorae are still there")
    world.network.remove_vip_of(orphan.id)
    with world.database.transaction() as session:
        amphorae.purge_of(session, orphan.id)
        clusters.delete(session, orphan.id)


def _remove_path(sweep: Sweep, orphan: Orphan) -> None:
    """Have the agent told its state again, unless the amphora is deleted."""
    with sweep.world.database.transaction() as session:
        record = amphorae.get(session, str(orphan.amphora_id))
    if record is None or record.status is AmphoraStatus.DELETED:
        return
    if record.load_balancer_id is None:
        return
    if sweep.reconcile is not None:
        sweep.reconcile(record.load_balancer_id)
        return
    with (
        contextlib.suppress(NotFound),
        sweep.world.database.transaction() as session,
    ):
        clusters.update(
            session, record.load_balancer_id, changed_at=sweep.world.now()
        )


_REMOVERS: dict[OrphanKind, Callable[[Sweep, Orphan], None]] = {
    OrphanKind.AMPHORA: _remove_amphora,
    OrphanKind.SERVER: _remove_server,
    OrphanKind.PORT: _remove_port,
    OrphanKind.SECURITY_GROUP: _remove_group,
    OrphanKind.CLUSTER: _remove_cluster,
    OrphanKind.PATH: _remove_path,
}
