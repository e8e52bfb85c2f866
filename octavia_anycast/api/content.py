# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Listeners, pools, members, monitors, policies and rules: Octavia's.

What HAProxy would refuse is refused with 400 and the reason. The provider
driver says so; Octavia would answer 501 (ADR 0095).
"""

from typing import Any

from octavia.api.v2.controllers import (
    health_monitor,
    l7policy,
    l7rule,
    listener,
    member,
    pool,
)
from pecan import expose

from octavia_anycast.api.exposed import explained


def _explaining(stock: Any) -> Any:
    """Octavia's controller, with its post and put exposed again."""
    again = {name: explained(getattr(stock, name)) for name in ("post", "put")}
    return type(stock.__name__, (stock,), again)


ListenersController = _explaining(listener.ListenersController)
HealthMonitorsController = _explaining(health_monitor.HealthMonitorController)
MemberController = _explaining(member.MemberController)
MembersController = _explaining(member.MembersController)
RulesController = _explaining(l7rule.L7RuleController)


class PoolsController(_explaining(pool.PoolsController)):  # type: ignore[misc]
    """``/v2/lbaas/pools``, and the members of one below it."""

    @expose()
    def _lookup(self, pool_id: str, *remainder: str) -> Any:
        found = super()._lookup(pool_id, *remainder)
        if found is None:
            return None
        stock, rest = found
        kind = (
            MembersController
            if isinstance(stock, member.MembersController)
            else MemberController
        )
        return kind(pool_id=stock.pool_id), rest


class PoliciesController(
    _explaining(l7policy.L7PolicyController)  # type: ignore[misc]
):
    """``/v2/lbaas/l7policies``, and the rules of one below it."""

    @expose()
    def _lookup(self, l7policy_id: str, *remainder: str) -> Any:
        found = super()._lookup(l7policy_id, *remainder)
        if found is None:
            return None
        stock, rest = found
        return RulesController(l7policy_id=stock.l7policy_id), rest
