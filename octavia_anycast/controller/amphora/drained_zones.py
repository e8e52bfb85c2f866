# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Plans in which amphorae boot: none of them in a zone that is drained.

The zones are read only for such a plan: nothing else depends on them.

Layer: controller.
"""

from collections.abc import Callable

from octavia_anycast.controller.ports import World
from octavia_anycast.db.fleet import zone_drains
from octavia_anycast.model.actions import Action, BootAmphora

Plan = Callable[[frozenset[str]], tuple[Action, ...]]


def planned(world: World, plan: Plan) -> tuple[Action, ...]:
    """Plan; once more if something boots and zones are drained.

    :param plan: makes the plan, given the zones to avoid
    :raises Retryable: the database does not answer.
    """
    actions = plan(frozenset())
    if not any(isinstance(action, BootAmphora) for action in actions):
        return actions
    with world.database.transaction() as session:
        avoided = zone_drains.avoided(session)
    return plan(avoided) if avoided else actions
