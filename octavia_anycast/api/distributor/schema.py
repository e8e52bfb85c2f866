# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of a distributor."""

from octavia.common import constants

from octavia_anycast.api import calls, policies
from octavia_anycast.api.bgp_peer.schema import AVAILABILITY_ZONE, SHORT
from octavia_anycast.api.bgp_speaker.schema import OWN_SPEAKER
from octavia_anycast.api.fields import (
    CREATED_AT,
    FLAG,
    ID,
    INTEGER,
    TEXT,
    UPDATED_AT,
    Field,
    Resource,
    between,
    list_of,
    nested,
    one_of,
)
from octavia_anycast.api.requests import DistributorChange, DistributorRequest
from octavia_anycast.db.distributor import distributors, lifecycle
from octavia_anycast.model.bgp import Speaker
from octavia_anycast.model.distributor import (
    DEDICATED_MAX,
    DistributorType,
    Zone,
)

PROVISIONING = one_of(*lifecycle.PENDING, constants.ACTIVE, constants.ERROR)
OPERATING = one_of(
    constants.ONLINE, constants.DEGRADED, constants.ERROR, constants.OFFLINE
)
ZONE = Resource(
    name="Zone",
    fields=(
        AVAILABILITY_ZONE,
        Field(
            "frontend_network_id",
            TEXT.or_null,
            "The network of the amphorae's front ends; null for the VIP's "
            "own.",
            {"format": "uuid"},
        ),
        Field(
            "frontend_subnet_ids",
            list_of(TEXT, format="uuid"),
            "Its subnets to choose from; empty: Neutron chooses one per "
            "family.",
        ),
    ),
)
DISTRIBUTOR = Resource(
    name="Distributor",
    root="distributor",
    plural="distributors",
    at="distributor.",
    filters=distributors.COLUMNS,
    fields=(
        ID,
        Field("name", TEXT, "A name; it need not be unique.", SHORT),
        Field("description", TEXT, "A text for people.", SHORT),
        Field(
            "distributor_type",
            one_of(*DistributorType),
            "The kind of distributor.",
        ),
        Field(
            "provisioning_status",
            PROVISIONING,
            "PENDING_* while the controller carries a change out; then "
            "ACTIVE, or ERROR with a status_reason.",
        ),
        Field(
            "operating_status",
            OPERATING,
            "ONLINE: every BGP session of its amphorae is established, or it "
            "has none; DEGRADED: some are; ERROR: none is; OFFLINE: it is "
            "disabled or new.",
        ),
        Field(
            "status_reason",
            TEXT,
            "Why it is in its status; empty if all is well.",
        ),
        Field(
            "enabled",
            FLAG,
            "Whether new load balancers may use it; those that do go on if "
            "not.",
            at="distributor.is_enabled",
        ),
        Field(
            "is_default",
            FLAG,
            "Whether load balancers that name no distributor use it; at most "
            "one is the default.",
        ),
        Field(
            "speakers",
            list_of(nested(OWN_SPEAKER, Speaker)),
            "The BGP speakers: one per IP version at most.",
        ),
        Field(
            "zones",
            list_of(nested(ZONE, Zone)),
            "Where amphorae may be, each availability zone once. Without "
            "zones there is one, anonymous, and the VIP's network is the "
            "front end.",
        ),
        Field(
            "dedicated_count",
            INTEGER,
            "How many amphorae of its own it has, which serve no load "
            "balancer: they announce its external VIPs and the amphorae "
            "registered with it.",
            between(0, DEDICATED_MAX),
        ),
        Field(
            "load_balancer_count",
            INTEGER,
            "How many load balancers use it.",
            at="counts.load_balancers",
        ),
        Field(
            "amphora_count",
            INTEGER,
            "How many amphorae serve these, or are its own.",
            at="counts.amphorae",
        ),
        Field(
            "vip_count",
            INTEGER,
            "How many different VIPs these announce, with its external ones.",
            at="counts.vips",
        ),
        CREATED_AT,
        UPDATED_AT,
    ),
)
SCHEMAS = {
    "Distributor": DISTRIBUTOR.answer(),
    "DistributorRequest": DISTRIBUTOR.request(DistributorRequest),
    "DistributorChange": DISTRIBUTOR.change(DistributorChange),
}
CALLS = calls.collection(
    DISTRIBUTOR,
    policies.DISTRIBUTORS,
    delete_faults=(400, 404, 409),
    delete_query=[
        calls.query(
            "cascade",
            "Whether its external VIPs and registrations of amphorae go too, "
            "and its peers, as far as no other speaker uses them.",
            {"type": "boolean", "default": False},
        )
    ],
)
