# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is asked of an amphora's drain: a mark in its row, or a refusal.

The API and the distributor driver do this and nothing else, so that they
refuse the same. The session is given and the caller owns the transaction.
The controller looks again, at what is then: others may be gone by the time
it drains.
"""

from datetime import datetime, timedelta
from typing import Any

from octavia_anycast.db.amphora import amphorae, places, reports
from octavia_anycast.db.amphora.reports import StoredReport
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.models import ZoneDrain
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    ClusterRecord,
    DrainLimits,
)
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.planning.amphora.draining import obstacle, wish

_NO_MARKS = {
    "draining_since": None,
    "drained_at": None,
    "finishing_since": None,
}


def ask(
    session: Any,
    record: AmphoraRecord,
    limits: DrainLimits,
    now: datetime,
    timeout: float | None = None,
) -> AmphoraRecord:
    """Ask for a drain; idempotent.

    :param timeout: seconds from when it begins; None: as it was, or the
        limits' ``drain_timeout``
    :raises NotFound: if there is no such amphora any more.
    :raises Conflict: it is not in service, or nobody else would be.
    """
    cluster, record = _locked(session, record)
    if record.drain_wanted_since is None:
        fresh_since = now - timedelta(seconds=limits.stale_after)
        _check_others(session, cluster, record, fresh_since)
        # Whatever an earlier one has left would end this one at once.
        amphorae.update(session, record.id, **_NO_MARKS)
    # One that a zone drain or a canary's fleet change had drained is the
    # operator's own from now on.
    if record.stand_in_wanted and record.zone_drain_id is None:
        amphorae.update(session, record.id, fleet_change_id=None)
    amphorae.update(
        session,
        record.id,
        zone_drain_id=None,
        stand_in_wanted=False,
        **wish(record, timeout, limits, now),
    )
    return amphorae.get(session, record.id) or record


def take_back(session: Any, record: AmphoraRecord) -> None:
    """Have it announce again; nothing, if it was not asked to drain.

    :raises NotFound: if there is no such amphora any more.
    :raises Conflict: if it is being removed, or a zone drain drains it.
    """
    _, current = _locked(session, record)
    of_zone = session.get(ZoneDrain, current.zone_drain_id or "")
    if (
        current.drain_wanted_since
        and of_zone is not None
        and of_zone.ended_at is None
    ):
        raise Conflict(
            f"Amphora {record.id} is drained by zone drain "
            f"{current.zone_drain_id}: it announces again when that ends."
        )
    if current.zone_drain_id is not None and of_zone is None:
        amphorae.update(
            session, record.id, zone_drain_id=None, stand_in_wanted=False
        )
    elif current.drain_wanted_since and current.stand_in_wanted:
        raise Conflict(
            f"Amphora {record.id} is drained by fleet change "
            f"{current.fleet_change_id}: abort that to have it back."
        )
    amphorae.update(
        session,
        record.id,
        drain_wanted_since=None,
        drain_deadline=None,
        **_NO_MARKS,
    )


def restore(session: Any, before: AmphoraRecord) -> None:
    """Have it drain as it did, or not; nothing is checked."""
    amphorae.update(
        session,
        before.id,
        drain_wanted_since=before.drain_wanted_since,
        drain_deadline=before.drain_deadline,
        draining_since=before.draining_since,
        drained_at=before.drained_at,
        finishing_since=before.finishing_since,
        zone_drain_id=before.zone_drain_id,
        stand_in_wanted=before.stand_in_wanted,
        fleet_change_id=before.fleet_change_id,
    )


def last_report(session: Any, record: AmphoraRecord) -> StoredReport | None:
    """What the amphora's agent last said; None if nothing."""
    return _reports(session, record.load_balancer_id or "").get(record.id)


def served_by(record: AmphoraRecord) -> str:
    """The id of its load balancer.

    :raises Conflict: it is a dedicated amphora of a distributor.
    """
    if record.load_balancer_id is None:
        raise Conflict(
            f"Amphora {record.id} serves no load balancer: it is a dedicated "
            "amphora of a distributor. Drain its zone or compute host, or "
            "the registrations of those for whom it announces."
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
            f"{current.reason or 'it is one too many'}."
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
    """See that enough others go on (invariant 1)."""
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
    taken = places.taken(session)
    announced = {
        one.id: stored[one.id].report.announced()
        if one.id in stored
        and (one.id == record.id or stored[one.id].reported_at >= fresh_since)
        else frozenset()
        for one in amphorae.list_for(session, cluster.load_balancer_id)
        if one.id == record.id or (one.id not in taken and _stays(one))
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
