# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Fleet changes, and the amphorae that they look at.

The session is given and the caller owns the transaction.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import listing, mapping, models
from octavia_anycast.db.fleet import revision, told
from octavia_anycast.db.fleet.zone_drains import NEWEST_FIRST
from octavia_anycast.db.models import (
    Amphora,
    AmphoraListenerStatistics,
    AmphoraReport,
    Cluster,
)
from octavia_anycast.model.cluster import AmphoraStatus
from octavia_anycast.model.errors import Conflict, InvalidRequest
from octavia_anycast.model.fleet.change import (
    ENDED,
    ChangeKind,
    ChangeState,
    Counted,
    FleetAmphora,
    FleetChange,
    FleetChangeRequest,
    Health,
)
from octavia_anycast.planning.fleet.change import (
    begun_again,
)
from octavia_anycast.planning.fleet.reach import (
    Fleet,
    FleetProgress,
    progress,
    under_way,
)
from octavia_anycast.planning.fleet.zone_drain import NAMED_MAX

_ROW = models.FleetChangeRow
COLUMNS: listing.Columns = {
    "id": _ROW.id,
    "kind": _ROW.kind,
    "state": _ROW.state,
    "compute_host": _ROW.compute_host,
    "ended_at": _ROW.ended_at,
    "created_at": _ROW.created_at,
}
# How many ids one statement has.
CHUNK = 500
# An agent that has said nothing for so long is asked for nothing.
SILENT_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCount:
    """Amphorae that were booted from one image; None: it is not known."""

    image_id: str | None
    amphora_count: int
    load_balancer_count: int


def ask(
    session: Session, wanted: FleetChangeRequest, now: datetime
) -> FleetChange:
    """Store a fleet change, which the controller carries out.

    :raises Conflict: another one has not ended.
    :raises InvalidRequest: no amphora is on the compute host.
    """
    asked = revision.claim(session)
    other = active(session)
    if other is not None:
        raise Conflict(
            f"Fleet change {other.id} is {other.state.value}: abort it first."
        )
    if wanted.kind is ChangeKind.HOST:
        _check_host(session, wanted.compute_host or "")
    row = _ROW(
        kind=wanted.kind,
        compute_host=wanted.compute_host,
        canaries=wanted.canaries,
        parallel=wanted.parallel,
        soak=wanted.soak,
        state=ChangeState.RUNNING,
        reason="",
        canary_ids=(),
        is_proven=False,
        baselines={},
        offsets={},
        revision=asked,
        watched_revision=asked,
        told="",
        created_at=now,
    )
    session.add(row)
    session.flush()
    return _record(row)


def turn(
    session: Session, change_id: str, state: ChangeState, now: datetime
) -> FleetChange:
    """Pause, resume or abort one; idempotent.

    :raises NotFound: there is no such fleet change.
    :raises Conflict: it has ended, or takes something back.
    """
    row = mapping.locked(session, _ROW, change_id)
    before = _record(row)
    if state is before.state or (
        state is ChangeState.PAUSED and before.state is ChangeState.HALTED
    ):
        return before
    if before.state in ENDED:
        raise Conflict(
            f"Fleet change {change_id} is {before.state.value}: it has ended."
        )
    store(session, turned(session, before, state, now))
    return get(session, change_id)


def turned(
    session: Session, before: FleetChange, state: ChangeState, now: datetime
) -> FleetChange:
    """The change in another state.

    :raises Conflict: what is taken back is not back yet.
    """
    if state is ChangeState.PAUSED:
        return replace(before, state=state, reason="an operator paused it")
    if state is ChangeState.ABORTED:
        return replace(
            before,
            state=state,
            reason="an operator aborted it",
            stopped_at=before.stopped_at or now,
            ended_at=now,
        )
    if before.state is ChangeState.HALTED:
        found = fleet(session, before)
        if under_way(before, found):
            raise Conflict(
                f"Fleet change {before.id} takes back what it had begun: "
                "resume it when nothing is under way."
            )
        before = begun_again(before, found, revision.claim(session))
    return replace(before, state=state, reason="")


def get(session: Session, change_id: str) -> FleetChange:
    """Get one.

    :raises NotFound: there is no such fleet change.
    """
    return _record(mapping.required(session, _ROW, change_id))


def find_locked(session: Session, change_id: str) -> FleetChange | None:
    """Get one as it is now, and lock its row; None if there is none."""
    row = session.get(
        _ROW, change_id, populate_existing=True, with_for_update=True
    )
    return None if row is None else _record(row)


def active(session: Session) -> FleetChange | None:
    """The one that has not ended; None if all have."""
    row = session.scalar(select(_ROW).where(_ROW.state.not_in(ENDED)).limit(1))
    return None if row is None else _record(row)


def unfinished(session: Session) -> dict[str, ChangeState]:
    """Id -> state of those with something to do or to tell of; two queries.

    An aborted one has, as long as an amphora is marked as its.
    """
    running = session.execute(
        select(_ROW.id, _ROW.state).where(
            or_(_ROW.state.not_in(ENDED), _ROW.told != _ROW.state)
        )
    )
    found = {id_: state for id_, state in running}
    marked = session.scalars(
        select(Amphora.fleet_change_id)
        .where(~Amphora.is_deleted, Amphora.fleet_change_id.is_not(None))
        .distinct()
    )
    left = [id_ for id_ in marked if id_ is not None and id_ not in found]
    return found | dict.fromkeys(left, ChangeState.ABORTED)


