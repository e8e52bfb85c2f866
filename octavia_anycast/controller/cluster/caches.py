# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is kept from one look at a load balancer to the next (ADR 0085).

Reading a tree is half the cost of a round. Octavia's API shows a change of
anything below a load balancer in the load balancer's own row, so one query of
that row tells whether the cached tree is current.

A cached tree only shows that there is nothing to do. If there is something,
the tree is read; what was observed of the amphorae stays valid if the new
tree asks for the same (:func:`wants_the_same`).

Thousands of load balancers share a few distributors, and each look needs one
with all its speakers, peers and zones. Whoever changes any of these writes
the distributor's row in the same transaction, so that row tells that the rest
is as it was.

Layer: controller.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from octavia_anycast.controller.ports import LoadBalancers
from octavia_anycast.db.distributor import distributors, lifecycle
from octavia_anycast.db.passwords import Cipher
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import NotFound, Permanent
from octavia_anycast.model.load_balancer import LoadBalancerTree

# After that it is read again, whatever the row says. Several times what one
# rests: else each second look would read it.
KEEP = timedelta(minutes=15)
# Octavia's times have whole seconds, and clocks of machines differ: a row
# that changed so lately may change again and look the same.
QUIET = timedelta(seconds=10)
_AT_REST = "ACTIVE"


def wants_the_same(tree: LoadBalancerTree, kept: LoadBalancerTree) -> bool:
    """Whether the two differ in nothing but statuses that reports write."""
    statuses_of_then = replace(
        tree,
        operating_status=kept.operating_status,
        operating_statuses=kept.operating_statuses,
        updated_at=kept.updated_at,
    )
    return statuses_of_then == kept


class TreeCache:
    """load_balancer_id -> tree; the caller holds the lock of each."""

    def __init__(self, load_balancers: LoadBalancers) -> None:
        self._load_balancers = load_balancers
        # load_balancer_id -> tree, and since when it is kept
        self._kept: dict[str, tuple[LoadBalancerTree, datetime]] = {}

    def get(
        self, load_balancer_id: str, now: datetime
    ) -> LoadBalancerTree | None:
        """Return the tree if it has not changed; at most one query.

        :raises Retryable: the database did not answer.
        """
        kept = self._kept.get(load_balancer_id)
        if kept is None:
            return None
        tree, since = kept
        is_good = (
            timedelta() <= now - since < KEEP
            and self._load_balancers.row_version(load_balancer_id)
            == tree.row_version
        )
        if not is_good:
            self.forget(load_balancer_id)
            return None
        return tree

    def keep(self, tree: LoadBalancerTree, now: datetime) -> None:
        """Keep a tree at rest; a second call does not make it younger."""
        if tree.provisioning_status != _AT_REST or tree.updated_at is None:
            return
        if now - tree.updated_at.replace(tzinfo=UTC) < QUIET:
            return
        self._kept.setdefault(tree.id, (tree, now))

    def forget(self, load_balancer_id: str) -> None:
        """Have the tree read the next time."""
        self._kept.pop(load_balancer_id, None)


class DistributorCache:
    """Distributors by id; safe for several threads."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self._kept: dict[str, tuple[distributors.RowVersion, Distributor]] = {}

    def get(self, session: Any, distributor_id: str) -> Distributor | None:
        """One as it is now; None if there is none. One query if unchanged.

        Row and content are of one transaction; while it is in PENDING_* it
        is not kept.
        """
        version = distributors.row_version(session, distributor_id)
        kept = self._kept.get(distributor_id)
        if kept is not None and kept[0] == version:
            return kept[1]
        self._kept.pop(distributor_id, None)
        found = distributors.get(session, distributor_id, self._cipher)
        if (
            version is not None
            and found is not None
            and version.provisioning_status == lifecycle.ACTIVE
        ):
            self._kept[distributor_id] = version, found
        return found


def needed(
    read: Callable[[], Distributor | None],
    distributor_id: str,
    *,
    is_going: bool,
) -> Distributor:
    """What is read; a bare one, if only a deletion is left to be done.

    :raises Permanent: there is none, or it cannot be read.
    """
    try:
        found = read()
        if found is None:
            raise NotFound("Distributor", distributor_id)
    except Permanent:
        if not is_going:
            raise
        return Distributor(id=distributor_id)
    return found
