# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/bgp-peers``: the blueprint's BGP peer profiles."""

from dataclasses import dataclass, replace
from typing import Any

from octavia_anycast.api.declaration import bodies, calls, resource
from octavia_anycast.api.declaration.fields import (
    CREATED_AT,
    ID,
    ID_AS_TEXT,
    INTEGER,
    STORED_ADDRESS,
    TEXT,
    UPDATED_AT,
    Resource,
    between,
    list_of,
    nested,
    one_of,
)
from octavia_anycast.db.distributor import lifecycle, peers, speakers
from octavia_anycast.model import bgp
from octavia_anycast.model.bgp import Peer
from octavia_anycast.model.errors import TEXT_MAX_LENGTH
from octavia_anycast.octavia_adapter.secrets import FernetCipher

SHORT = {"maxLength": TEXT_MAX_LENGTH}
# The id of something else.
REFERENCE = Resource(
    name="Reference", fields={"id": replace(ID, kind=ID_AS_TEXT)}
)
REFERENCES = list_of(nested(REFERENCE))
_REFERENCES_OF_IDS = replace(
    REFERENCES, shown=lambda ids: [REFERENCE.type(id=one) for one in ids]
)
BFD = Resource(
    name="Bfd",
    fields={
        "min_tx_ms": INTEGER(
            "Desired minimum transmit interval, milliseconds.",
            between(10, 60_000),
        ),
        "min_rx_ms": INTEGER(
            "Required minimum receive interval, milliseconds.",
            between(10, 60_000),
        ),
        "multiplier": INTEGER(
            "How many packets may be missed.", between(2, 255)
        ),
    },
)
PEER = Resource(
    name="Peer",
    title="BGP peer",
    logged=("peer_ip",),
    root="bgp_peer",
    plural="bgp_peers",
    at="peer.",
    filters=peers.COLUMNS,
    fields={
        "id": ID,
        "name": TEXT("A name; it need not be unique.", SHORT),
        "peer_ip": STORED_ADDRESS("The peer's address."),
        "remote_as": INTEGER("The peer's AS number.", between(1, bgp.ASN_MAX)),
        "auth_type": one_of(*bgp.AuthType).or_null(
            "md5 (RFC 2385), which needs a password; or null."
        ),
        "password": TEXT(
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
        "peer_port": INTEGER(
            "The TCP port that the peer listens on.", between(1, bgp.PORT_MAX)
        ),
        "ttl_hops": INTEGER.or_null(
            "GTSM (RFC 5082): how many hops away the peer is; null switches "
            "it off.",
            between(1, bgp.TTL_HOPS_MAX),
        ),
        "hold_time": INTEGER(
            "Seconds: 0, or at least 3 (RFC 4271).",
            between(0, bgp.HOLD_TIME_MAX_SECONDS),
        ),
        "keepalive_interval": INTEGER.or_null(
            "Seconds, at most a third of the hold time; null: the driver "
            "chooses.",
            between(1, bgp.KEEPALIVE_MAX_SECONDS),
        ),
        "bfd": nested(BFD, bgp.BfdTimers).or_null(
            "BFD timers (RFC 5880), or null; only the driver bird has BFD."
        ),
        "peering_network": one_of(*bgp.PeeringNetwork)(
            "The network of the amphora that the session uses. frontend: the "
            "speaker and BFD run in HAProxy's network namespace and notice a "
            "failure of the front end."
        ),
        "availability_zone": TEXT.or_null(
            "The Nova availability zone whose amphorae peer with it; null for "
            "all.",
            SHORT,
        ),
        "compute_host": TEXT.or_null(
            "The compute host whose amphorae peer with it; null for all.",
            SHORT,
        ),
        "max_prefixes": INTEGER.or_null(
            "How many prefixes the peer accepts; null: unknown.",
            between(1, bgp.PREFIXES_MAX),
        ),
        "communities": list_of(
            TEXT, pattern=r"^[0-9]{1,10}(:[0-9]{1,10}){1,2}$"
        )(
            "ASN:VALUE (RFC 1997) or ASN:VALUE:VALUE (RFC 8092).",
            {"maxItems": bgp.COMMUNITIES_MAX},
        ),
        "as_path_prepend": INTEGER(
            "How many more times the local AS is in the path.",
            between(0, bgp.PREPEND_MAX),
        ),
        "med": INTEGER.or_null(
            "MULTI_EXIT_DISC of the paths; null for none.",
            between(0, bgp.MED_MAX),
        ),
        "local_pref": INTEGER.or_null(
            "LOCAL_PREF of the paths within the local AS; null for none.",
            between(0, bgp.MED_MAX),
        ),
        "speakers": _REFERENCES_OF_IDS(
            "The BGP speakers that it is registered with.", at="speaker_ids"
        ),
        "created_at": CREATED_AT,
        "updated_at": UPDATED_AT,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerReference:
    """An existing peer."""

    id: str


NOT_GIVEN = frozenset(("id",))
SCHEMAS = {
    "Peer": PEER.answer(),
    "PeerReference": REFERENCE.request(PeerReference),
    "PeerRequest": PEER.request(bgp.Peer, without=NOT_GIVEN),
    "PeerChange": PEER.change(bgp.Peer, without=NOT_GIVEN),
}
# The addresses of the fabric's routers are not for tenants.
CALLS = calls.collection(PEER, "/v2/lbaas/bgp-peers", calls.OPERATORS)


class PeersController(resource.Collection):
    """The collection and its members."""

    OF = PEER
    CALLS = CALLS
    ROWS = peers

    def _create(self, session: Any, body: Any) -> Any:
        peer = bodies.read(PEER, Peer, body, without=NOT_GIVEN)
        peers.create(session, peer, FernetCipher())
        return peers.get(session, peer.id)

    def _update(self, session: Any, id: str, body: Any) -> None:
        """Change one; the change reaches every amphora that peers with it."""
        peers.lock(session, id)
        record = peers.get(session, id)
        given = bodies.under(PEER, body)
        if isinstance(given, dict):
            if "id" in given:
                raise bodies.unknown("id")
            if given.get("auth_type", "") is None:
                given = {"password": None, **given}
        peer = bodies.changed(PEER, Peer, given, record)
        with_password = "password" in given
        if peer == record.peer and not with_password:
            return
        concerned = speakers.distributors_of(session, record.speaker_ids)
        lifecycle.lock(session, concerned)
        with resource.keeping_whole(session, concerned):
            peers.update(
                session, peer, FernetCipher(), with_password=with_password
            )
        lifecycle.begin_update(session, concerned)

    def _delete(self, session: Any, id: str) -> None:
        """Delete one that no speaker uses."""
        peers.lock(session, id)
        peers.delete(session, id)
