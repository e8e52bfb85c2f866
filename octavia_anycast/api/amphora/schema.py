# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of an amphora: Octavia's, with the blueprint's names."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from octavia.api.v2.types import amphora as stock_types

from octavia_anycast.api import calls
from octavia_anycast.api.calls import Call
from octavia_anycast.api.cluster.schema import FRONTEND_SUBNET_ID, STATUS
from octavia_anycast.api.fields import (
    ADDRESS,
    CREATED_AT,
    FLAG,
    ID,
    INTEGER,
    MOMENT,
    TEXT,
    UPDATED_AT,
    UUID,
    Field,
    Resource,
    reference,
)
from octavia_anycast.db.amphora import amphora_listing
from octavia_anycast.db.amphora.amphora_listing import ROLE, ListedAmphora
from octavia_anycast.db.amphora.amphora_statistics import ListenerCount
from octavia_anycast.octavia_adapter.amphora.stock_amphorae import (
    FRONTEND,
    VipPort,
)

PATH = "/v2/octavia/amphorae"


def _exact(value: datetime) -> datetime:
    """UTC without saying so, as Octavia's rows have it: lists are merged."""
    return value.astimezone(UTC).replace(tzinfo=None)


_MOMENT = replace(MOMENT, shown=_exact)


_FIELDS = (
    # Not every compute service has UUIDs.
    Field("compute_id", TEXT.or_null, "The server that it is."),
    Field(
        "frontend_ip",
        ADDRESS.or_null,
        "Its front-end address: the next hop of the VIP.",
    ),
    replace(FRONTEND_SUBNET_ID, kind=TEXT.or_null),
    Field("frontend_port_id", UUID.or_null, "The port of that address."),
    Field("frontend_interface", TEXT.or_null, "The interface that has it."),
    Field(
        "frontend_id",
        INTEGER.or_null,
        "Not used by amphorae that all serve.",
        at="frontend_id",
    ),
    Field(
        "frontend_priority",
        INTEGER.or_null,
        "Not used by amphorae that all serve.",
        at="frontend_priority",
    ),
    Field(
        "service_type", TEXT.or_null, "loadbalancer, distributor or combined."
    ),
    ID,
    Field(
        "loadbalancer_id",
        UUID.or_null,
        "The load balancer that it serves.",
        at="record.load_balancer_id",
    ),
    Field(
        "lb_network_ip",
        ADDRESS.or_null,
        "Its address in the management network.",
    ),
    Field(
        "vrrp_ip",
        ADDRESS.or_null,
        "The same as frontend_ip, by Octavia's name.",
    ),
    Field("ha_ip", ADDRESS.or_null, "The VIP of its load balancer."),
    Field("vrrp_port_id", UUID.or_null, "The same as frontend_port_id."),
    Field("ha_port_id", UUID.or_null, "The port of that VIP."),
    Field(
        "cert_expiration",
        _MOMENT.or_null,
        "When its certificate expires (UTC).",
    ),
    Field("cert_busy", FLAG, "Whether its certificate is being replaced."),
    Field("role", TEXT, "STANDALONE: it is not one of a pair."),
    STATUS,
    Field("vrrp_interface", TEXT.or_null, "The same as frontend_interface."),
    Field("vrrp_id", INTEGER.or_null, "The same as frontend_id."),
    Field("vrrp_priority", INTEGER.or_null, "The same as frontend_priority."),
    Field(
        "cached_zone",
        TEXT.or_null,
        "The availability zone that it was booted in.",
        at="record.availability_zone",
    ),
    replace(CREATED_AT, kind=_MOMENT),
    replace(UPDATED_AT, kind=_MOMENT.or_null),
    Field(
        "image_id",
        UUID.or_null,
        "The image that it was booted from, if that is known.",
    ),
    Field(
        "compute_flavor",
        TEXT.or_null,
        "The flavor of its server, if that is known.",
    ),
)
AMPHORA = Resource(
    name="Amphora",
    root="amphora",
    plural="amphorae",
    at="record.",
    base=stock_types.AmphoraResponse,
    filters=[f.name for f in _FIELDS if f.name in amphora_listing.COLUMNS],
    fields=_FIELDS,
)
STATISTICS = Resource(
    name="AmphoraStatistics",
    base=stock_types.AmphoraStatisticsResponse,
    fields=(
        Field("active_connections", INTEGER, "Connections that are open now."),
        Field("bytes_in", INTEGER, "Bytes received from clients."),
        Field("bytes_out", INTEGER, "Bytes sent to clients."),
        ID,
        Field("listener_id", UUID, "The listener that is counted for."),
        Field(
            "loadbalancer_id",
            UUID.or_null,
            "The load balancer that it serves.",
        ),
        Field("request_errors", INTEGER, "Requests that could not be served."),
        Field("total_connections", INTEGER, "Connections there have been."),
    ),
)
SCHEMAS = {
    "Amphora": AMPHORA.answer(),
    "AmphoraStatistics": STATISTICS.answer(),
}
_ONE = f"{PATH}/{{amphora_id}}"
_OF_PROJECT = calls.query(
    "project_id",
    "Only those of load balancers of this project.",
    {"type": "string"},
)
CALLS = (
    calls.lists(
        AMPHORA,
        PATH,
        "listAmphorae",
        "List amphorae, Octavia's own too",
        400,
        query=[_OF_PROJECT],
    ),
    calls.shows(AMPHORA, _ONE, "showAmphora", "Show an amphora"),
    calls.deletes(
        _ONE,
        "deleteAmphora",
        "Delete what is left of an amphora in ERROR",
        404,
        409,
    ),
    Call(
        "GET",
        f"{_ONE}/stats",
        "showAmphoraStatistics",
        "Show what an amphora counted, for each listener",
        200,
        calls.rooted(
            "amphora_stats",
            {"type": "array", "items": reference("AmphoraStatistics")},
        ),
        (404,),
    ),
    Call(
        "PUT",
        f"{_ONE}/failover",
        "failoverAmphora",
        "Have another amphora take its place",
        202,
        faults=(404, 409),
    ),
    Call(
        "PUT",
        f"{_ONE}/config",
        "configureAmphora",
        "Give its agent the configuration anew",
        202,
        faults=(404,),
    ),
)


