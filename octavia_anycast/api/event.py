# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``.../loadbalancers/ID/events`` and ``.../distributors/ID/events``.

What happened. A load balancer's user sees its events without what is the
operator's: BGP sessions, peers, amphorae, and the words of other services.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from octavia.common import constants

from octavia_anycast.api.declaration import calls, faults, resource
from octavia_anycast.api.declaration.calls import SEE_AMPHORAE, Call, ours
from octavia_anycast.api.declaration.fields import (
    ID,
    INTEGER,
    STORED_ADDRESS,
    TEXT,
    UUID,
    Kind,
    Resource,
    one_of,
)
from octavia_anycast.db import listing
from octavia_anycast.db.distributor import distributors
from octavia_anycast.db.monitoring import events
from octavia_anycast.db.monitoring.events import EventRecord, Scope
from octavia_anycast.model.errors import InvalidRequest, NotFound
from octavia_anycast.model.monitoring.event import (
    OPERATORS_CAUSES,
    OPERATORS_KINDS,
    EventKind,
)
from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    PROVIDER,
)

SINCE, UNTIL = "since", "until"
# With its microseconds: the order of events matters.
_EXACT = Kind(
    wsme=datetime,
    schema={
        "type": "string",
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?$",
    },
    shown=lambda at: at.astimezone(UTC).replace(tzinfo=None),
)
_OF_PEERS = ("peer_id", "peer_ip")
_OF_AMPHORAE = ("amphora_id", "availability_zone")
EVENT = Resource(
    name="Event",
    title="event",
    root="event",
    plural="events",
    filters=events.COLUMNS,
    fields={
        "id": ID,
        "created_at": _EXACT("When it happened (UTC)."),
        "kind": one_of(*EventKind)("What happened."),
        "load_balancer_id": UUID.or_null(
            "The load balancer; null: it is about an amphora of the "
            "distributor's own."
        ),
        "distributor_id": UUID("The distributor."),
        "amphora_id": UUID.or_null(
            "The amphora; null: it is about the load balancer as a whole; "
            "shown only to those whom the policy allows it."
        ),
        "availability_zone": TEXT.or_null(
            "The availability zone of the amphora; shown only to those whom "
            "the policy allows it."
        ),
        "peer_id": TEXT.or_null(
            "The BGP peer, of a session; shown only to those whom the policy "
            "allows it."
        ),
        "peer_ip": STORED_ADDRESS.or_null(
            "The peer's address; shown only to those whom the policy allows "
            "it."
        ),
        "from_state": TEXT(
            "The state before, such as booting, open or 2; empty: none."
        ),
        "to_state": TEXT("The state after."),
        "cause": TEXT.or_null(
            "Why, in a sentence. Null: it is the operator's, who is told."
        ),
        "change_count": INTEGER(
            "For how many changes it stands: more than 1 of a state that "
            "changed too often to be told each time."
        ),
    },
)
SCHEMAS = {"Event": EVENT.answer()}
_TIMES = (
    calls.query(
        SINCE,
        "Only those that happened then or later (ISO 8601; UTC if it names "
        "no zone).",
        {"type": "string"},
    ),
    calls.query(
        UNTIL,
        "Only those that happened before.",
        {"type": "string"},
    ),
)
SEE_DETAILS = ours("loadbalancer:get_event_details", calls.OPERATORS)


def _listed(path: str, name: str, summary: str, rule: Any) -> dict[str, Call]:
    call = calls.on(EVENT, "get_all", path, "list", rule, (400, 404))
    return {"get_all": replace(call, name=name, summary=summary, query=_TIMES)}


CALLS = _listed(
    "/v2/lbaas/loadbalancers/{loadbalancer_id}/events",
    "listLoadBalancerEvents",
    "List what happened to a load balancer",
    ours("loadbalancer:get_events", constants.RULE_API_READ),
)
CALLS_OF_DISTRIBUTORS = _listed(
    "/v2/lbaas/distributors/{distributor_id}/events",
    "listDistributorEvents",
    "List what happened to a distributor's amphorae and load balancers",
    ours("distributor:get_events", calls.OPERATORS),
)


