# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Checks: what is wrong between amphorae and fabric, and what to type."""

from openstack import resource


class DistributorCheck(resource.Resource):
    """What one check found."""

    resource_key = "distributor_check"
    resources_key = "distributor_checks"
    base_path = "/lbaas/distributor-checks"
    allow_list = True

    _query_mapping = resource.QueryParameters(
        "id",
        "check",
        "severity",
        "distributor_id",
        "load_balancer_id",
        "amphora_id",
        "peer_id",
        "count",
        "summary",
        "reference",
        "sort",
    )

    #: What was looked at, such as ``bgp-sessions``.
    check = resource.Body("check")
    #: ``ok``, ``unknown``, ``warning`` or ``error``.
    severity = resource.Body("severity")
    #: The distributor; None: it is about none, or about all.
    distributor_id = resource.Body("distributor_id")
    #: The load balancer, if it is about one.
    load_balancer_id = resource.Body("load_balancer_id")
    #: The amphora, if it is about one.
    amphora_id = resource.Body("amphora_id")
    #: The BGP peer, if it is about one.
    peer_id = resource.Body("peer_id")
    #: Of how many things it speaks. *Type: int*
    count = resource.Body("count", type=int)
    #: What is wrong, or why it is not known.
    summary = resource.Body("summary")
    #: The section of the operator guide.
    reference = resource.Body("reference")
    #: What to do: a list of ``{"place": ..., "command": ...}``. *Type: list*
    steps = resource.Body("steps", type=list)
