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

from collections.abc import Collection, Iterable
from typing import Any

from octavia.common import constants
from octavia.db import models
from oslo_log import log as logging

from octavia_anycast.model.load_balancer import (
    PENDING,
    LoadBalancerTree,
    Pending,
)
from octavia_anycast.octavia_adapter.load_balancer import object_rows
from octavia_anycast.octavia_adapter.load_balancer.data_model import (
    L7_PROTOCOLS,
)
from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    PROVIDER,
)
from octavia_anycast.octavia_adapter.load_balancer.quotas import (
    UNCOUNTED,
    ProjectUse,
)
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction

LOG = logging.getLogger(__name__)

# Who is taken first when several that belong together are deleted.
_TOP_DOWN = (
    "pools",
    "listeners",
    "l7policies",
    "l7rules",
    "healthmonitors",
    "members",
)
# No heartbeat tells of these: they are ONLINE when they are enabled, as the
# worker of Octavia's own provider writes.
_UNREPORTED = frozenset(("healthmonitors", "l7policies", "l7rules"))


class OctaviaStatuses:
    """Writes provisioning and operating statuses."""

    def settle(
        self, tree: LoadBalancerTree, waiting: Collection[str] = ()
    ) -> bool:
        """Mark the tree ACTIVE and really delete what was to go.

        :param waiting: the ids of what stays as it is: it is not in force
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
            left = [x for x in tree.pending if x.id not in waiting]
            _settle_children(session, left)
            if tree.provisioning_status == constants.PENDING_CREATE:
                _stop_unused(session, tree)
            _delete_children(session, left, use)
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

    def refuse(self, tree: LoadBalancerTree, ids: Collection[str]) -> bool:
        """Show objects below as ERROR: they are left out from now on.

        :returns: False if the load balancer changed since the snapshot.
        """
        with transaction() as session:
            row = self._lock(session, tree)
            if row is None:
                return False
            for model in object_rows.MODELS.values():
                object_rows.update(
                    session,
                    model.id,
                    ids,
                    {"provisioning_status": constants.ERROR},
                )
        return True

    def delete(self, tree: LoadBalancerTree) -> bool:
        """Remove everything below and mark the load balancer DELETED."""
        with transaction() as session:
            use = ProjectUse(session, tree.project_ids)
            row = self._lock(session, tree)
            if row is None:
                return False
            object_rows.load_balancer(session, id=tree.id)
            _remove(session, [*row.listeners, *row.pools], use)
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
            for (kind, status), identifiers in _by_status(changes).items():
                model = (
                    models.LoadBalancer
                    if kind == "loadbalancers"
                    else object_rows.MODELS[kind]
                )
                object_rows.update(
                    session,
                    model.id,
                    identifiers,
                    {"operating_status": status},
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


def _uncounted(tree: LoadBalancerTree) -> frozenset[str]:
    """The kinds of which the API may have created some without counting."""
    return UNCOUNTED & {
        pending.kind
        for pending in tree.pending
        if pending.status == constants.PENDING_CREATE
    }


def _by_status(
    changes: dict[tuple[str, str], str],
) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for (kind, identifier), status in sorted(changes.items()):
        found.setdefault((kind, status), []).append(identifier)
    return found


def _ids(
    pending: Iterable[Pending], *, is_deletion: bool
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in pending:
        if (item.status == constants.PENDING_DELETE) is is_deletion:
            found.setdefault(item.kind, []).append(item.id)
    return found


def _settle_children(session: Any, pending: Iterable[Pending]) -> None:
    """Mark what stays ACTIVE; a statement or two for a thousand of a kind."""
    for kind, identifiers in _ids(pending, is_deletion=False).items():
        if kind == "l7policies":
            _refuse_policies(session, identifiers)
        _settle_rows(session, kind, identifiers)


def _stop_unused(session: Any, tree: LoadBalancerTree) -> None:
    """Show monitors of pools that no listener has as OFFLINE.

    Octavia's worker does so where they are created with their load balancer.
    """
    object_rows.update(
        session,
        models.HealthMonitor.pool_id,
        tree.unused_pool_ids,
        {"operating_status": constants.OFFLINE},
    )


def _settle_rows(session: Any, kind: str, identifiers: list[str]) -> None:
    model = object_rows.MODELS[kind]
    is_pending = model.provisioning_status.in_(PENDING)
    settled = {"provisioning_status": constants.ACTIVE}
    if kind not in _UNREPORTED:
        object_rows.update(session, model.id, identifiers, settled, is_pending)
        return
    for is_enabled, status in (
        (True, constants.ONLINE),
        (False, constants.OFFLINE),
    ):
        object_rows.update(
            session,
            model.id,
            identifiers,
            {**settled, "operating_status": status},
            is_pending,
            model.enabled.is_(is_enabled),
        )


def _refuse_policies(session: Any, identifiers: list[str]) -> None:
    """Mark L7 policies that their listener cannot have ERROR."""
    for policy in object_rows.load(session, "l7policies", identifiers):
        protocol = policy.listener.protocol
        if protocol in L7_PROTOCOLS or (
            policy.provisioning_status not in PENDING
        ):
            continue
        policy.provisioning_status = constants.ERROR
        policy.operating_status = constants.OFFLINE
        LOG.error(
            "L7 policy %s is left out: %s protocol listeners do not support "
            "L7 policies.",
            policy.id,
            protocol,
        )
    session.flush()


def _delete_children(
    session: Any, pending: Iterable[Pending], use: ProjectUse
) -> None:
    doomed = _ids(pending, is_deletion=True)
    for kind in _TOP_DOWN:
        rows = [
            row
            for row in object_rows.load(session, kind, doomed.get(kind, ()))
            if row.provisioning_status in PENDING
        ]
        if kind == "healthmonitors":
            # As Octavia does: nobody looks after the members any more.
            object_rows.update(
                session,
                models.Member.pool_id,
                [row.pool_id for row in rows],
                {"operating_status": constants.NO_MONITOR},
            )
        _remove(session, rows, use)


def _remove(session: Any, rows: Iterable[Any], use: ProjectUse) -> None:
    doomed = list(rows)
    for kind, row in object_rows.with_all_below(doomed):
        use.removed(kind, row.project_id)
    object_rows.delete(session, doomed)
