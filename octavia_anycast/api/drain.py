# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The drain of an amphora: its declaration, and what is asked for.

A request becomes a mark in the amphora's row, or a refusal. The session is
given and the caller owns the transaction. The controller checks again later:
other amphorae may be gone by the time it drains this one.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
from octavia_anycast.db.amphora import amphorae, reports
from octavia_anycast.db.amphora.reports import StoredReport
from octavia_anycast.db.cluster import clusters
from octavia_anycast.model import codec
from octavia_anycast.model.cluster import (
    TIMEOUT_MAX_SECONDS,
    AmphoraRecord,
    AmphoraStatus,
    ClusterRecord,
    DrainOptions,
    DrainState,
    drain_of,
)
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.options import Settings
from octavia_anycast.planning.amphora.drain_check import obstacle


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
            "left (UTC)."
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
            "Seconds after the first request for the drain until paths are "
            "withdrawn, even if connections are left. Null: the option "
            "drain_timeout.",
            between(0, TIMEOUT_MAX_SECONDS),
        ),
    },
)
_REQUEST = Resource(
    name="DrainRequest",
    fields={
        "drain": nested(_OPTIONS, DrainOptions)("The options of the drain."),
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


_NO_MARKS = {"draining_since": None, "drained_at": None}


def ask(
    session: Any,
    record: AmphoraRecord,
    options: DrainOptions,
    settings: Settings,
    now: datetime,
) -> AmphoraRecord:
    """Request a drain; idempotent. A timeout counts from the first request.

    :raises NotFound: if the amphora no longer exists.
    :raises Conflict: it is not in service, or too few others would be.
    """
    cluster, record = _locked(session, record)
    if record.drain_wanted_since is None:
        age = timedelta(seconds=settings.report_stale_after)
        _check_others(session, cluster, record, now - age)
        # The marks of an earlier drain would end this one at once.
        amphorae.update(session, record.id, **_NO_MARKS)
    since = record.drain_wanted_since or now
    deadline = record.drain_deadline
    if options.timeout is not None:
        deadline = since + timedelta(seconds=options.timeout)
    elif deadline is None:
        deadline = since + timedelta(seconds=settings.policy.drain_timeout)
    amphorae.update(
        session, record.id, drain_wanted_since=since, drain_deadline=deadline
    )
    return amphorae.get(session, record.id) or record


def take_back(session: Any, record: AmphoraRecord) -> None:
    """Undo a drain, if one was requested.

    :raises NotFound: if the amphora no longer exists.
    :raises Conflict: if the amphora is being removed.
    """
    _, record = _locked(session, record)
    amphorae.update(
        session,
        record.id,
        drain_wanted_since=None,
        drain_deadline=None,
        **_NO_MARKS,
    )


def last_report(session: Any, record: AmphoraRecord) -> StoredReport | None:
    """The last report of the amphora's agent; None if there is none."""
    return _reports(session, record.load_balancer_id or "").get(record.id)


def served_by(record: AmphoraRecord) -> str:
    """The id of its load balancer.

    :raises Conflict: it is a dedicated amphora of a distributor.
    """
    if record.load_balancer_id is None:
        raise Conflict(
            f"Amphora {record.id} serves no load balancer: it is a dedicated "
            "amphora of a distributor. To drain what it announces, drain the "
            "registrations."
        )
    return record.load_balancer_id


def _locked(
    session: Any, record: AmphoraRecord
) -> tuple[ClusterRecord, AmphoraRecord]:
    """The two as they are now, until the transaction ends."""
    load_balancer_id = served_by(record)
    cluster = clusters.lock(session, load_balancer_id)
    if cluster is None:
        raise NotFound("Cluster", load_balancer_id)
    current = amphorae.get(session, record.id)
    if current is None or current.status is AmphoraStatus.DELETED:
        raise NotFound("Amphora", record.id)
    if current.leaving_since is not None:
        raise Conflict(
            f"Amphora {record.id} is being removed: "
            f"{current.reason or 'the cluster has too many amphorae'}."
        )
    if current.status is not AmphoraStatus.ALLOCATED:
        raise Conflict(
            f"Amphora {record.id} is {current.status}: only one that is "
            "ALLOCATED can be drained."
        )
    return cluster, current


def _check_others(
    session: Any,
    cluster: ClusterRecord,
    record: AmphoraRecord,
    fresh_since: datetime,
) -> None:
    """Check that enough others keep serving (invariant 1)."""
    if record.spare_since is not None:
        raise Conflict(
            f"Amphora {record.id} is a spare: it announces nothing that "
            "could be drained."
        )
    if not record.applied_revision:
        raise Conflict(
            f"Amphora {record.id} has no configuration yet: it announces "
            "nothing that could be drained."
        )
    stored = _reports(session, cluster.load_balancer_id)
    announced = {
        one.id: stored[one.id].report.announced()
        if one.id in stored
        and (one.id == record.id or stored[one.id].reported_at >= fresh_since)
        else frozenset()
        for one in amphorae.list_for(session, cluster.load_balancer_id)
        if one.id == record.id or _stays(one)
    }
    problem = obstacle(record.id, announced, cluster.size.minimum)
    if problem:
        raise Conflict(f"Amphora {record.id} cannot be drained: {problem}.")


def _stays(record: AmphoraRecord) -> bool:
    return (
        record.status is AmphoraStatus.ALLOCATED
        and record.leaving_since is None
        and record.drain_wanted_since is None
        and record.spare_since is None
    )


def _reports(session: Any, load_balancer_id: str) -> dict[str, StoredReport]:
    found = reports.list_for_load_balancer(session, load_balancer_id)
    return {one.amphora_id: one for one in found}
