# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Trees of load balancers at rest, kept from one look to the next.

Reading a tree is half of what a look costs, and at rest it is the same each
time. Octavia's API shows a change of anything below a load balancer in the
load balancer's own row, so one query of that row tells that the tree is as
it was (ADR 0085).

A kept tree serves to see that nothing is to be done, and for nothing else:
who finds something to do reads the tree anew. What was seen of the amphorae
is still good then, if the tree is (:func:`wants_the_same`).

Layer: controller.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from octavia_anycast.controller.ports import LoadBalancers
from octavia_anycast.model.load_balancer import LoadBalancerTree

# After that it is read again, whatever the row says.
KEEP = timedelta(minutes=5)
# Octavia's times have whole seconds, and clocks of machines differ: a row
# that changed so lately may change again and look the same.
QUIET = timedelta(seconds=10)
_AT_REST = "ACTIVE"


@dataclass(frozen=True, slots=True)
class _Kept:
    tree: LoadBalancerTree
    since: datetime


def wants_the_same(tree: LoadBalancerTree, kept: LoadBalancerTree) -> bool:
    """True if they differ in statuses at most, as reports change them."""
    statuses_of_then = replace(
        tree,
        operating_status=kept.operating_status,
        operating_statuses=kept.operating_statuses,
        updated_at=kept.updated_at,
    )
    return statuses_of_then == kept


class TreeCache:
    """Trees by load balancer; the caller holds the lock of each."""

    def __init__(self, load_balancers: LoadBalancers) -> None:
        self._load_balancers = load_balancers
        self._kept: dict[str, _Kept] = {}

    def get(
        self, load_balancer_id: str, now: datetime
    ) -> LoadBalancerTree | None:
        """The tree, if it is known not to have changed.

        At most one query.

        :raises Retryable: the database did not answer.
        """
        kept = self._kept.get(load_balancer_id)
        if kept is None:
            return None
        is_good = (
            timedelta() <= now - kept.since < KEEP
            and self._load_balancers.row_version(load_balancer_id)
            == kept.tree.row_version
        )
        if not is_good:
            self.forget(load_balancer_id)
            return None
        return kept.tree

    def keep(self, tree: LoadBalancerTree, now: datetime) -> None:
        """Keep one that was found at rest; one that is kept ages on."""
        if tree.provisioning_status != _AT_REST or tree.updated_at is None:
            return
        if now - tree.updated_at.replace(tzinfo=UTC) < QUIET:
            return
        self._kept.setdefault(tree.id, _Kept(tree, now))

    def forget(self, load_balancer_id: str) -> None:
        """Read it anew the next time."""
        self._kept.pop(load_balancer_id, None)
