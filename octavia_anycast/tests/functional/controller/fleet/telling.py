# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What events tell of zone drains and fleet changes."""

from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.monitoring import events


def told(stage, kind):
    """(state before, state after, cause) of its events, in order."""
    with stage.api.database.transaction() as session:
        cluster = clusters.get(session, stage.load_balancer_id)
        scope = events.Scope(
            distributor_id=cluster.distributor_id, is_own=True
        )
        rows = events.latest(session, scope, 100)
    return [
        (row.from_state, row.to_state, row.cause)
        for row in reversed(rows)
        if row.kind == kind
    ]
