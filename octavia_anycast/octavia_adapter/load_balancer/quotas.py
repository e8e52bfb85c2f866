# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a project uses of its quotas, counted from the rows that exist.

Octavia's API counts up when it creates, under a lock of the project's quotas
row. It does not count the L7 policies and rules of a load balancer that is
created with them in one request. Subtracting for each deleted row would
therefore let the recorded use sink below what exists (ADR 0026).

Layer: octavia_adapter.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from octavia.common import constants
from octavia.db import models

# kind -> (row, column of the quotas row)
_COUNTED: dict[str, tuple[Any, str]] = {
    "loadbalancers": (models.LoadBalancer, "in_use_load_balancer"),
    "listeners": (models.Listener, "in_use_listener"),
    "pools": (models.Pool, "in_use_pool"),
    "members": (models.Member, "in_use_member"),
    "healthmonitors": (models.HealthMonitor, "in_use_health_monitor"),
    "l7policies": (models.L7Policy, "in_use_l7policy"),
    "l7rules": (models.L7Rule, "in_use_l7rule"),
}
# The kinds that Octavia's API does not count when it creates them together
# with their load balancer.
UNCOUNTED = frozenset(("l7policies", "l7rules"))


class ProjectUse:
    """The locked quotas rows of some projects, in one transaction.

    It has to be made before the transaction reads anything: MariaDB then
    takes its snapshot after the lock, so that what a create has committed
    before is counted. The API locks in the same order: quotas row first,
    load balancer second.
    """

    def __init__(self, session: Any, project_ids: Iterable[str]) -> None:
        self._session = session
        self._removed: Counter[tuple[str, str]] = Counter()
        wanted = sorted(set(project_ids))
        self._rows = _locked(session, wanted) if wanted else []

    def removed(self, kind: str, project_id: str) -> None:
        """Note that a row was removed in this transaction."""
        self._removed[project_id, kind] += 1

    def recount(self, kinds: Collection[str], *, provider: str) -> None:
        """Write the use of these kinds and of every kind that was removed.

        Where another provider has load balancers in the project, its worker
        subtracts by itself, some time after it deleted a row. There the
        recorded use is lowered by what was removed here only, and never
        below what exists.
        """
        self._session.flush()
        for row in self._rows:
            wanted = {
                kind
                for (project_id, kind) in self._removed
                if project_id == row.project_id
            } | set(kinds)
            is_shared = bool(wanted) and self._is_shared(row, provider)
            for kind in sorted(wanted):
                self._write(row, kind, is_shared=is_shared)

    def _write(self, row: Any, kind: str, *, is_shared: bool) -> None:
        model, column = _COUNTED[kind]
        existing = (
            self._session.query(model.id)
            .filter(model.project_id == row.project_id)
            .filter(model.provisioning_status != constants.DELETED)
            .count()
        )
        left = (getattr(row, column) or 0) - self._removed[
            row.project_id, kind
        ]
        setattr(row, column, max(left, existing) if is_shared else existing)

    def _is_shared(self, row: Any, provider: str) -> bool:
        model = models.LoadBalancer
        return (
            self._session.query(model.id)
            .filter(model.project_id == row.project_id)
            .filter(model.provider != provider)
            .first()
            is not None
        )


def _locked(session: Any, project_ids: list[str]) -> list[Any]:
    rows = (
        session.query(models.Quotas)
        .filter(models.Quotas.project_id.in_(project_ids))
        .order_by(models.Quotas.project_id)
        .populate_existing()
        .with_for_update()
    )
    return list(rows)
