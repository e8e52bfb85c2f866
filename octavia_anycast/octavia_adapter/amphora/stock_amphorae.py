# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's own amphorae, as :mod:`octavia_anycast.db.listing` wants them.

And what our amphorae have in Octavia's tables: the VIPs that they serve.

Layer: octavia_adapter. The session is the caller's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from octavia.common import constants
from octavia.db import models

_Row = models.Amphora
# The blueprint's names of what Octavia names after its VRRP.
FRONTEND = {
    "frontend_ip": "vrrp_ip",
    "frontend_port_id": "vrrp_port_id",
    "frontend_interface": "vrrp_interface",
    "frontend_id": "vrrp_id",
    "frontend_priority": "vrrp_priority",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VipPort:
    """The primary VIP of a load balancer."""

    ip_address: str | None
    port_id: str | None


def columns(session: Any) -> dict[str, Any]:
    """attribute -> column; ours that Octavia has not are always null."""
    project = (
        session.query(models.LoadBalancer.project_id)
        .filter(models.LoadBalancer.id == _Row.load_balancer_id)
        .correlate(_Row)
        .scalar_subquery()
    )
    # Octavia's amphorae have neither: a column that is null with them.
    nothing = session.query(_Row.image_id).filter(False).scalar_subquery()
    names = {c.name for c in _Row.__table__.columns} - {"load_balancer_id"}
    return {
        "project_id": project,
        "loadbalancer_id": _Row.load_balancer_id,
        "frontend_subnet_id": nothing,
        "service_type": nothing,
        **{name: getattr(_Row, name) for name in names},
        **{name: getattr(_Row, vrrp) for name, vrrp in FRONTEND.items()},
    }


MODEL = _Row
EXISTS = _Row.status != constants.DELETED


def vips_of(
    session: Any, load_balancer_ids: Collection[str]
) -> dict[str, VipPort]:
    """load_balancer_id -> its primary VIP; one query."""
    if not load_balancer_ids:
        return {}
    vip = models.Vip
    rows = session.query(
        vip.load_balancer_id, vip.ip_address, vip.port_id
    ).filter(vip.load_balancer_id.in_(load_balancer_ids))
    return {
        load_balancer_id: VipPort(ip_address=ip_address, port_id=port_id)
        for load_balancer_id, ip_address, port_id in rows
    }


def with_vip(
    session: Any, column: str, values: Collection[str]
) -> frozenset[str]:
    """The load balancers whose primary VIP has one of these values.

    :param column: a field of :class:`VipPort`
    """
    vip = models.Vip
    rows = session.query(vip.load_balancer_id).filter(
        getattr(vip, column).in_(values)
    )
    return frozenset(load_balancer_id for (load_balancer_id,) in rows)
