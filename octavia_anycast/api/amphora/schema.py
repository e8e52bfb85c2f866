# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of an amphora: Octavia's, with the blueprint's names."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from octavia.api.v2.types import amphora as stock_types

from octavia_anycast.api.cluster import FRONTEND_SUBNET_ID, STATUS
from octavia_anycast.api.declaration import calls
from octavia_anycast.api.declaration.calls import Call, stock
from octavia_anycast.api.declaration.fields import (
    ADDRESS,
    CREATED_AT,
    FLAG,
    ID,
    INTEGER,
    MOMENT,
    TEXT,
    UPDATED_AT,
    UUID,
    Resource,
)
from octavia_anycast.db.amphora import amphora_listing
from octavia_anycast.db.amphora.amphora_listing import ROLE, ListedAmphora
from octavia_anycast.db.amphora.amphora_statistics import ListenerCount
from octavia_anycast.octavia_adapter import compat
from octavia_anycast.octavia_adapter.amphora.stock_amphorae import (
    FRONTEND,
    VipPort,
)

PATH = "/v2/octavia/amphorae"


def _exact(value: datetime) -> datetime:
    """UTC without a zone, like Octavia's rows: the lists are merged."""
    return value.astimezone(UTC).replace(tzinfo=None)


_MOMENT = replace(MOMENT, shown=_exact)


_FIELDS = {
    "compute_id": TEXT.or_null("The id of its server."),
    "frontend_ip": ADDRESS.or_null(
        "Its front-end address, which is the next hop of the VIP."
    ),
    "frontend_subnet_id": replace(FRONTEND_SUBNET_ID, kind=TEXT.or_null),
    "frontend_port_id": UUID.or_null("The port of that address."),
    "frontend_interface": TEXT.or_null("The interface that has that address."),
    "frontend_id": INTEGER.or_null(
        "Not used: all amphorae serve.", at="frontend_id"
    ),
    "frontend_priority": INTEGER.or_null(
        "Not used: all amphorae serve.", at="frontend_priority"
    ),
    "service_type": TEXT.or_null("loadbalancer, distributor or combined."),
    "id": ID,
    "loadbalancer_id": UUID.or_null(
        "The load balancer that it serves.", at="record.load_balancer_id"
    ),
    "lb_network_ip": ADDRESS.or_null("Its address in the management network."),
    "vrrp_ip": ADDRESS.or_null("Octavia's name for frontend_ip."),
    "ha_ip": ADDRESS.or_null("The VIP of its load balancer."),
    "vrrp_port_id": UUID.or_null("Octavia's name for frontend_port_id."),
    "ha_port_id": UUID.or_null("The port of that VIP."),
    "cert_expiration": _MOMENT.or_null("When its certificate expires (UTC)."),
    "cert_busy": FLAG("Whether its certificate is being replaced."),
    "role": TEXT("STANDALONE: it does not belong to an active-standby pair."),
    "status": STATUS,
    "vrrp_interface": TEXT.or_null("Octavia's name for frontend_interface."),
    "vrrp_id": INTEGER.or_null("Octavia's name for frontend_id."),
    "vrrp_priority": INTEGER.or_null("Octavia's name for frontend_priority."),
    "cached_zone": TEXT.or_null(
        "The availability zone that it was booted in.",
        at="record.availability_zone",
    ),
    "created_at": replace(CREATED_AT, kind=_MOMENT),
    "updated_at": replace(UPDATED_AT, kind=_MOMENT.or_null),
    "image_id": UUID.or_null(
        "The image that it was booted from; null if unknown."
    ),
    "compute_flavor": TEXT.or_null(
        "The flavor of its server; null if unknown."
    ),
}
AMPHORA = Resource(
    name="Amphora",
    title="amphora",
    root="amphora",
    plural="amphorae",
    at="record.",
    base=stock_types.AmphoraResponse,
    filters=[name for name in _FIELDS if name in amphora_listing.COLUMNS],
    fields=_FIELDS,
)
STATISTICS = Resource(
    name="AmphoraStatistics",
    plural="amphora_stats",
    has_links=False,
    base=stock_types.AmphoraStatisticsResponse,
    fields={
        "active_connections": INTEGER("Number of open connections."),
        "bytes_in": INTEGER("Number of bytes received from clients."),
        "bytes_out": INTEGER("Number of bytes sent to clients."),
        "id": ID,
        "listener_id": UUID("The listener that is counted."),
        "loadbalancer_id": UUID.or_null("The load balancer that it serves."),
        "request_errors": INTEGER(
            "Number of requests that could not be served."
        ),
        "total_connections": INTEGER("Number of connections so far."),
    },
)
SCHEMAS = {
    "Amphora": AMPHORA.answer(),
    "AmphoraStatistics": STATISTICS.answer(),
}
_ONE = f"{PATH}/{{amphora_id}}"
_OF_PROJECT = calls.query(
    "project_id",
    "List only amphorae of load balancers of this project.",
    {"type": "string"},
)
CALLS = {
    "get_all": replace(
        calls.on(
            AMPHORA, "get_all", PATH, "list", stock("amphora:get_all"), (400,)
        ),
        name="listAmphorae",
        summary="List amphorae, Octavia's own too",
        query=[_OF_PROJECT],
    ),
    "get_one": calls.on(
        AMPHORA, "get_one", _ONE, "show", stock("amphora:get_one"), (404,)
    ),
    "delete": Call(
        "DELETE",
        _ONE,
        "deleteAmphora",
        "Delete what is left of an amphora in ERROR",
        stock("amphora:delete"),
        faults=(404, 409),
    ),
}
CALLS_OF_STATISTICS = {
    "get": Call(
        "GET",
        f"{_ONE}/stats",
        "showAmphoraStatistics",
        "Show the counters of an amphora, for each listener",
        stock("amphora:get_stats"),
        STATISTICS,
        (404,),
        is_list=True,
    )
}


def _request(part: str, verb: str, summary: str, *faults: int) -> Any:
    """A call that sets a mark for the controller."""
    rule = stock(f"amphora:put_{part}")
    path, name = f"{_ONE}/{part}", f"{verb}Amphora"
    return {
        "put": Call(
            "PUT", path, name, summary, rule, faults=faults, status=202
        )
    }


CALLS_OF_FAILOVER = _request(
    "failover", "failover", "Replace an amphora by a new one", 404, 409
)
CALLS_OF_CONFIG = _request(
    "config",
    "configure",
    "Give an amphora's agent its configuration again",
    404,
)


def of_stock(row: Any) -> Any:
    """Make the answer of a row of Octavia's."""
    response = compat.answer(AMPHORA.type, row)
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
