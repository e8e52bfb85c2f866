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

from octavia.common import constants, data_models
from octavia.db import models, repositories
from oslo_log import log as logging

from octavia_anycast.octavia_adapter.load_balancers import (
    L7_PROTOCOLS,
    PENDING,
    LoadBalancerTree,
    Pending,
)
from octavia_anycast.octavia_adapter.rows import transaction

LOG = logging.getLogger(__name__)

# kind -> (row, what its quota is counted by)
_KINDS = {
    "listeners": (models.Listener, data_models.Listener),
    "pools": (models.Pool, data_models.Pool),
    "members": (models.Member, data_models.Member),
    "healthmonitors": (models.HealthMonitor, data_models.HealthMonitor),
    "l7policies": (models.L7Policy, data_models.L7Policy),
    "l7rules": (models.L7Rule, data_models.L7Rule),
}


class OctaviaStatuses:
    """Writes provisioning and operating statuses."""

    def __init__(self) -> None:
        self._repositories = repositories.Repositories()

    def settle(self, tree: LoadBalancerTree) -> bool:
        """Mark the tree ACTIVE and really delete what was to go.

        :returns: False if the load balancer changed since the snapshot.
        """
        with transaction() as session:
            row = self._lock(session, tree)
            if row is None:
                return False
            for pending in tree.pending:
                self._settle_child(session, pending)
            row.provisioning_status = constants.ACTIVE
        return True

    def fail(self, tree: LoadBalancerTree) -> bool:
        """Show the load balancer as ERROR; its children stay PENDING_*.

        They are settled when the work succeeds after all.
        """
        with transaction() as session:
            row = self._lock(session, tree)
            if row is None or row.provisioning_status == constants.ERROR:
                return False
            row.provisioning_status = constants.ERROR
        return True

    def delete(self, tree: LoadBalancerTree) -> bool:
        """Remove everything below and mark the load balancer DELETED."""
        with transaction() as session:
            row = self._lock(session, tree)
            if row is None:
                return False
            for kind, child in _bottom_up(row):
                self._delete(session, kind, child)
            session.expire(row)
            row.provisioning_status = constants.DELETED
            row.operating_status = constants.OFFLINE
            self._repositories.decrement_quota(
                session, data_models.LoadBalancer, tree.project_id
            )
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
                    else _KINDS[kind][0]
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

    def _settle_child(self, session: Any, pending: Pending) -> None:
        model, _ = _KINDS[pending.kind]
        row = session.get(model, pending.id)
        if row is None or row.provisioning_status not in PENDING:
            return
        if pending.status != constants.PENDING_DELETE:
            row.provisioning_status = _settled_status(pending, row)
            return
        if pending.kind == "healthmonitors":
            # As Octavia does: nobody looks after the members any more.
            for member in row.pool.members:
                member.operating_status = constants.NO_MONITOR
        for kind, child in _bottom_up_from(pending.kind, row):
            self._delete(session, kind, child)

    def _delete(self, session: Any, kind: str, row: Any) -> None:
        _, counted_as = _KINDS[kind]
        project_id = row.project_id
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
        self._repositories.decrement_quota(session, counted_as, project_id)


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
