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


class ListenersController(listener.ListenersController):
    """``/v2/lbaas/listeners``."""

    post = explained(listener.ListenersController.post)
    put = explained(listener.ListenersController.put)


class HealthMonitorsController(health_monitor.HealthMonitorController):
    """``/v2/lbaas/healthmonitors``."""

    post = explained(health_monitor.HealthMonitorController.post)
    put = explained(health_monitor.HealthMonitorController.put)


class MemberController(member.MemberController):
    """``/v2/lbaas/pools/ID/members/ID``."""

    post = explained(member.MemberController.post)
    put = explained(member.MemberController.put)


class MembersController(member.MembersController):
    """``/v2/lbaas/pools/ID/members``: one, or all of them at once."""

    post = explained(member.MembersController.post)
    put = explained(member.MembersController.put)


class RulesController(l7rule.L7RuleController):
    """``/v2/lbaas/l7policies/ID/rules``."""

    post = explained(l7rule.L7RuleController.post)
    put = explained(l7rule.L7RuleController.put)


class PoolsController(pool.PoolsController):
    """``/v2/lbaas/pools``."""

    post = explained(pool.PoolsController.post)
    put = explained(pool.PoolsController.put)

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


class PoliciesController(l7policy.L7PolicyController):
    """``/v2/lbaas/l7policies``."""

    post = explained(l7policy.L7PolicyController.post)
    put = explained(l7policy.L7PolicyController.put)

    @expose()
    def _lookup(self, l7policy_id: str, *remainder: str) -> Any:
        found = super()._lookup(l7policy_id, *remainder)
        if found is None:
            return None
        stock, rest = found
        return RulesController(l7policy_id=stock.l7policy_id), rest
