# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The declaration of an amphora's drain."""

from dataclasses import dataclass, field
from typing import Any

from octavia_anycast.api import calls, policies
from octavia_anycast.api.calls import Call
from octavia_anycast.api.fields import (
    ADDRESS,
    FLAG,
    INTEGER,
    MOMENT,
    Field,
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


_CONNECTIONS = Field(
    "connections",
    INTEGER.or_null,
    "Established TCP connections that are left; null if that is not known.",
)
_VIP = Resource(
    name="DrainVip",
    fields=(
        Field("vip_address", ADDRESS, "The VIP."),
        Field(
            "announcing",
            FLAG,
            "Whether some BGP peer holds its path for this VIP.",
        ),
        _CONNECTIONS,
    ),
)
DRAIN = Resource(
    name="Drain",
    root="drain",
    fields=(
        Field(
            "state",
            one_of(*DrainState),
            "NONE: it is in service; PENDING: asked for, and not begun; "
            "DRAINING: announced with GRACEFUL_SHUTDOWN (RFC 8326); DRAINED: "
            "withdrawn.",
        ),
        Field(
            "since",
            MOMENT.or_null,
            "When it was asked for (UTC); null if it was not.",
        ),
        Field(
            "deadline",
            MOMENT.or_null,
            "When it withdraws, whatever is left (UTC).",
        ),
        _CONNECTIONS,
        Field("vips", list_of(nested(_VIP)), "The same for each VIP."),
        Field(
            "reported_at",
            MOMENT.or_null,
            "When its agent said so (UTC); null if never.",
        ),
    ),
)
_OPTIONS = Resource(
    name="DrainOptions",
    fields=(
        Field(
            "timeout",
            INTEGER,
            "Seconds after which it withdraws, whatever is left; counted from "
            "the first time the drain was asked for. Null: as the option "
            "drain_timeout says.",
            between(0, TIMEOUT_MAX_SECONDS),
        ),
    ),
)
_REQUEST = Resource(
    name="DrainRequest",
    fields=(
        Field("drain", nested(_OPTIONS, DrainOptions), "How it is to drain."),
    ),
)
SCHEMAS = {
    "Drain": DRAIN.answer(),
    "DrainRequest": _REQUEST.request(DrainRequest),
}
CALLS = (
    Call(
        "GET",
        policies.AMPHORA_DRAIN,
        "showDrain",
        "Show how far the drain of an amphora is, and what is left",
        200,
        calls.whole(DRAIN),
        (404, 409),
    ),
    calls.drains(
        DRAIN,
        policies.AMPHORA_DRAIN,
        "drainAmphora",
        "Take an amphora out of service; idempotent",
    ),
    calls.deletes(
        policies.AMPHORA_DRAIN, "undoDrain", "Have it announce again", 404, 409
    ),
)


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
    return DRAIN.shown(
        None,
        state=drain.state if drain else DrainState.NONE,
        since=drain.since if drain else None,
        deadline=drain.deadline if drain else None,
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