def of_stock(row: Any) -> Any:
    """Make the answer of a row of Octavia's."""
    response = AMPHORA.type.from_db_obj(row)
    for name, vrrp in FRONTEND.items():
        setattr(response, name, getattr(response, vrrp))
    response.frontend_subnet_id = None
    response.service_type = None
    return response


def of_ours(listed: ListedAmphora) -> Any:
    """Make the answer of an amphora of ours; without the VIP."""
    frontend = listed.record.frontend
    address = (
        frontend.addresses[0] if frontend and frontend.addresses else None
    )
    response = AMPHORA.shown(
        listed,
        frontend_ip=address.ip_address if address else None,
        frontend_subnet_id=address.subnet_id if address else None,
        cert_busy=False,
        role=ROLE,
        ha_ip=None,
        ha_port_id=None,
        image_id=None,
        compute_flavor=None,
        **dict.fromkeys(FRONTEND.values()),
    )
    for name, vrrp in FRONTEND.items():
        setattr(response, vrrp, getattr(response, name))
    return response


def with_vip(response: Any, vips: dict[str, VipPort]) -> Any:
    """Say which VIP an amphora of ours serves, and whole seconds."""
    vip = vips.get(response.loadbalancer_id)
    if vip is not None:
        response.ha_ip = vip.ip_address
        response.ha_port_id = vip.port_id
    for name in ("cert_expiration", "created_at", "updated_at"):
        moment = getattr(response, name)
        if moment is not None:
            setattr(response, name, moment.replace(microsecond=0))
    return response


def of_count(listed: ListedAmphora, count: ListenerCount) -> Any:
    """Make the answer of what an amphora counted for a listener."""
    record = listed.record
    return STATISTICS.shown(
        count, id=record.id, loadbalancer_id=record.load_balancer_id
    )
