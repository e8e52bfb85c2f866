# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributors/ID/vips``: external VIPs.

A call registers or unregisters at once; the controller has the dedicated
amphorae follow. The distributor is not locked meanwhile: there may be
thousands of such calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from octavia_anycast.api.declaration import bodies, calls, resource
from octavia_anycast.api.declaration.fields import (
    ADDRESS,
    CREATED_AT,
    ID,
    ID_AS_TEXT,
    INTEGER,
    UPDATED_AT,
    UUID,
    Resource,
)
from octavia_anycast.db import dedicated
from octavia_anycast.db.distributor import external_vips
from octavia_anycast.db.distributor.external_vips import VipRecord
from octavia_anycast.db.models import new_id
from octavia_anycast.db.registration import registering
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.registration import ExternalVip
from octavia_anycast.planning.dedicated import announces

VIP = Resource(
    name="Vip",
    title="external VIP",
    logged=("vip_address", "next_hop"),
    root="vip",
    plural="vips",
    at="vip.",
    filters=external_vips.COLUMNS,
    fields={
        "id": ID,
        "distributor_id": UUID(
            "The distributor that it belongs to.", at="distributor_id"
        ),
        "vip_address": ADDRESS("The VIP.", at="vip.vip_ip"),
        "next_hop": ADDRESS(
            "The endpoint to which the fabric sends the VIP's traffic.",
            at="vip.nexthop_ip",
        ),
        "peer_id": ID_AS_TEXT.or_null(
            "The BGP peer to which it is announced; null: all peers."
        ),
        "announcing_count": INTEGER("How many amphorae announce it."),
        "created_at": CREATED_AT,
        "updated_at": UPDATED_AT,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VipRequest:
    """An external VIP; ``peer_id`` null: it is for all peers."""

    vip_address: IPAddress
    next_hop: IPAddress
    peer_id: str | None = None


SCHEMAS = {"Vip": VIP.answer(), "VipRequest": VIP.request(VipRequest)}
CALLS = calls.registry(
    VIP, "/v2/lbaas/distributors/{distributor_id}/vips", "vip_id"
)


class VipsController(resource.Collection):
    """The external VIPs of one distributor."""

    OF = VIP
    CALLS = CALLS
    ROWS = external_vips

    def _answers(self, session: Any, records: Sequence[Any]) -> list[Any]:
        reports = dedicated.reports_of(session, self._id)
        return [
            VIP.shown(
                record,
                announcing_count=sum(
                    announces(report, record.vip) for report in reports
                ),
            )
            for record in records
        ]

    def _create(self, session: Any, body: Any) -> VipRecord:
        wanted = bodies.read(VIP, VipRequest, body)
        vip = ExternalVip(
            id=new_id(),
            vip_ip=wanted.vip_address,
            nexthop_ip=wanted.next_hop,
            peer_id=wanted.peer_id,
        )
        return registering.register_vip(
            session, self._vip_holders(), self._id, vip
        )
