# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Our policy rules in Octavia's policy file: one for each declared call."""

from collections.abc import Iterator, Sequence
from typing import Any

from octavia.common import policy
from oslo_policy.policy import DocumentedRuleDefault

from octavia_anycast.api import cluster, event
from octavia_anycast.api.declaration.calls import SEE_AMPHORAE, Call, Rule
from octavia_anycast.api.openapi import CALLS


def _guards() -> Iterator[tuple[Rule, str, Call]]:
    for call in CALLS:
        if call.rule.check:
            yield call.rule, call.summary, call
    # These guard a part of a call.
    yield (
        SEE_AMPHORAE,
        "See the amphorae in the cluster and the events of a load balancer",
        cluster.CALLS["get"],
    )
    yield (
        cluster.RAISE_MAX_SIZE,
        "Raise the max_size of the cluster of a load balancer",
        cluster.CALLS["put"],
    )
    yield (
        event.SEE_DETAILS,
        "See BGP sessions, peers and all causes in the events of a load "
        "balancer",
        event.CALLS["get_all"],
    )


RULES = tuple(
    DocumentedRuleDefault(
        rule.name,
        rule.check,
        description,
        [{"method": call.method, "path": call.path}],
    )
    for rule, description, call in _guards()
)


def list_rules() -> Sequence[Any]:
    """The rules, for oslopolicy-sample-generator."""
    return RULES


def register() -> None:
    """Register the rules with Octavia's enforcer; idempotent."""
    enforcer = policy.get_enforcer()
    enforcer.register_defaults(
        [rule for rule in RULES if rule.name not in enforcer.registered_rules]
    )
