# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The limit of replacements that may be under way in the whole cloud.

Layer: planning. Pure. When a rack goes, hundreds of clusters miss amphorae
at once; they share a bounded number of boots, and the compute, network and
image services stay usable for everybody else. What users ask for, a new load
balancer or a larger one, is not held up, nor what autoscaling adds.
"""

from datetime import timedelta

from octavia_anycast.model.cluster import ObservedCluster
from octavia_anycast.planning.cluster.assessment import Cluster


def is_replacement(cluster: Cluster) -> bool:
    """Whether what boots now takes the place of something.

    It does not while the load balancer is created, nor shortly after its
    user changed its size. Autoscaling changes many sizes and often: of these
    only what is added at once is free, :attr:`DesiredCluster.grown_by`.
    """
    desired = cluster.desired
    if desired.is_new:
        return False
    if desired.is_autoscaled:
        return True
    window = timedelta(seconds=desired.policy.boot_timeout)
    return (
        desired.scaled_at is None or cluster.now - desired.scaled_at >= window
    )


def room(cluster: Cluster, observed: ObservedCluster) -> int:
    """How many replacements may begin now."""
    limit = cluster.desired.policy.replacement_limit
    return max(0, limit - observed.replacements_under_way)


def reason(cluster: Cluster, waiting: int) -> str:
    """Why replacements wait."""
    limit = cluster.desired.policy.replacement_limit
    return (
        f"{waiting} to boot, held by the replacement limit: {limit} "
        "replacements are under way in the cloud"
    )