def latest(session: Session) -> FleetChange | None:
    """The last one that was asked for."""
    row = session.scalar(
        select(_ROW).order_by(_ROW.created_at.desc(), _ROW.id).limit(1)
    )
    return None if row is None else _record(row)


def page(session: Session, wanted: listing.Request) -> list[FleetChange]:
    """Get a page of the list, the newest first if nothing else is asked."""
    if not wanted.order:
        wanted = replace(wanted, order=NEWEST_FIRST)
    return [_record(r) for r in listing.page(session, _ROW, COLUMNS, wanted)]


def store(session: Session, change: FleetChange) -> None:
    """Write what changes of one."""
    session.execute(
        update_rows(_ROW)
        .where(_ROW.id == change.id)
        .values(
            state=change.state,
            reason=change.reason,
            canary_ids=change.canary_ids,
            is_proven=change.is_proven,
            baselines=change.baselines,
            offsets=change.offsets,
            revision=change.revision,
            watched_revision=change.watched_revision,
            stopped_at=change.stopped_at,
            ended_at=change.ended_at,
        )
        .execution_options(synchronize_session="fetch")
    )


def fleet(session: Session, change: FleetChange) -> Fleet:
    """What a change looks at; three queries and two for each 500 amphorae.

    Health is read of the load balancers that it works on, and of those where
    it might begin next.
    """
    found = _amphorae(session, change)
    owners = _of_interest(change, found)
    ids = [one.id for one in found if one.load_balancer_id in owners]
    unmanaged = session.scalars(
        select(Cluster.load_balancer_id).where(~Cluster.is_enabled)
    )
    return Fleet(
        amphorae=tuple(found),
        health=_health(session, ids),
        unmanaged=frozenset(unmanaged),
    )


def _silent(session: Session, since: datetime) -> frozenset[str]:
    """The amphorae of load balancers whose agents have not reported since.

    Or never, as those that boot.
    """
    rows = session.scalars(
        select(Amphora.id)
        .outerjoin(AmphoraReport, Amphora.id == AmphoraReport.amphora_id)
        .where(
            Amphora.is_allocated,
            Amphora.load_balancer_id.is_not(None),
            or_(
                AmphoraReport.amphora_id.is_(None),
                AmphoraReport.reported_at < since,
            ),
        )
    )
    return frozenset(rows)


def without_health(
    session: Session, change: FleetChange, now: datetime
) -> Fleet:
    """What a change looks at, as far as it is counted; three queries at most.

    Of new certificates that is all.
    """
    is_certificate = change.kind is ChangeKind.CERTIFICATE
    unmanaged = session.scalars(
        select(Cluster.load_balancer_id).where(~Cluster.is_enabled)
    )
    return Fleet(
        amphorae=tuple(_amphorae(session, change)),
        unmanaged=frozenset(unmanaged),
        silent=(
            _silent(session, now - SILENT_AFTER)
            if is_certificate
            else frozenset()
        ),
    )


def record_told(
    session: Session, change_id: str, state: ChangeState
) -> str | None:
    """Record that a state is told of, see :func:`.told.record`."""
    return told.record(session, _ROW, change_id, state.value)


def distributors(session: Session) -> list[str]:
    """The distributors whose load balancers a fleet change may concern."""
    return told.distributors_of(session)


def mark_renewed(
    session: Session, amphora_ids: Collection[str], change: FleetChange
) -> None:
    """Record that these have had what the change is about."""
    session.execute(
        update_rows(Amphora)
        .where(Amphora.id.in_(amphora_ids))
        .values(fleet_revision=change.revision)
        .execution_options(synchronize_session=False)
    )


def progress_of(
    session: Session, change: FleetChange, now: datetime
) -> FleetProgress:
    """How far a change is; of one that has ended two counts are enough."""
    if change.state not in ENDED:
        return progress(change, without_health(session, change, now))
    rows_by_status = session.execute(
        select(Amphora.status, func.count())
        .where(Amphora.fleet_change_id == change.id)
        .group_by(Amphora.status)
    )
    counts = {status: int(count) for status, count in rows_by_status}
    replaced = counts.pop(AmphoraStatus.DELETED, 0)
    if change.kind is ChangeKind.CERTIFICATE:
        rows = select(func.count()).select_from(Amphora)
        renewed = rows.where(
            ~Amphora.is_deleted,
            Amphora.load_balancer_id.is_not(None),
            Amphora.fleet_revision >= change.revision,
        )
        replaced = int(session.scalar(renewed) or 0)
    return FleetProgress(replaced=replaced, under_way=sum(counts.values()))


