# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of a cluster, and of what load balancers choose of it."""

from dataclasses import replace
from typing import Any

from octavia_anycast.api import calls, policies
from octavia_anycast.api.calls import Call
from octavia_anycast.api.cluster.changes import ClusterChange
from octavia_anycast.api.distributor.schema import OPERATING, PROVISIONING
from octavia_anycast.api.fields import (
    ADDRESS,
    FLAG,
    INTEGER,
    MOMENT,
    NUMBER,
    TEXT,
    UUID,
    Field,
    Resource,
    between,
    list_of,
    nested,
    one_of,
    reference,
)
from octavia_anycast.model.autoscale import Autoscale, Metric
from octavia_anycast.model.cluster import (
    CLUSTER_SIZE_MAX,
    COOLDOWN_MAX_SECONDS,
    SPARE_COUNT_MAX,
    AmphoraRecord,
    ClusterRecord,
)

_SIZE = between(1, CLUSTER_SIZE_MAX)
# Shown with its zone, and with what there is of a second.
_SCALED_AT = replace(MOMENT, shown=lambda at: at)
_METRIC = replace(TEXT, asked=lambda: one_of(*Metric).schema)
STATUS = Field("status", TEXT, "BOOTING, ALLOCATED, PENDING_DELETE or ERROR.")
FRONTEND_SUBNET_ID = Field(
    "frontend_subnet_id",
    UUID.or_null,
    "The subnet of the amphorae's front ends; null: one "
    "of the network for each family.",
)
_DISTRIBUTOR_ID = Field(
    "distributor_id", UUID, "The distributor that it uses."
)
_FRONTEND_NETWORK_ID = Field(
    "frontend_network_id",
    UUID.or_null,
    "The network of the amphorae's front ends that was "
    "chosen; null for that of the distributor's zones, "
    "or the VIP's own.",
)
_MEMBER = Resource(
    name="Member",
    fields=(
        Field("id", UUID, "Its identifier."),
        STATUS,
        Field(
            "availability_zone",
            TEXT.or_null,
            "The availability zone that it was booted in.",
        ),
        Field(
            "frontend_ip",
            ADDRESS.or_null,
            "Its front-end address: the next hop of the VIP.",
        ),
        Field(
            "applied_revision",
            TEXT,
            "The configuration that it was given last.",
        ),
        Field("announcing", FLAG, "Whether it announces every VIP."),
        Field("spare", FLAG, "Whether it stands by."),
    ),
)
_AUTOSCALE = Resource(
    name="Autoscale",
    fields=(
        Field("metric", _METRIC, "What is measured of each amphora."),
        Field(
            "target",
            INTEGER,
            "Per amphora: connections, sessions a second, percent of the "
            "processors, or bytes a second.",
        ),
        Field(
            "tolerance",
            NUMBER,
            "The share of the target by which it may be missed, up to 0.9.",
        ),
        Field(
            "scale_in_delay",
            INTEGER,
            "Seconds of less load before an amphora goes.",
        ),
    ),
)
CLUSTER = Resource(
    name="Cluster",
    root="cluster",
    fields=(
        Field("load_balancer_id", UUID, "The load balancer that it serves."),
        _DISTRIBUTOR_ID,
        _FRONTEND_NETWORK_ID,
        FRONTEND_SUBNET_ID,
        Field(
            "desired_size",
            INTEGER,
            "How many amphorae are wanted.",
            _SIZE,
            at="size.desired",
        ),
        Field(
            "min_size",
            INTEGER,
            "How many have to serve for it not to be in ERROR.",
            _SIZE,
            at="size.minimum",
        ),
        Field(
            "max_size",
            INTEGER,
            "How many it can have at most.",
            _SIZE,
            at="size.maximum",
        ),
        Field(
            "cooldown",
            INTEGER,
            "Seconds between two changes of the size.",
            between(0, COOLDOWN_MAX_SECONDS),
            at="cooldown_seconds",
        ),
        Field(
            "enabled",
            FLAG,
            "Whether the cluster manager replaces amphorae and scales; if "
            "not, what runs goes on.",
            at="is_enabled",
        ),
        Field(
            "spare_count",
            INTEGER,
            "How many amphorae stand by beside these: configured and not "
            "announced, until one is lost.",
            between(0, SPARE_COUNT_MAX),
        ),
        Field(
            "autoscale",
            nested(_AUTOSCALE, Autoscale).or_null,
            "The load that one amphora is to carry, by which the size is "
            "chosen; null: the size is what was asked for.",
        ),
        Field(
            "scaled_at",
            _SCALED_AT.or_null,
            "When its wanted size last changed (UTC); null: never.",
        ),
        Field(
            "scaling_reason",
            TEXT,
            "Why autoscaling changed its wanted size; empty: its user did, or "
            "nobody.",
        ),
        Field(
            "cluster_type",
            TEXT,
            "ACTIVE_ACTIVE: all amphorae serve at the same time.",
        ),
        Field(
            "provisioning_status",
            PROVISIONING,
            "The load balancer's, as the controller sees it.",
        ),
        Field(
            "operating_status",
            OPERATING,
            "ONLINE: all amphorae announce; DEGRADED: at least min_size do; "
            "ERROR: fewer; OFFLINE: none, or it is disabled.",
        ),
        Field("reason", TEXT, "The statuses in a sentence."),
        Field(
            "config_revision",
            TEXT,
            "The configuration that the amphorae are to hold.",
        ),
        Field(
            "amphora_count",
            INTEGER,
            "How many amphorae there are, booting ones included.",
        ),
        Field(
            "announcing_count",
            INTEGER,
            "How many amphorae announce it: an external VIP, or every VIP of "
            "a cluster.",
        ),
        Field(
            "amphorae",
            list_of(nested(_MEMBER)),
            "Each of them; not for everybody.",
        ),
    ),
)
CHOICE = Resource(
    name="LoadBalancerChoice",
    fields=(
        replace(_DISTRIBUTOR_ID, kind=UUID.or_null),
        _FRONTEND_NETWORK_ID,
        FRONTEND_SUBNET_ID,
    ),
)
SCHEMAS = {
    "Cluster": CLUSTER.answer(),
    "ClusterChange": CLUSTER.change(ClusterChange),
}
# Ours alone: the rest is in Octavia's own reference.
SCHEMAS_OF_LOAD_BALANCERS = {
    "LoadBalancerChoice": CHOICE.answer()
    | {
        "description": (
            "What a load balancer of the provider anycast has beside "
            "Octavia's attributes: in the body of a create, in every answer, "
            "and as filters of a list. Each may be left out of a create; "
            "none can be changed afterwards. Null for load balancers of "
            "other providers."
        ),
        "additionalProperties": True,
    }
}
_BODY = calls.rooted("cluster", reference("Cluster"))
CALLS = (
    Call(
        "GET",
        policies.CLUSTER,
        "showCluster",
        "Show the cluster of a load balancer",
        200,
        _BODY,
        (404,),
    ),
    Call(
        "PUT",
        policies.CLUSTER,
        "updateCluster",
        "Change a cluster: what is given only",
        202,
        _BODY,
        (400, 404, 409),
        body=calls.rooted("cluster", reference("ClusterChange")),
    ),
)


def response_of(
    cluster: ClusterRecord, found: list[AmphoraRecord], announcing: set[str]
) -> Any:
    """Make the answer of a cluster with its amphorae."""
    return CLUSTER.shown(
        cluster,
        amphora_count=len(found),
        announcing_count=sum(1 for one in found if one.id in announcing),
        amphorae=[_member(one, one.id in announcing) for one in found],
    )


def _member(record: AmphoraRecord, is_announcing: bool) -> Any:
    frontend = record.frontend
    return _MEMBER.shown(
        record,
        frontend_ip=frontend.addresses[0].ip_address
        if frontend and frontend.addresses
        else None,
        announcing=is_announcing,
        spare=record.spare_since is not None,
    )
