# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The drain of an amphora: its declaration, and what is asked for.

A request becomes a mark in the amphora's row, or a refusal. The session is
given and the caller owns the transaction. The controller checks again later:
other amphorae may be gone by the time it drains this one.
"""

from dataclasses import dataclass, field
from typing import Any

from octavia_anycast.api.declaration import calls
from octavia_anycast.api.declaration.calls import Call, ours
from octavia_anycast.api.declaration.fields import (
    ADDRESS,
    FLAG,
    INTEGER,
    MOMENT,
    Resource,
    between,
    list_of,
    nested,
    one_of,
)
from octavia_anycast.db.amphora.reports import StoredReport
from octavia_anycast.model import codec
from octavia_anycast.model.cluster import (
    TIMEOUT_MAX_SECONDS,
    AmphoraRecord,
    DrainOptions,
    DrainState,
    drain_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainRequest:
    """The body of a PUT; an empty one asks for the defaults."""

    drain: DrainOptions = field(default_factory=DrainOptions)


_CONNECTIONS = INTEGER.or_null(
    "Number of TCP connections that are still established; null if unknown."
)
_VIP = Resource(
    name="DrainVip",
    fields={
        "vip_address": ADDRESS("The VIP."),
        "announcing": FLAG(
            "Whether a BGP peer still has the amphora's path for this VIP."
        ),
        "connections": _CONNECTIONS,
    },
)
DRAIN = Resource(
    name="Drain",
    root="drain",
    fields={
        "state": one_of(*DrainState)(
            "NONE: the amphora is in service; PENDING: the drain is "
            "requested but has not begun; DRAINING: paths are announced with "
            "GRACEFUL_SHUTDOWN (RFC 8326); DRAINED: paths are withdrawn."
        ),
        "since": MOMENT.or_null(
            "When the drain was requested (UTC); null if it was not."
        ),
        "deadline": MOMENT.or_null(
            "When the amphora withdraws its paths, even if connections are "
            "left (UTC); later by as long as the drain has to wait."
        ),
        "connections": _CONNECTIONS,
        "vips": list_of(nested(_VIP))("The connections of each VIP."),
        "reported_at": MOMENT.or_null(
            "When the amphora's agent reported it (UTC); null if never."
        ),
    },
)
_OPTIONS = Resource(
    name="DrainOptions",
    fields={
        "timeout": INTEGER(
            "Seconds after the drain has begun until paths are withdrawn, "
            "even if connections are left; for the paths of a registration, "
            "after it was first requested. Null: the option drain_timeout; "
            "for the paths of a registration, 5 seconds.",
            between(0, TIMEOUT_MAX_SECONDS),
        )
    },
)
_REQUEST = Resource(
    name="DrainRequest",
    fields={
        "drain": nested(_OPTIONS, DrainOptions)("The options of the drain.")
    },
)
SCHEMAS = {
    "Drain": DRAIN.answer(),
    "DrainRequest": _REQUEST.request(DrainRequest),
}
_PATH = "/v2/octavia/amphorae/{amphora_id}/drain"
CALLS = {
    "get": Call(
        "GET",
        _PATH,
        "showDrain",
        "Show the progress of an amphora's drain and the connections "
        "that are left",
        ours("amphora:get_drain"),
        DRAIN,
        (404, 409),
    ),
    "put": calls.drain(
        DRAIN,
        _PATH,
        "drainAmphora",
        "Take an amphora out of service; idempotent",
        ours("amphora:put_drain"),
    ),
    "delete": Call(
        "DELETE",
        _PATH,
        "undoDrain",
        "Undo the drain of an amphora: it announces again",
        ours("amphora:delete_drain"),
        faults=(404, 409),
    ),
}


def options_from(body: Any) -> DrainOptions:
    """Read the body of a PUT; none at all is an empty one.

    :raises InvalidRequest: with the path of the offending field.
    """
    return codec.read(DrainRequest, {} if body is None else body).drain


def response_of(
    record: AmphoraRecord, stored: StoredReport | None, leaving_seconds: float
) -> Any:
    """Make the answer.

    :param stored: what the agent last said; None if nothing yet
    :param leaving_seconds: how long one on its way out may drain
    """
    drain = drain_of(record, leaving_seconds)
    counts = dict(stored.report.connections) if stored else {}
    of_none = {"state": DrainState.NONE, "since": None, "deadline": None}
    return DRAIN.shown(
        drain,
        **({} if drain else of_none),
        connections=sum(counts.values()) if counts else None,
        vips=_vips(stored, counts),
        reported_at=stored.reported_at if stored else None,
    )


def _vips(stored: StoredReport | None, counts: dict[str, int]) -> list[Any]:
    if stored is None:
        return []
    announced = {str(vip) for vip in stored.report.announced()}
    known = {str(path.vip_ip) for path in stored.report.paths}
    return [
        _VIP.shown(
            None,
            vip_address=vip,
            announcing=vip in announced,
            connections=counts.get(vip),
        )
        for vip in sorted(known | set(counts))
    ]