class DistributorEventsController(resource.Collection):
    """What happened to all amphorae that use one distributor."""

    OF = EVENT
    CALLS = CALLS_OF_DISTRIBUTORS

    def _page(self, session: Any, wanted: Any) -> Sequence[Any]:
        if not distributors.exists(session, self._id):
            raise NotFound("Distributor", self._id)
        scope, wanted = narrowed(Scope(distributor_id=self._id), wanted)
        return events.page(session, scope, wanted)


class BalancerEventsController(resource.Collection):
    """What happened to one load balancer; made for a single request."""

    OF = EVENT
    CALLS = CALLS
    _sees_all = False
    _hidden: tuple[str, ...] = ()

    def _check(self, method: str, id: object = "") -> None:
        """Look Octavia's row up, and ask the policy.

        :raises NotFound: it is of another provider.
        """
        with self._octavia_transaction() as session:
            row = self._get_db_lb(session, self._id, show_deleted=False)
            project_id, provider = row.project_id, row.provider
        self._authorize(method, project_id)
        if provider != PROVIDER:
            with faults.translated():
                raise NotFound("Cluster", self._id)
        self._sees_all = SEE_DETAILS.allows(project_id)
        if not self._sees_all:
            self._hidden += _OF_PEERS
        if not SEE_AMPHORAE.allows(project_id):
            self._hidden += _OF_AMPHORAE

    def _page(self, session: Any, wanted: Any) -> Sequence[Any]:
        scope, wanted = narrowed(Scope(load_balancer_id=self._id), wanted)
        if not self._sees_all:
            scope = replace(scope, without=OPERATORS_KINDS)
        columns = {
            name: column
            for name, column in events.COLUMNS.items()
            if name not in self._hidden
        }
        return events.page(session, scope, wanted, columns)

    def _answers(self, session: Any, records: Sequence[Any]) -> list[Any]:
        return [EVENT.shown(one, **self._nulls(one)) for one in records]

    def _nulls(self, record: EventRecord) -> dict[str, Any]:
        """The values of what is not shown to this user."""
        values: dict[str, Any] = dict.fromkeys(self._hidden)
        if not self._sees_all and record.kind in OPERATORS_CAUSES:
            values["cause"] = None
        return values


def narrowed(
    scope: Scope, wanted: listing.Request
) -> tuple[Scope, listing.Request]:
    """Take the times out of the filters, and check the other ones.

    :raises InvalidRequest: naming the filter.
    """
    filters = dict(wanted.filters)
    since = _moment(SINCE, filters.pop(SINCE, ()))
    until = _moment(UNTIL, filters.pop(UNTIL, ()))
    if since is not None and until is not None and until <= since:
        raise InvalidRequest(UNTIL, "it is not later than since")
    _check_values(filters)
    return (
        replace(scope, since=since, until=until),
        replace(wanted, filters=filters),
    )


def _moment(name: str, texts: tuple[str, ...]) -> datetime | None:
    if not texts:
        return None
    if len(texts) > 1:
        raise InvalidRequest(name, "it is given more than once")
    try:
        return listing.moment(texts[0])
    except ValueError as e:
        raise InvalidRequest(
            name, f"{texts[0]!r} is no time such as 2026-11-30T12:00:00"
        ) from e


def _check_values(filters: Mapping[str, tuple[str, ...]]) -> None:
    for name, texts in filters.items():
        for text in texts:
            if name == "kind" and text not in list(EventKind):
                raise InvalidRequest(
                    name, f"{text!r} is none of {', '.join(EventKind)}"
                )
            is_id = name in EVENT.fields and EVENT.fields[name].is_id
            if is_id and not _is_uuid(text):
                raise InvalidRequest(name, f"{text!r} is no UUID")


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
