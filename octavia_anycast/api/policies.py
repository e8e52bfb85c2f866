# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Policy rules of what we add, in Octavia's one policy file."""

from collections.abc import Sequence
from typing import Any

from octavia.common import constants, policy
from oslo_policy import policy as oslo_policy

RBAC_DISTRIBUTOR = f"{constants.LOADBALANCER_API}:distributor:"
PATH = "/v2/lbaas/distributors"


def _rule(
    action: str, check: str, description: str, method: str, path: str
) -> Any:
    return oslo_policy.DocumentedRuleDefault(
        f"{RBAC_DISTRIBUTOR}{action}",
        check,
        description,
        [{"method": method, "path": path}],
    )


RULES = (
    _rule(
        constants.RBAC_GET_ALL,
        constants.RULE_API_READ,
        "List Distributors",
        "GET",
        PATH,
    ),
    _rule(
        constants.RBAC_GET_ONE,
        constants.RULE_API_READ,
        "Show Distributor details",
        "GET",
        f"{PATH}/{{distributor_id}}",
    ),
    _rule(
        constants.RBAC_POST,
        constants.RULE_API_ADMIN,
        "Create a Distributor",
        "POST",
        PATH,
    ),
    _rule(
        constants.RBAC_DELETE,
        constants.RULE_API_ADMIN,
        "Remove a Distributor",
        "DELETE",
        f"{PATH}/{{distributor_id}}",
    ),
)


def list_rules() -> Sequence[Any]:
    """The rules, for oslopolicy-sample-generator."""
    return RULES


def register() -> None:
    """Make Octavia's enforcer know them; twice is once."""
    enforcer = policy.get_enforcer()
    enforcer.register_defaults(
        [rule for rule in RULES if rule.name not in enforcer.registered_rules]
    )
