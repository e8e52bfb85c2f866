# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The drain of an amphora: its body in, its answer out."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from octavia.api.common import types
from wsme import types as wtypes

from octavia_anycast.db.amphora.reports import StoredReport
from octavia_anycast.model import codec
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    DrainOptions,
    DrainState,
    drain_of,
)

Text = wtypes.StringType()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainRequest:
    """The body of a PUT; an empty one asks for the defaults."""

    drain: DrainOptions = field(default_factory=DrainOptions)


class DrainVipResponse(types.BaseType):
    """What is left of one VIP."""

    vip_address = wtypes.wsattr(types.IPAddressType())
    announcing = wtypes.wsattr(bool)
    connections = wtypes.wsattr(int)


class DrainResponse(types.BaseType):
    """How far it has come."""

    state = wtypes.wsattr(Text)
    since = wtypes.wsattr(datetime)
    deadline = wtypes.wsattr(datetime)
    connections = wtypes.wsattr(int)
    vips = wtypes.wsattr([DrainVipResponse])
    reported_at = wtypes.wsattr(datetime)


class DrainRootResponse(types.BaseType):
    """One drain."""

    drain = wtypes.wsattr(DrainResponse)


def options_from(body: Any) -> DrainOptions:
    """Read the body of a PUT; none at all is an empty one.

    :raises InvalidRequest: with the path of the offending field.
    """
    return codec.read(DrainRequest, {} if body is None else body).drain


def response_of(
    record: AmphoraRecord, stored: StoredReport | None, leaving_seconds: float
) -> DrainResponse:
    """Make the response.

    :param stored: what the agent last said; None if nothing yet
    :param leaving_seconds: how long one on its way out may drain
    """
    drain = drain_of(record, leaving_seconds)
    counts = dict(stored.report.connections) if stored else {}
    return DrainResponse(
        state=(drain.state if drain else DrainState.NONE).value,
        since=_moment(drain.since if drain else None),
        deadline=_moment(drain.deadline if drain else None),
        connections=sum(counts.values()) if counts else None,
        vips=_vips(stored, counts),
        reported_at=_moment(stored.reported_at if stored else None),
    )


def _vips(
    stored: StoredReport | None, counts: dict[str, int]
) -> list[DrainVipResponse]:
    if stored is None:
        return []
    announced = {str(vip) for vip in stored.report.announced()}
    known = {str(path.vip_ip) for path in stored.report.paths}
    return [
        DrainVipResponse(
            vip_address=vip,
            announcing=vip in announced,
            connections=counts.get(vip),
        )
        for vip in sorted(known | set(counts))
    ]


def _moment(value: datetime | None) -> datetime | None:
    """UTC without saying so, in whole seconds, as Octavia has it."""
    if value is None:
        return None
    return value.astimezone(UTC).replace(tzinfo=None, microsecond=0)
