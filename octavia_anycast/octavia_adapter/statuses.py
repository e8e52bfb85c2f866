# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's statuses: what a reconcile reports back into Octavia's rows.

Everything is conditional on what was read: the load balancer's row is
locked, and if its provisioning status is no longer the one of the snapshot,
somebody changed it meanwhile and nothing is written.

Octavia's DriverUpdater is not used: it opens one transaction per object,
does not count the children that a deleted pool or policy takes with it, and
knows no condition (ADR 0021).

Layer: octavia_adapter.
"""

from typing import Any

from octavia.common import constants
from octavia.db import models, repositories
from oslo_log import log as logging

from octavia_anycast.octavia_adapter.load_balancers import (
    L7_PROTOCOLS,
    PENDING,
    PROVIDER,
    LoadBalancerTree,
    Pending,
)
from octavia_anycast.octavia_adapter.quotas import UNCOUNTED, ProjectUse
from octavia_anycast.octavia_adapter.rows import transaction

LOG = logging.getLogger(__name__)

_KINDS = {
    "listeners": models.Listener,
    "pools": models.Pool,
    "members": models.Member,
    "healthmonitors": models.HealthMonitor,
    "l7policies": models.L7Policy,
    "l7rules": models.L7Rule,
}
# No heartbeat tells of these: they are ONLINE when they are enabled, as the
# worker of Octavia's own provider writes.
_UNREPORTED = frozenset(("healthmonitors", "l7policies", "l7rules"))


class OctaviaStatuses:
    """Writes provisioning and operating statuses."""

    def __init__(self) -> None:
        self._repositories = repositories.Repositories()

    def settle(self, tree: LoadBalancerTree) -> bool:
        """Mark the tree ACTIVE and really delete what was to go.

        :returns: False if the load balancer changed since the snapshot.
        """
        uncounted = _uncounted(tree)
        has_to_count = uncounted or any(
            pending.status == constants.PENDING_DELETE
            for pending in tree.pending
        )
        with transaction() as session:
            use = ProjectUse(session, tree.project_ids if has_to_count else ())
            row = self._lock(session, tree)
            if row is None:
                return False
            for pending in tree.pending:
                self._settle_child(session, pending, use)
            row.provisioning_status = constants.ACTIVE
            use.recount(uncounted, provider=PROVIDER)
        return True

    def fail(self, tree: LoadBalancerTree) -> bool:
        """Show the load balancer as ERROR; its children stay PENDING_*.

        They are settled when the work succeeds after all.
        """
        uncounted = _uncounted(tree)
        with transaction() as session:
            use = ProjectUse(session, tree.project_ids if uncounted else ())
            row = self._lock(session, tree)
            if row is None or row.provisioning_status == constants.ERROR:
                return False
            row.provisioning_status = constants.ERROR
            use.recount(uncounted, provider=PROVIDER)
        return True

    def delete(self, tree: LoadBalancerTree) -> bool:
        """Remove everything below and mark the load balancer DELETED."""
        with transaction() as session:
            use = ProjectUse(session, tree.project_ids)
            row = self._lock(session, tree)
            if row is None:
                return False
            for kind, child in _bottom_up(row):
                self._delete(session, kind, child, use)
            session.expire(row)
            row.provisioning_status = constants.DELETED
            row.operating_status = constants.OFFLINE
            use.removed("loadbalancers", tree.project_id)
            use.recount(UNCOUNTED, provider=PROVIDER)
        return True

    def set_operating(
        self, tree: LoadBalancerTree, changes: dict[tuple[str, str], str]
    ) -> None:
        """Write operating statuses: (kind, id) -> status."""
        if not changes:
            return
        with transaction() as session:
            for (kind, identifier), status in changes.items():
                model = (
                    models.LoadBalancer
                    if kind == "loadbalancers"
                    else _KINDS[kind]
                )
                session.query(model).filter_by(id=identifier).update(
                    {"operating_status": status}
                )

    @staticmethod
    def _lock(session: Any, tree: LoadBalancerTree) -> Any:
        row = (
            session.query(models.LoadBalancer)
            .populate_existing()
            .with_for_update()
            .filter_by(id=tree.id)
            .first()
        )
        if row is None or row.provisioning_status != tree.provisioning_status:
            LOG.info(
                "Load balancer %s is no longer %s; it is looked at again.",
                tree.id,
                tree.provisioning_status,
            )
            return None
        return row

    def _settle_child(
        self, session: Any, pending: Pending, use: ProjectUse
    ) -> None:
        row = session.get(_KINDS[pending.kind], pending.id)
        if row is None or row.provisioning_status not in PENDING:
            return
        if pending.status != constants.PENDING_DELETE:
            row.provisioning_status = _settled_status(pending, row)
            if pending.kind in _UNREPORTED:
                row.operating_status = _unreported_status(row)
            return
        if pending.kind == "healthmonitors":
            # As Octavia does: nobody looks after the members any more.
            for member in row.pool.members:
                member.operating_status = constants.NO_MONITOR
        for kind, child in _bottom_up_from(pending.kind, row):
            self._delete(session, kind, child, use)

    def _delete(
        self, session: Any, kind: str, row: Any, use: ProjectUse
    ) -> None:
        use.removed(kind, row.project_id)
        repository = {
            "listeners": self._repositories.listener,
            "pools": self._repositories.pool,
            "members": self._repositories.member,
            "healthmonitors": self._repositories.health_monitor,
            "l7policies": self._repositories.l7policy,
            "l7rules": self._repositories.l7rule,
        }[kind]
        if kind == "listeners":
            session.query(models.ListenerStatistics).filter_by(
                listener_id=row.id
            ).delete()
        identifier = row.id
        session.flush()
        repository.delete(session, id=identifier)
        session.expire_all()


def _uncounted(tree: LoadBalancerTree) -> frozenset[str]:
    """The kinds of which the API may have created some without counting."""
    return UNCOUNTED & {
        pending.kind
        for pending in tree.pending
        if pending.status == constants.PENDING_CREATE
    }


def _unreported_status(row: Any) -> str:
    """The operating status of what no heartbeat tells of."""
    is_online = row.enabled and row.provisioning_status == constants.ACTIVE
    return str(constants.ONLINE if is_online else constants.OFFLINE)


def _settled_status(pending: Pending, row: Any) -> str:
    """ACTIVE, but for an L7 policy that its listener cannot have."""
    if pending.kind != "l7policies" or row.listener.protocol in L7_PROTOCOLS:
        return str(constants.ACTIVE)
    LOG.error(
        "L7 policy %s is left out: %s protocol listeners do not support L7 "
        "policies.",
        row.id,
        row.listener.protocol,
    )
    return str(constants.ERROR)


def _bottom_up(load_balancer: Any) -> list[tuple[str, Any]]:
    """Each (kind, row) below the load balancer; children first."""
    found: list[tuple[str, Any]] = []
    for listener in load_balancer.listeners:
        found += _bottom_up_from("listeners", listener)
    for pool in load_balancer.pools:
        found += _bottom_up_from("pools", pool)
    return found


def _bottom_up_from(kind: str, row: Any) -> list[tuple[str, Any]]:
    """The row with those that go with it; children first."""
    found: list[tuple[str, Any]] = []
    if kind == "listeners":
        for policy in row.l7policies:
            found += _bottom_up_from("l7policies", policy)
    elif kind == "l7policies":
        found += [("l7rules", rule) for rule in row.l7rules]
    elif kind == "pools":
        found += [("members", member) for member in row.members]
        if row.health_monitor:
            found.append(("healthmonitors", row.health_monitor))
    return [*found, (kind, row)]
