# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""``/v2/lbaas/distributor-checks``: what is wrong, and what to do about it.

From what the agents reported last, from our tables, and from Neutron's
security groups. Nothing of it is stored: each request looks anew, and has the
controller ask agents that answered a while ago.
"""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from oslo_config import cfg

from octavia_anycast.api.declaration import calls, faults, listing, resource
from octavia_anycast.api.declaration.calls import ours
from octavia_anycast.api.declaration.fields import (
    ID,
    INTEGER,
    TEXT,
    UUID,
    Resource,
    list_of,
    nested,
    one_of,
)
from octavia_anycast.db.doctor import tables
from octavia_anycast.db.listing import Request
from octavia_anycast.model.errors import AnycastError, InvalidRequest
from octavia_anycast.octavia_adapter.cloud import open_ports
from octavia_anycast.planning.doctor.checks import CHECKS, Result, examine
from octavia_anycast.planning.doctor.seen import Seen, Severity

DISTRIBUTOR = "distributor_id"
STEP = Resource(
    name="CheckStep",
    fields={
        "place": TEXT("Where: a router, the cloud, an amphora, a host."),
        "command": TEXT("The command; words in capitals are to be replaced."),
    },
)
_FIELDS = {
    "id": ID,
    "check": one_of(*CHECKS)("What was looked at."),
    "severity": one_of(*Severity)(
        "ok; unknown: it could not be found out; warning: it serves, and may "
        "not go on to; error: traffic is lost, or would be."
    ),
    "distributor_id": UUID.or_null(
        "The distributor; null: it is about none, or about all."
    ),
    "load_balancer_id": UUID.or_null("The load balancer, if it is about one."),
    "amphora_id": UUID.or_null("The amphora, if it is about one."),
    "peer_id": TEXT.or_null("The BGP peer, if it is about one."),
    "count": INTEGER(
        "Of how many things it speaks. What is wrong is told one by one, what "
        "is ok or unknown once for each check and distributor."
    ),
    "summary": TEXT("What is wrong, or why it is not known; empty if ok."),
    "reference": TEXT("The section of the operator guide."),
}
CHECK = Resource(
    name="DistributorCheck",
    title="distributor check",
    root="distributor_check",
    plural="distributor_checks",
    filters=_FIELDS,
    fields={
        **_FIELDS,
        "steps": list_of(nested(STEP))(
            "What to look at and what to type, in this order."
        ),
    },
)
SCHEMAS = {"DistributorCheck": CHECK.answer()}
CALLS = {
    "get_all": calls.on(
        CHECK,
        "get_all",
        "/v2/lbaas/distributor-checks",
        "list",
        ours("distributor:get_checks", calls.OPERATORS),
        (400, 404),
    )
}
_NAMESPACE = uuid.UUID("2f0c3b0e-0f0a-5f5e-8a43-7f6f1d0a0c55")
_READERS = {name: attrgetter(name) for name in _FIELDS}


class ChecksController(resource.Collection):
    """What the doctor finds now."""

    OF = CHECK
    CALLS = CALLS

    def get_all(self, fields: Any = None) -> Any:
        """Look, and list what was found."""
        self._check("get_all")
        wanted = listing.requested()
        with faults.translated():
            results = examine(self._look(_named(wanted)))
            wanted = _without_name(wanted)
            found = listing.cut(list(_rows(results)), wanted, _READERS)
        shown = [self.OF.shown(one) for one in found]
        links = listing.links(wanted, [one.id for one in shown])
        return self.OF.list(self._selected(shown, fields), links)

    def _look(self, distributor_id: str | None) -> Seen:
        """Ask the tables, and then Neutron, outside of a transaction."""
        settings, now = self._settings, datetime.now(UTC)
        with self._transaction() as session:
            seen = tables.read(
                session,
                now,
                settings.doctor_limits(
                    cfg.CONF.certificates.cert_validity_time
                ),
                distributor_id,
            )
            owners = tables.owners(session, distributor_id)
            tables.ask_for_looks(session, distributor_id, now)
        try:
            groups = open_ports.look(
                owners, opens_rescue_port=settings.flow_rescue
            )
        except AnycastError as e:
            return replace(seen, why_no_groups=str(e))
        return replace(seen, groups=groups)


def _named(wanted: Request) -> str | None:
    """The distributor that is asked for: then no other one is looked at.

    :raises InvalidRequest: several are named.
    """
    ids = wanted.filters.get(DISTRIBUTOR, ())
    if len(ids) > 1:
        raise InvalidRequest(DISTRIBUTOR, "it is given more than once")
    return ids[0] if ids else None


def _without_name(wanted: Request) -> Request:
    """All that was looked at is about it; some of it has no distributor."""
    filters = {k: v for k, v in wanted.filters.items() if k != DISTRIBUTOR}
    return replace(wanted, filters=filters)


def _rows(results: Iterable[Result]) -> Iterable[SimpleNamespace]:
    """What the list shows; an id of its own for each, the same at each look.

    A check may say several things of one subject, such as of the shares of a
    load balancer in each of its zones: they are numbered.
    """
    told: Counter[tuple[str | None, ...]] = Counter()
    for result in results:
        subject = result.subject
        key: tuple[str | None, ...] = (
            result.check,
            result.severity,
            subject.distributor_id,
            subject.load_balancer_id,
            subject.amphora_id,
            subject.peer_id,
        )
        told[key] += 1
        name = key if told[key] == 1 else (*key, told[key])
        yield SimpleNamespace(
            id=str(uuid.uuid5(_NAMESPACE, repr(name))),
            check=result.check,
            severity=result.severity.value,
            distributor_id=subject.distributor_id,
            load_balancer_id=subject.load_balancer_id,
            amphora_id=subject.amphora_id,
            peer_id=subject.peer_id,
            count=result.count,
            summary=result.summary,
            steps=list(result.steps),
            reference=result.reference,
        )