def image_counts(session: Session) -> list[ImageCount]:
    """How many amphorae run which image; one query."""
    rows = session.execute(
        select(
            Amphora.image_id,
            func.count(),
            func.count(Amphora.load_balancer_id.distinct()),
        )
        .where(Amphora.is_allocated, Amphora.load_balancer_id.is_not(None))
        .group_by(Amphora.image_id)
        .order_by(Amphora.image_id)
    )
    return [
        ImageCount(
            image_id=image_id,
            amphora_count=int(count),
            load_balancer_count=int(owners),
        )
        for image_id, count, owners in rows
    ]


def unknown_images(session: Session) -> dict[str, str]:
    """amphora_id -> server, of those whose image was not looked up yet.

    A distributor's own amphorae are no matter of a fleet change.
    """
    rows = session.execute(
        select(Amphora.id, Amphora.compute_id).where(
            Amphora.is_allocated,
            Amphora.load_balancer_id.is_not(None),
            Amphora.image_id.is_(None),
            Amphora.compute_id.is_not(None),
        )
    )
    return {amphora_id: server_id for amphora_id, server_id in rows}


def count_ended(session: Session, older_than: datetime) -> int:
    """How many ended before this time."""
    rows = select(func.count()).select_from(_ROW)
    return int(session.scalar(rows.where(_old(older_than))) or 0)


def purge(session: Session, older_than: datetime) -> int:
    """Remove those that ended before this time; returns their number."""
    done = session.execute(delete_rows(_ROW).where(_old(older_than)))
    return int(done.rowcount)  # type: ignore[attr-defined]


def _old(older_than: datetime) -> Any:
    """One that amphorae are still marked with is taken back first."""
    borne = select(Amphora.fleet_change_id).where(
        ~Amphora.is_deleted, Amphora.fleet_change_id.is_not(None)
    )
    return and_(_ROW.ended_at < older_than, _ROW.id.not_in(borne))


def _record(row: models.FleetChangeRow) -> FleetChange:
    return mapping.read(FleetChange, row)


def _check_host(session: Session, host: str) -> None:
    """See that amphorae of load balancers are on a compute host.

    :raises InvalidRequest: none is.
    """
    hosts = session.scalars(
        select(Amphora.compute_host)
        .where(
            Amphora.is_allocated,
            Amphora.load_balancer_id.is_not(None),
            Amphora.compute_host.is_not(None),
        )
        .distinct()
    )
    known = sorted(name for name in hosts if name is not None)
    if host not in known:
        there = ", ".join(known[:NAMED_MAX]) or "none"
        raise InvalidRequest(
            "compute_host",
            f"no amphora of a load balancer is on compute host {host}; hosts "
            f"that have any: {there}",
        )


def _amphorae(session: Session, change: FleetChange) -> list[FleetAmphora]:
    """All that are there, and of the others those that it had to do with."""
    statement = (
        mapping.select_fields(Amphora, FleetAmphora)
        .where(
            Amphora.load_balancer_id.is_not(None),
            or_(
                ~Amphora.is_deleted,
                Amphora.fleet_change_id == change.id,
                Amphora.fleet_revision >= change.revision,
            ),
        )
        .order_by(Amphora.load_balancer_id, Amphora.created_at, Amphora.id)
    )
    return mapping.made(session, FleetAmphora, statement)


def _of_interest(
    change: FleetChange, found: Collection[FleetAmphora]
) -> set[str | None]:
    owners: set[str | None] = set(change.baselines)
    owners |= {
        one.load_balancer_id
        for one in found
        if one.fleet_change_id == change.id and one.is_there
    }
    return owners


def health_of(
    session: Session, load_balancer_ids: Collection[str]
) -> dict[str, Health]:
    """amphora_id -> how it serves, of these load balancers."""
    ids = session.scalars(
        select(Amphora.id).where(
            ~Amphora.is_deleted,
            Amphora.load_balancer_id.in_(list(load_balancer_ids)),
        )
    ).all()
    return _health(session, ids)


def _health(
    session: Session, amphora_ids: Collection[str]
) -> dict[str, Health]:
    found: dict[str, Health] = {}
    ids = sorted(amphora_ids)
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        counted = _counted(session, some)
        rows = session.execute(
            select(AmphoraReport.amphora_id, AmphoraReport.report).where(
                AmphoraReport.amphora_id.in_(some)
            )
        )
        for amphora_id, report in rows:
            if report is not None:
                found[amphora_id] = Health(
                    gate=report.gate.state,
                    gate_since=report.gate.since,
                    gate_reason=report.gate.reason,
                    announced=report.announced(),
                    counted=counted.get(amphora_id, {}),
                )
    return found


def _counted(
    session: Session, amphora_ids: Collection[str]
) -> dict[str, Mapping[str, Counted]]:
    table = AmphoraListenerStatistics
    found: dict[str, dict[str, Counted]] = {}
    rows: Any = session.execute(
        select(
            table.amphora_id,
            table.listener_id,
            table.total_connections,
            table.request_errors,
            table.failed_requests,
        ).where(table.amphora_id.in_(amphora_ids))
    )
    for amphora_id, listener_id, connections, errors, failed in rows:
        found.setdefault(amphora_id, {})[listener_id] = Counted(
            connections=int(connections),
            errors=int(errors),
            failed=None if failed is None else int(failed),
        )
    return dict(found)
