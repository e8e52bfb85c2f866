# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae for the API, under the names that Octavia's have.

The API asks both tables for the same page and merges the two. So each column
here has the type of Octavia's column: naive times, addresses as text.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    String,
    false,
    literal,
    null,
    select,
    type_coerce,
)
from sqlalchemy.orm import Session

from octavia_anycast.db import listing, mapping
from octavia_anycast.db.amphora import amphorae
from octavia_anycast.db.models import Amphora, Cluster
from octavia_anycast.model.cluster import AmphoraRecord

# Octavia's role of an amphora that is not one of a pair.
ROLE = "STANDALONE"
_OF_VIPS = "of_vips"


def _moment(column: Any) -> ColumnElement[Any]:
    return type_coerce(column, DateTime())


def _text(column: Any) -> ColumnElement[Any]:
    return type_coerce(column, String())


_PROJECT = (
    select(Cluster.project_id)
    .where(Cluster.load_balancer_id == Amphora.load_balancer_id)
    .correlate(Amphora)
    .scalar_subquery()
)
# What only Octavia's amphorae have, such as a VIP of their own.
_NOTHING = _text(null())
# MariaDB takes a bare constant in ORDER BY for the number of a column.
_NO = select(type_coerce(false(), Boolean())).scalar_subquery()
COLUMNS: listing.Columns = {
    "id": Amphora.id,
    "project_id": _PROJECT,
    "loadbalancer_id": Amphora.load_balancer_id,
    _OF_VIPS: Amphora.load_balancer_id,
    "compute_id": Amphora.compute_id,
    "lb_network_ip": _text(Amphora.lb_network_ip),
    "vrrp_ip": _text(Amphora.frontend_ip),
    "ha_ip": _NOTHING,
    "vrrp_port_id": Amphora.frontend_port_id,
    "ha_port_id": _NOTHING,
    "cert_expiration": _moment(Amphora.cert_expiration),
    "cert_busy": _NO,
    "role": literal(ROLE),
    "status": Amphora.status,
    "vrrp_interface": Amphora.frontend_interface,
    "vrrp_id": Amphora.frontend_id,
    "vrrp_priority": Amphora.frontend_priority,
    "cached_zone": Amphora.availability_zone,
    "created_at": _moment(Amphora.created_at),
    "updated_at": _moment(Amphora.updated_at),
    "image_id": _NOTHING,
    "compute_flavor": _NOTHING,
    "frontend_ip": _text(Amphora.frontend_ip),
    "frontend_subnet_id": Amphora.frontend_subnet_id,
    "frontend_port_id": Amphora.frontend_port_id,
    "frontend_interface": Amphora.frontend_interface,
    "frontend_id": Amphora.frontend_id,
    "frontend_priority": Amphora.frontend_priority,
    "service_type": Amphora.service_type,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAmphora:
    """An amphora and the columns of its row."""

    record: AmphoraRecord
    frontend_id: int | None
    frontend_priority: int | None
    created_at: datetime
    updated_at: datetime | None


def get(session: Session, amphora_id: str) -> ListedAmphora | None:
    """Get an amphora that is not DELETED; None if it is not ours."""
    row = session.scalars(
        select(Amphora).where(Amphora.id == amphora_id, ~Amphora.is_deleted)
    ).one_or_none()
    return None if row is None else _listed(row)


def marker_values(
    session: Session, request: listing.Request
) -> tuple[Any, ...] | None:
    """The values that the marker's row is sorted by, if it is ours."""
    return listing.values_of(session, COLUMNS, request)


def page(
    session: Session,
    request: listing.Request,
    marker: tuple[Any, ...] | None,
    load_balancer_ids: Collection[str] | None = None,
) -> list[ListedAmphora]:
    """Get our part of a page; two queries.

    :param marker: the values that the marker is sorted by, in either table
    :param load_balancer_ids: only the amphorae of these; None: of all
    :raises InvalidRequest: naming a wrong attribute, or value.
    """
    if load_balancer_ids is not None:
        request = replace(
            request,
            filters={**request.filters, _OF_VIPS: tuple(load_balancer_ids)},
        )
        if not load_balancer_ids:
            return []
    rows = listing.page(
        session,
        Amphora,
        COLUMNS,
        request,
        ~Amphora.is_deleted,
        marker_values=marker,
    )
    return [_listed(row) for row in rows]


def _listed(row: Amphora) -> ListedAmphora:
    return mapping.read(ListedAmphora, row, record=amphorae.record_of(row))
