# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fleet changes: many amphorae that are replaced, a few of them first."""

from openstack import resource

from octavia_anycast_client.sdk.resource import Resource

RUNNING, PAUSED, ABORTED = "RUNNING", "PAUSED", "ABORTED"
ENDED = (ABORTED, "DONE")


class FleetChange(Resource):
    """Amphorae of many load balancers that are replaced."""

    kind = "fleet change"
    resource_key = "fleet_change"
    resources_key = "fleet_changes"
    base_path = "/lbaas/fleet-changes"
    allow_delete = False

    _query_mapping = resource.QueryParameters(
        "id",
        "state",
        "compute_host",
        "ended_at",
        "created_at",
        "sort",
        change_kind="kind",
    )

    #: ``image``, ``host`` or ``certificate``: what is replaced.
    change_kind = resource.Body("kind")
    #: The compute host, of the kind ``host``.
    compute_host = resource.Body("compute_host")
    #: So many load balancers get one new amphora first. *Type: int*
    canaries = resource.Body("canaries", type=int)
    #: Seconds for which these serve before the others follow. *Type: int*
    soak = resource.Body("soak", type=int)
    #: So many amphorae are replaced at the same time. *Type: int*
    parallel = resource.Body("parallel", type=int)
    #: ``RUNNING``, ``PAUSED``, ``HALTED``, ``ABORTED`` or ``DONE``.
    state = resource.Body("state")
    #: Why it is not RUNNING.
    reason = resource.Body("reason")
    #: Whether the canaries have served for long enough. *Type: bool*
    is_proven = resource.Body("proven", type=bool)
    #: How many amphorae it has replaced. *Type: int*
    replaced_count = resource.Body("replaced_count", type=int)
    #: How many are being replaced. *Type: int*
    under_way_count = resource.Body("under_way_count", type=int)
    #: How many are still to be replaced. *Type: int*
    waiting_count = resource.Body("waiting_count", type=int)
    #: How many others wait for something else. *Type: int*
    held_count = resource.Body("held_count", type=int)
    #: When it was asked for (UTC).
    created_at = resource.Body("created_at")
    #: When it ended (UTC); None: it has not.
    ended_at = resource.Body("ended_at")


class Fleet(resource.Resource):
    """All amphorae of load balancers, by their image."""

    resource_key = "fleet"
    base_path = "/lbaas/fleet"
    allow_fetch = True
    requires_id = False

    #: Amphorae by image. *Type: list of dicts*
    images = resource.Body("images", type=list)
    #: The last fleet change; None: there was none.
    fleet_change_id = resource.Body("fleet_change_id")
