# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The sweep: what belongs to nothing any more.

Octavia's API calls the provider driver inside a transaction that may still
roll back, and a controller may die between two steps; what is then left
without its load balancer or amphora is removed after ``orphan_after``.

Layer: controller.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from oslo_log import log as logging

from octavia_anycast.controller.ports import World
from octavia_anycast.controller.tasks import delete_amphora
from octavia_anycast.db import amphorae, clusters
from octavia_anycast.model.cluster import AmphoraRecord
from octavia_anycast.model.errors import AnycastError

LOG = logging.getLogger(__name__)
PURGE_AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """What belongs to nothing: ids."""

    clusters: tuple[str, ...] = ()
    amphorae: tuple[AmphoraRecord, ...] = ()
    ports: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.clusters or self.amphorae or self.ports)


@dataclass(slots=True)
class Sweep:
    """Finds orphans and removes them."""

    world: World
    _ports_seen: dict[str, datetime] = field(default_factory=dict)

    def find(self) -> Orphans:
        """Find them, without touching anything.

        A port counts once it was seen for ``orphan_after`` without amphora.

        :raises Retryable: a service did not answer.
        """
        now = self.world.now()
        # Our rows first: a load balancer made in between is not missed.
        with self.world.database.transaction() as session:
            our_clusters = clusters.list_all(session)
            our_amphorae = amphorae.list_all(session)
        load_balancers = self.world.load_balancers.all_statuses()
        limit = now - timedelta(seconds=self.world.settings.orphan_after)
        return Orphans(
            clusters=tuple(
                cluster.load_balancer_id
                for cluster in our_clusters
                if cluster.load_balancer_id not in load_balancers
                and (cluster.created_at is None or cluster.created_at < limit)
            ),
            amphorae=tuple(
                record
                for record in our_amphorae
                if record.load_balancer_id not in load_balancers
                and record.status_since < limit
            ),
            ports=self._orphan_ports({r.id for r in our_amphorae}, now),
        )

    def run(self) -> Orphans:
        """Remove them; returns what was found.

        :raises Retryable: a service did not answer.
        """
        orphans = self.find()
        for record in orphans.amphorae:
            self._attempt(f"amphora {record.id}", delete_amphora, record)
        for port_id in orphans.ports:
            self._attempt(f"port {port_id}", _delete_port, port_id)
        for load_balancer_id in orphans.clusters:
            self._attempt(
                f"cluster {load_balancer_id}",
                _delete_cluster,
                load_balancer_id,
            )
        with self.world.database.transaction() as session:
            amphorae.purge(session, self.world.now() - PURGE_AFTER)
        return orphans

    def _orphan_ports(
        self, amphora_ids: set[str], now: datetime
    ) -> tuple[str, ...]:
        owned = self.world.network.owned_ports()
        ownerless = {
            p for p, owner in owned.items() if owner not in amphora_ids
        }
        for port_id in set(self._ports_seen) - ownerless:
            del self._ports_seen[port_id]
        for port_id in ownerless:
            self._ports_seen.setdefault(port_id, now)
        limit = now - timedelta(seconds=self.world.settings.orphan_after)
        return tuple(
            sorted(
                p for p, since in self._ports_seen.items() if since <= limit
            )
        )

    def _attempt(self, what: str, remove: object, subject: object) -> None:
        try:
            remove(self.world, subject)  # type: ignore[operator]
        except AnycastError as e:
            LOG.warning("The orphaned %s is still there: %s", what, e)
        else:
            LOG.info("The orphaned %s was removed.", what)


def _delete_port(world: World, port_id: str) -> None:
    world.network.delete_port(port_id)


def _delete_cluster(world: World, load_balancer_id: str) -> None:
    world.network.remove_vip_of(load_balancer_id)
    with world.database.transaction() as session:
        amphorae.purge_of(session, load_balancer_id)
        clusters.delete(session, load_balancer_id)
