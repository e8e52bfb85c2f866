# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of a path: what an amphora announces of a VIP to a peer."""

from octavia_anycast.api import calls, policies
from octavia_anycast.api.fields import (
    ADDRESS,
    ID,
    MOMENT,
    NUMBER,
    STORED_ADDRESS,
    TEXT,
    UUID,
    Field,
    Resource,
    one_of,
)
from octavia_anycast.model.bgp import SessionState
from octavia_anycast.model.wire import PathState

_FIELDS = (
    ID,
    Field("amphora_id", UUID, "The amphora that announces."),
    Field("load_balancer_id", UUID, "The load balancer that it serves."),
    Field("vip_address", ADDRESS, "The VIP."),
    Field("prefix", TEXT, "The host route."),
    Field(
        "next_hop",
        ADDRESS,
        "The amphora's front-end address; of an external VIP its endpoint.",
    ),
    Field(
        "speaker_id",
        UUID.or_null,
        "The speaker; null if the peer is not registered any more.",
    ),
    Field(
        "peer_id",
        TEXT,
        "The peer that is told; of an external VIP null: all peers are.",
    ),
    Field(
        "peer_name",
        TEXT.or_null,
        "Its name; null if it is not registered any more.",
    ),
    Field("peer_ip", STORED_ADDRESS.or_null, "The peer's address."),
    Field(
        "session_state",
        one_of(*SessionState).or_null,
        "The state of the session (RFC 4271); null: unknown.",
    ),
    Field(
        "session_since", MOMENT.or_null, "Since when (UTC); null if unknown."
    ),
    Field(
        "state",
        one_of(*PathState),
        "advertised; draining: with GRACEFUL_SHUTDOWN (RFC 8326); pending: "
        "wanted, but the session is down; withdrawn.",
    ),
    Field("reason", TEXT, "Why, if it is not advertised."),
    Field("reported_at", MOMENT, "When the amphora's agent said so (UTC)."),
    Field("report_age", NUMBER, "How long ago that is, seconds."),
)
PATH = Resource(
    name="Path",
    root="path",
    plural="paths",
    filters=[f.name for f in _FIELDS],
    fields=_FIELDS,
)
SCHEMAS = {"Path": PATH.answer()}
CALLS = (
    calls.lists(
        PATH,
        f"{policies.DISTRIBUTORS}/{{distributor_id}}/paths",
        "listPaths",
        "List what the amphorae announce",
        400,
        404,
    ),
)
