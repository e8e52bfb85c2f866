# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of an external VIP."""

from octavia_anycast.api import calls, policies
from octavia_anycast.api.fields import (
    ADDRESS,
    CREATED_AT,
    ID,
    ID_AS_TEXT,
    INTEGER,
    UPDATED_AT,
    UUID,
    Field,
    Resource,
)
from octavia_anycast.api.requests import VipRequest
from octavia_anycast.db.distributor import external_vips

VIP = Resource(
    name="Vip",
    root="vip",
    plural="vips",
    at="vip.",
    filters=external_vips.COLUMNS,
    fields=(
        ID,
        Field(
            "distributor_id",
            UUID,
            "The distributor that it belongs to.",
            at="distributor_id",
        ),
        Field("vip_address", ADDRESS, "The VIP.", at="vip.vip_ip"),
        Field(
            "next_hop",
            ADDRESS,
            "The amphora's front-end address; of an external VIP its "
            "endpoint.",
            at="vip.nexthop_ip",
        ),
        Field(
            "peer_id",
            ID_AS_TEXT.or_null,
            "The peer that is told; of an external VIP null: all peers are.",
        ),
        Field(
            "announcing_count",
            INTEGER,
            "How many amphorae announce it: an external VIP, or every VIP of "
            "a cluster.",
        ),
        CREATED_AT,
        UPDATED_AT,
    ),
)
SCHEMAS = {"Vip": VIP.answer(), "VipRequest": VIP.request(VipRequest)}
_ONE = f"{policies.VIPS}/{{vip_id}}"
CALLS = (
    calls.lists(
        VIP,
        policies.VIPS,
        "listVips",
        "List the external VIPs of a distributor",
        400,
        404,
    ),
    calls.creates(
        VIP,
        policies.VIPS,
        "registerVip",
        "Register an external VIP",
        400,
        404,
        409,
    ),
    calls.shows(VIP, _ONE, "showVip", "Show an external VIP"),
    calls.deletes(_ONE, "unregisterVip", "Unregister an external VIP", 404),
)
