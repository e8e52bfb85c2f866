# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The distributor and what it announces."""

from openstack import resource

from octavia_anycast_client.sdk.resource import Resource


class Distributor(Resource):
    """How the amphorae of a load balancer meet the fabric."""

    kind = "distributor"
    resource_key = "distributor"
    resources_key = "distributors"
    base_path = "/lbaas/distributors"

    _query_mapping = resource.QueryParameters(
        "id",
        "name",
        "description",
        "distributor_type",
        "provisioning_status",
        "operating_status",
        "status_reason",
        "is_default",
        "dedicated_count",
        "created_at",
        "updated_at",
        "sort",
        is_enabled="enabled",
    )

    #: Its name.
    name = resource.Body("name")
    #: What it is for.
    description = resource.Body("description")
    #: ``L3_BGP``, the only one.
    distributor_type = resource.Body("distributor_type")
    #: ``PENDING_CREATE``, ``PENDING_UPDATE``, ``PENDING_DELETE``, ``ACTIVE``
    #: or ``ERROR``.
    provisioning_status = resource.Body("provisioning_status")
    #: ``ONLINE``, ``DEGRADED``, ``ERROR`` or ``OFFLINE``.
    operating_status = resource.Body("operating_status")
    #: Why it is in ERROR.
    status_reason = resource.Body("status_reason")
    #: Whether new load balancers may use it. *Type: bool*
    is_enabled = resource.Body("enabled", type=bool)
    #: Whether load balancers use it that name none. *Type: bool*
    is_default = resource.Body("is_default", type=bool)
    #: Its speakers with the ids of their peers. *Type: list of dicts*
    speakers = resource.Body("speakers", type=list)
    #: Availability zones with their front-end networks. *Type: list*
    zones = resource.Body("zones", type=list)
    #: How many amphorae of its own announce external VIPs. *Type: int*
    dedicated_count = resource.Body("dedicated_count", type=int)
    #: How many load balancers use it. *Type: int*
    load_balancer_count = resource.Body("load_balancer_count", type=int)
    #: How many amphorae announce through it. *Type: int*
    amphora_count = resource.Body("amphora_count", type=int)
    #: How many VIPs are announced through it. *Type: int*
    vip_count = resource.Body("vip_count", type=int)
    #: When it was created.
    created_at = resource.Body("created_at")
    #: When it was last changed.
    updated_at = resource.Body("updated_at")


class Path(resource.Resource):
    """A path that an amphora announces to a peer, as it reports."""

    resource_key = "path"
    resources_key = "paths"
    base_path = "/lbaas/distributors/%(distributor_id)s/paths"
    allow_list = True

    _query_mapping = resource.QueryParameters(
        "id",
        "amphora_id",
        "load_balancer_id",
        "vip_address",
        "prefix",
        "next_hop",
        "speaker_id",
        "peer_id",
        "peer_name",
        "peer_ip",
        "session_state",
        "session_since",
        "state",
        "reason",
        "reported_at",
        "report_age",
        "sort",
    )

    #: Its distributor.
    distributor_id = resource.URI("distributor_id")
    #: The amphora that announces it.
    amphora_id = resource.Body("amphora_id")
    #: The load balancer that it leads to.
    load_balancer_id = resource.Body("load_balancer_id")
    #: The VIP.
    vip_address = resource.Body("vip_address")
    #: The VIP as a prefix.
    prefix = resource.Body("prefix")
    #: The front-end address of the amphora.
    next_hop = resource.Body("next_hop")
    #: The speaker that announces it.
    speaker_id = resource.Body("speaker_id")
    #: The peer that it is announced to.
    peer_id = resource.Body("peer_id")
    #: The peer's name.
    peer_name = resource.Body("peer_name")
    #: The peer's address.
    peer_ip = resource.Body("peer_ip")
    #: State of the BGP session (RFC 4271, section 8.2.2).
    session_state = resource.Body("session_state")
    #: Since when the session is in that state.
    session_since = resource.Body("session_since")
    #: ``advertised``, ``draining``, ``pending`` or ``withdrawn``.
    state = resource.Body("state")
    #: Why it is in that state.
    reason = resource.Body("reason")
    #: When the amphora said so.
    reported_at = resource.Body("reported_at")
    #: How long ago that was; seconds. *Type: float*
    report_age = resource.Body("report_age", type=float)
