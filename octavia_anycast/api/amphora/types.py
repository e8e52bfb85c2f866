# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's types of amphorae with the blueprint's names, for WSME."""

from datetime import UTC, datetime
from typing import Any

from octavia.api.common import types
from octavia.api.v2.types import amphora as amphora_types
from wsme import types as wtypes

from octavia_anycast.db.amphora.amphora_listing import ROLE, ListedAmphora
from octavia_anycast.db.amphora.amphora_statistics import ListenerCount
from octavia_anycast.octavia_adapter.amphora.stock_amphorae import (
    FRONTEND,
    VipPort,
)

Text = wtypes.StringType()
Uuid = wtypes.UuidType()


class AmphoraResponse(amphora_types.AmphoraResponse):
    """An amphora of ours, or one of Octavia's."""

    # Not every compute service has UUIDs.
    compute_id = wtypes.wsattr(Text)
    frontend_ip = wtypes.wsattr(types.IPAddressType())
    frontend_subnet_id = wtypes.wsattr(Text)
    frontend_port_id = wtypes.wsattr(Uuid)
    frontend_interface = wtypes.wsattr(Text)
    frontend_id = wtypes.wsattr(int)
    frontend_priority = wtypes.wsattr(int)
    service_type = wtypes.wsattr(Text)


class AmphoraRootResponse(types.BaseType):
    """One amphora."""

    amphora = wtypes.wsattr(AmphoraResponse)


class AmphoraeRootResponse(types.BaseType):
    """Amphorae, and links to the pages before and after."""

    amphorae = wtypes.wsattr([AmphoraResponse])
    amphorae_links = wtypes.wsattr([types.PageType])


def of_stock(row: Any) -> AmphoraResponse:
    """Make the response of a row of Octavia's."""
    response: AmphoraResponse = AmphoraResponse.from_db_obj(row)
    for name, vrrp in FRONTEND.items():
        setattr(response, name, getattr(response, vrrp))
    response.frontend_subnet_id = None
    response.service_type = None
    return response


def of_ours(listed: ListedAmphora) -> AmphoraResponse:
    """Make the response of an amphora of ours; without the VIP."""
    record = listed.record
    addresses = record.frontend.addresses if record.frontend else ()
    response = AmphoraResponse(
        id=record.id,
        loadbalancer_id=record.load_balancer_id,
        compute_id=record.compute_id,
        lb_network_ip=_text(record.lb_network_ip),
        frontend_ip=_text(addresses[0].ip_address) if addresses else None,
        frontend_subnet_id=addresses[0].subnet_id if addresses else None,
        frontend_port_id=record.frontend_port_id,
        frontend_interface=record.frontend_interface,
        frontend_id=listed.frontend_id,
        frontend_priority=listed.frontend_priority,
        service_type=record.service_type.value,
        cert_expiration=_moment(record.cert_expiration),
        cert_busy=False,
        role=ROLE,
        status=record.status.value,
        cached_zone=record.availability_zone,
        created_at=_moment(listed.created_at),
        updated_at=_moment(listed.updated_at),
        ha_ip=None,
        ha_port_id=None,
        image_id=None,
        compute_flavor=None,
    )
    for name, vrrp in FRONTEND.items():
        setattr(response, vrrp, getattr(response, name))
    return response


def with_vip(
    response: AmphoraResponse, vips: dict[str, VipPort]
) -> AmphoraResponse:
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


def of_count(
    listed: ListedAmphora, count: ListenerCount
) -> amphora_types.AmphoraStatisticsResponse:
    """Make the response of what an amphora counted for a listener."""
    return amphora_types.AmphoraStatisticsResponse(
        id=listed.record.id,
        loadbalancer_id=listed.record.load_balancer_id,
        listener_id=count.listener_id,
        active_connections=count.active_connections,
        bytes_in=count.bytes_in,
        bytes_out=count.bytes_out,
        request_errors=count.request_errors,
        total_connections=count.total_connections,
    )


def _text(address: Any) -> str | None:
    return None if address is None else str(address)


def _moment(value: datetime | None) -> datetime | None:
    """UTC without saying so, as Octavia's rows have it."""
    return (
        None if value is None else value.astimezone(UTC).replace(tzinfo=None)
    )
