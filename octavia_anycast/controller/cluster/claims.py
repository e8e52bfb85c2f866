# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Claims of load balancers that wait for the limit of replacements.

Layer: controller. What is claimed is decided in planning/amphora/claims.py.
"""

from dataclasses import replace
from datetime import timedelta

from octavia_anycast.controller.cluster.observe import Observation
from octavia_anycast.controller.ports import World
from octavia_anycast.db.cluster import claims
from octavia_anycast.planning.amphora.assessment import Cluster
from octavia_anycast.planning.amphora.claims import FRESH, claim_of, own_claim
from octavia_anycast.planning.amphora.scaling import boots

# A claim that says what it said is written again after so long.
AGAIN_AFTER: timedelta = FRESH / 3


def record(world: World, observation: Observation) -> None:
    """Store that a load balancer waits, or that it does not any more."""
    cluster = Cluster(
        observation.desired, observation.observed, observation.now
    )
    stored, held = own_claim(cluster), boots(cluster).held
    if not held:
        if stored is not None:
            with world.database.transaction() as session:
                claims.remove(session, stored.load_balancer_id)
        return
    claim = claim_of(cluster, held)
    if (
        stored is not None
        and replace(stored, asked_at=claim.asked_at) == claim
        and claim.asked_at - stored.asked_at < AGAIN_AFTER
    ):
        return
    world.database.transact(lambda session: claims.put(session, claim))
