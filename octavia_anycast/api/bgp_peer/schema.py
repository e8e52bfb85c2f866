# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of a BGP peer. No answer has its password."""

from dataclasses import replace

from octavia_anycast.api import calls, policies
from octavia_anycast.api.fields import (
    CREATED_AT,
    ID,
    ID_AS_TEXT,
    INTEGER,
    STORED_ADDRESS,
    TEXT,
    UPDATED_AT,
    Field,
    Resource,
    between,
    list_of,
    nested,
    one_of,
)
from octavia_anycast.api.requests import PeerReference
from octavia_anycast.db.distributor import peers
from octavia_anycast.model import bgp
from octavia_anycast.model.errors import TEXT_MAX_LENGTH

SHORT = {"maxLength": TEXT_MAX_LENGTH}
AVAILABILITY_ZONE = Field(
    "availability_zone",
    TEXT.or_null,
    "Of a zone: the Nova availability zone. Of a peer: "
    "the one whose amphorae peer with it; null for all.",
    SHORT,
)
# The id of something else.
REFERENCE = Resource(name="Reference", fields=(replace(ID, kind=ID_AS_TEXT),))
REFERENCES = list_of(nested(REFERENCE))
_REFERENCES_OF_IDS = replace(
    REFERENCES, shown=lambda ids: [REFERENCE.type(id=one) for one in ids]
)
BFD = Resource(
    name="Bfd",
    fields=(
        Field(
            "min_tx_ms",
            INTEGER,
            "Desired minimum transmit interval, milliseconds.",
            between(10, 60_000),
        ),
        Field(
            "min_rx_ms",
            INTEGER,
            "Required minimum receive interval, milliseconds.",
            between(10, 60_000),
        ),
        Field(
            "multiplier",
            INTEGER,
            "How many packets may be missed.",
            between(2, 255),
        ),
    ),
)
PEER = Resource(
    name="Peer",
    root="bgp_peer",
    plural="bgp_peers",
    at="peer.",
    filters=peers.COLUMNS,
    fields=(
        ID,
        Field("name", TEXT, "A name; it need not be unique.", SHORT),
        Field("peer_ip", STORED_ADDRESS, "The peer's address."),
        Field(
            "remote_as",
            INTEGER,
            "The peer's AS number.",
            between(1, bgp.ASN_MAX),
        ),
        Field(
            "auth_type",
            one_of(*bgp.AuthType).or_null,
            "md5 (RFC 2385) with a password, or null.",
        ),
        Field(
            "password",
            TEXT,
            "Write-only: no answer has it. Printable ASCII without space, "
            "quote and backslash.",
            {
                "minLength": 1,
                "maxLength": bgp.PASSWORD_MAX_LENGTH,
                "pattern": r"^[!#-\[\]-~]+$",
                "writeOnly": True,
            },
            is_shown=False,
        ),
        Field(
            "ttl_hops",
            INTEGER.or_null,
            "GTSM (RFC 5082): how many hops away the peer is; null switches "
            "it off.",
            between(1, bgp.TTL_HOPS_MAX),
        ),
        Field(
            "hold_time",
            INTEGER,
            "Seconds: 0, or at least 3.",
            between(0, bgp.HOLD_TIME_MAX_SECONDS),
        ),
        Field(
            "keepalive_interval",
            INTEGER.or_null,
            "Seconds, at most a third of the hold time; null for the driver's "
            "own.",
            between(1, bgp.KEEPALIVE_MAX_SECONDS),
        ),
        Field(
            "bfd",
            nested(BFD, bgp.BfdTimers).or_null,
            "BFD timers (RFC 5880), or null; the driver bird only.",
        ),
        Field(
            "peering_network",
            one_of(*bgp.PeeringNetwork),
            "The network of the amphora that the session uses; frontend: "
            "speaker and BFD run beside HAProxy and see the front end itself.",
        ),
        AVAILABILITY_ZONE,
        Field(
            "compute_host",
            TEXT.or_null,
            "The compute host whose amphorae peer with it; null for all.",
            SHORT,
        ),
        Field(
            "max_prefixes",
            INTEGER.or_null,
            "How many prefixes the peer accepts; null: not known.",
            between(1, bgp.PREFIXES_MAX),
        ),
        Field(
            "communities",
            list_of(TEXT, pattern=r"^[0-9]{1,10}(:[0-9]{1,10}){1,2}$"),
            "ASN:VALUE (RFC 1997) or ASN:VALUE:VALUE (RFC 8092).",
            {"maxItems": bgp.COMMUNITIES_MAX},
        ),
        Field(
            "as_path_prepend",
            INTEGER,
            "How many times more the own AS is in the path.",
            between(0, bgp.PREPEND_MAX),
        ),
        Field(
            "med",
            INTEGER.or_null,
            "MULTI_EXIT_DISC of the paths; null for none.",
            between(0, bgp.MED_MAX),
        ),
        Field(
            "local_pref",
            INTEGER.or_null,
            "LOCAL_PREF towards the own AS; null for none.",
            between(0, bgp.MED_MAX),
        ),
        Field(
            "speakers",
            _REFERENCES_OF_IDS,
            "The BGP speakers: one per IP version at most.",
            at="speaker_ids",
        ),
        CREATED_AT,
        UPDATED_AT,
    ),
)
_NOT_SAID = frozenset(("id",))
SCHEMAS = {
    "Peer": PEER.answer(),
    "PeerReference": REFERENCE.request(PeerReference),
    "PeerRequest": PEER.request(bgp.Peer, without=_NOT_SAID),
    "PeerChange": PEER.change(bgp.Peer, without=_NOT_SAID),
}
CALLS = calls.collection(PEER, policies.PEERS)
