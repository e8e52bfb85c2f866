# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of a BGP speaker."""

from dataclasses import replace

from octavia_anycast.api import calls, policies
from octavia_anycast.api.bgp_peer.schema import REFERENCE, REFERENCES
from octavia_anycast.api.calls import Call
from octavia_anycast.api.fields import (
    CREATED_AT,
    ID,
    INTEGER,
    UPDATED_AT,
    UUID,
    Field,
    Kind,
    Resource,
    between,
    list_of,
    nested,
    one_of,
)
from octavia_anycast.api.requests import (
    DRIVERS,
    PeerReference,
    SpeakerChange,
    SpeakerRequest,
)
from octavia_anycast.db.distributor import speakers
from octavia_anycast.model import bgp

PEERS_TEXT = "The peers that are registered with it."


def _peers(*references: str) -> Field:
    asked = nested(REFERENCE, PeerReference, *references)
    kind = replace(REFERENCES, asked=list_of(asked).asked)
    return Field("peers", kind, PEERS_TEXT)


_OWN = (
    ID,
    Field(
        "ip_version",
        Kind(wsme=int, schema={"type": "integer", "enum": [4, 6]}),
        "The IP version of its sessions' transport. A session carries VIPs of "
        "both families.",
    ),
    Field(
        "local_as",
        INTEGER,
        "The AS number of the amphorae.",
        between(1, bgp.ASN_MAX),
    ),
    Field(
        "driver",
        one_of(*bgp.SpeakerDriver),
        "The program in the amphora that speaks BGP; the same for all "
        "speakers of a distributor. Not given: that of the others, or bird "
        "where a peer has BFD, else exabgp.",
        {"enum": sorted(DRIVERS)},
    ),
)
# A speaker within its distributor.
OWN_SPEAKER = Resource(
    name="OwnSpeaker", fields=(*_OWN, _peers("PeerReference", "PeerRequest"))
)
SPEAKER = Resource(
    name="Speaker",
    root="bgp_speaker",
    plural="bgp_speakers",
    at="speaker.",
    filters=speakers.COLUMNS,
    fields=(
        Field(
            "distributor_id",
            UUID,
            "The distributor that it belongs to.",
            at="distributor_id",
        ),
        CREATED_AT,
        UPDATED_AT,
        *_OWN,
        _peers("PeerReference"),
    ),
)
SCHEMAS = {
    "Speaker": SPEAKER.answer(),
    "SpeakerRequest": SPEAKER.request(SpeakerRequest),
    "SpeakerChange": SPEAKER.change(SpeakerChange),
}
_ONE_PEER = f"{policies.SPEAKERS}/{{bgp_speaker_id}}/bgp-peers/{{bgp_peer_id}}"
CALLS = calls.collection(SPEAKER, policies.SPEAKERS)
CALLS_OF_PEERS = (
    Call(
        "PUT",
        _ONE_PEER,
        "registerPeer",
        "Register a peer; idempotent",
        200,
        calls.whole(SPEAKER),
        (400, 404, 409),
    ),
    calls.deletes(
        _ONE_PEER, "unregisterPeer", "Unregister a peer, which stays", 404, 409
    ),
)
