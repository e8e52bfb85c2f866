# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Zone drains, and what is known where they are asked for and carried out.

The session is given and the caller owns the transaction.
"""

from collections.abc import (
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Text,
    and_,
    func,
    or_,
    select,
    type_coerce,
)
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import epochs, listing, mapping, models
from octavia_anycast.db.amphora import amphorae, places, reports
from octavia_anycast.db.amphora.reports import StoredReport
from octavia_anycast.db.cluster import clusters
from octavia_anycast.db.distributor import (
    distributors,
    external_vips,
    peers,
)
from octavia_anycast.db.fleet import revision, told
from octavia_anycast.db.models import Amphora, AmphoraReport
from octavia_anycast.db.passwords import WithoutPasswords
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    DrainLimits,
)
from octavia_anycast.model.distributor import Distributor
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.model.fleet.zone_drain import (
    Holder,
    Place,
    ZoneDrain,
    ZoneDrainRequest,
    ZoneDrainState,
)
from octavia_anycast.model.wire import HELD, GateState, Report
from octavia_anycast.planning.dedicated import (
    external_states,
    sent_to,
    vips_to,
)
from octavia_anycast.planning.fleet import zone_drain as planning
from octavia_anycast.planning.fleet.zone_drain import (
    Known,
    Standing,
    StandingCluster,
)

_ROW = models.ZoneDrain
COLUMNS: listing.Columns = {
    "id": _ROW.id,
    "availability_zone": _ROW.availability_zone,
    "compute_host": _ROW.compute_host,
    "peer_id": _ROW.peer_id,
    "expires_at": _ROW.expires_at,
    "ended_at": _ROW.ended_at,
    "created_at": _ROW.created_at,
}
NEWEST_FIRST = (("created_at", True), ("id", True))
# How many load balancers one statement names.
CHUNK = 500
_OPEN = (GateState.UP, GateState.DISABLED)


def ask(
    session: Session,
    wanted: ZoneDrainRequest,
    limits: DrainLimits,
    now: datetime,
) -> ZoneDrain:
    """Store a zone drain, which the controller carries out.

    :raises InvalidRequest: there is no such place, or its end is no time.
    :raises Conflict: it is drained already, or too little would be left.
    """
    asked = revision.claim(session)
    place, end = wanted.place, wanted.end(now)
    planning.check(wanted, known(session, place, limits, now))
    row = _ROW(
        availability_zone=place.availability_zone,
        compute_host=place.compute_host,
        peer_id=place.peer_id,
        reason=wanted.reason,
        expires_at=end,
        timeout=wanted.timeout,
        revision=asked,
        boot_elsewhere=wanted.boot_elsewhere,
        is_forced=wanted.force,
        end_reason="",
        told="",
        created_at=now,
    )
    session.add(row)
    session.flush()
    return _record(row)


def ask_to_end(session: Session, drain_id: str, now: datetime) -> None:
    """Have one end before its time; idempotent.

    :raises NotFound: there is no such zone drain.
    :raises Conflict: it has ended.
    """
    found = get(session, drain_id)
    if found.ended_at is not None:
        raise Conflict(f"Zone drain {drain_id} has ended: {found.end_reason}.")
    begin_end(session, drain_id, planning.BY_OPERATOR, now)


def begin_end(
    session: Session, drain_id: str, reason: str, now: datetime
) -> None:
    """Record that it is to end, and why; the first one says it."""
    session.execute(
        update_rows(_ROW)
        .where(_ROW.id == drain_id, _ROW.end_wanted_at.is_(None))
        .values(end_wanted_at=now, end_reason=reason)
    )


def get(session: Session, drain_id: str) -> ZoneDrain:
    """Get one.

    :raises NotFound: there is no such zone drain.
    """
    return _record(mapping.required(session, _ROW, drain_id))


def lock(session: Session, drain_id: str) -> ZoneDrain | None:
    """Get one as it is now, and be alone with it until the transaction ends.

    None if there is none. Who marks amphorae and who ends it both do, or marks
    might come after its end, of which nobody would take them back.
    """
    epochs.take_turn(session, _ROW, drain_id)
    return find(session, drain_id)


def find(session: Session, drain_id: str) -> ZoneDrain | None:
    """Get one, as it is now; None if there is none."""
    row = session.get(_ROW, drain_id, populate_existing=True)
    return None if row is None else _record(row)


def page(session: Session, wanted: listing.Request) -> list[ZoneDrain]:
    """Get a page of the list, the newest first if nothing else is asked."""
    if not wanted.order:
        wanted = replace(wanted, order=NEWEST_FIRST)
    return [_record(r) for r in listing.page(session, _ROW, COLUMNS, wanted)]


def active(session: Session) -> tuple[ZoneDrain, ...]:
    """Those that have not ended; one query."""
    rows = session.scalars(
        select(_ROW)
        .where(_ROW.ended_at.is_(None))
        .order_by(_ROW.created_at, _ROW.id)
    )
    return tuple(_record(row) for row in rows)


def unfinished(session: Session) -> tuple[ZoneDrain, ...]:
    """Those with something to do or to tell of; one query.

    One that has ended has, as long as an amphora is marked as its.
    """
    is_untold = _ROW.told != ZoneDrainState.ENDED.value
    rows = session.scalars(
        select(_ROW)
        .where(or_(_ROW.ended_at.is_(None), is_untold, _ROW.id.in_(_borne())))
        .order_by(_ROW.created_at, _ROW.id)
    )
    return tuple(_record(row) for row in rows)


def record_told(
    session: Session, drain_id: str, state: ZoneDrainState
) -> str | None:
    """Record that a state is told of, see :func:`.told.record`."""
    return told.record(session, _ROW, drain_id, state.value)


def distributors_at(session: Session, place: Place) -> list[str]:
    """The distributors that a zone drain concerns.

    By their load balancers or by amphorae of their own.
    """
    return told.distributors_of(session, places.at(session, place))


def amphorae_of(
    session: Session, drain_ids: Iterable[str]
) -> Mapping[str, list[AmphoraRecord]]:
    """zone drain -> its amphorae that are there; two queries."""
    found: dict[str, list[AmphoraRecord]] = {}
    rows = session.scalars(
        select(Amphora)
        .where(~Amphora.is_deleted, Amphora.zone_drain_id.in_(list(drain_ids)))
        .order_by(Amphora.load_balancer_id, Amphora.id)
    )
    for row in rows:
        record = amphorae.record_of(row)
        found.setdefault(record.zone_drain_id or "", []).append(record)
    return found


def announcing(
    session: Session, drains: Iterable[ZoneDrain]
) -> Mapping[str, int]:
    """zone drain -> how many amphorae at its place announce, or will.

    By their last reports, whoever drains them; and those that boot, or that
    nobody asked to drain. Zone drains that end have none. Two queries for each
    that goes on.
    """
    return {
        drain.id: _announcing(session, drain.place)
        for drain in drains
        if drain.end_wanted_at is None and drain.ended_at is None
    }


def record_marked(session: Session, drain_id: str, now: datetime) -> None:
    """Record that all that were at the place were asked; the first time."""
    session.execute(
        update_rows(_ROW)
        .where(_ROW.id == drain_id, _ROW.marked_at.is_(None))
        .values(marked_at=now)
    )


def finish(session: Session, drain_id: str, now: datetime) -> bool:
    """Record that it has ended; False if another controller has."""
    done = session.execute(
        update_rows(_ROW)
        .where(_ROW.id == drain_id, _ROW.ended_at.is_(None))
        .values(ended_at=now)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def known(
    session: Session, place: Place, limits: DrainLimits, now: datetime
) -> Known:
    """All that is known of a place and of those who have amphorae there."""
    there = _ids_by_holder(
        session, ~Amphora.is_deleted, places.at(session, place)
    )
    drains = active(session)
    return Known(
        clusters=standing(session, there, limits, now),
        in_place=frozenset().union(*there.values()),
        places=_places(session, place),
        active=drains,
        taken=places.taken(session),
        peer_zones=_peer_zones(
            session, [place, *(drain.place for drain in drains)]
        ),
        is_everywhere=is_everywhere(session, place),
    )


def avoided(session: Session) -> frozenset[str]:
    """The zones in which nothing boots, as they are drained."""
    found = active(session)
    peer_zones = _peer_zones(session, [one.place for one in found])
    return planning.avoided_zones(found, peer_zones=peer_zones)


def is_everywhere(session: Session, place: Place) -> bool:
    """Whether it is a peer of all amphorae of its speakers."""
    if place.peer_id is None:
        return False
    peer = peers.find(session, [place.peer_id]).get(place.peer_id)
    return (
        peer is not None
        and peer.availability_zone is None
        and peer.compute_host is None
    )


def _peer_zones(session: Session, wanted: Iterable[Place]) -> dict[str, str]:
    """BGP peer -> the zone whose amphorae have it, and all of these."""
    ids = [one.peer_id for one in wanted if one.peer_id is not None]
    found = peers.find(session, ids) if ids else {}
    return {
        id_: peer.availability_zone
        for id_, peer in found.items()
        if peer.availability_zone is not None and peer.compute_host is None
    }


def standing(
    session: Session,
    holders: Collection[Holder],
    limits: DrainLimits,
    now: datetime,
) -> tuple[StandingCluster, ...]:
    """Clusters, and distributors with their own, as our tables know them.

    By id; four queries for each 500 clusters, and a few for each distributor.
    """
    found: list[StandingCluster] = []
    fresh_since = now - timedelta(seconds=limits.stale_after)
    ids = sorted(h.load_balancer_id for h in holders if h.load_balancer_id)
    kept: dict[str, Distributor] = {}
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        found += _standing(session, some, fresh_since, kept)
    for holder in sorted(holders):
        if holder.distributor_id:
            found += _with_own(session, holder, fresh_since)
    return tuple(found)


def hold(session: Session, holder: Holder) -> bool:
    """Be alone with a holder's row until the transaction ends.

    :returns: False if there is none
    """
    if holder.load_balancer_id:
        return clusters.lock(session, holder.load_balancer_id) is not None
    epochs.take_turn(session, epochs.DISTRIBUTOR, holder.distributor_id)
    return distributors.exists(session, holder.distributor_id)


def unmarked(session: Session, place: Place) -> dict[Holder, frozenset[str]]:
    """Holder -> its amphorae at a place that nobody drains yet; sorted."""
    return _ids_by_holder(
        session,
        places.at(session, place),
        Amphora.is_allocated,
        Amphora.drain_wanted_since.is_(None),
        Amphora.leaving_since.is_(None),
    )


def _ids_by_holder(
    session: Session, *conditions: Any
) -> dict[Holder, frozenset[str]]:
    rows = session.execute(
        select(
            Amphora.load_balancer_id, Amphora.distributor_id, Amphora.id
        ).where(*conditions)
    )
    grouped = mapping.grouped((Holder.of(row), row.id) for row in rows)
    return {holder: frozenset(ids) for holder, ids in sorted(grouped.items())}


def count_ended(session: Session, older_than: datetime) -> int:
    """How many ended before this time."""
    rows = select(func.count()).select_from(_ROW).where(_old(older_than))
    return int(session.scalar(rows) or 0)


def purge(session: Session, older_than: datetime) -> int:
    """Remove those that ended before this time; returns their number."""
    done = session.execute(delete_rows(_ROW).where(_old(older_than)))
    return int(done.rowcount)  # type: ignore[attr-defined]


def _old(older_than: datetime) -> Any:
    return and_(_ROW.ended_at < older_than, _ROW.id.not_in(_borne()))


def _borne() -> Any:
    """Zone drains that amphorae are marked with."""
    return select(Amphora.zone_drain_id).where(
        ~Amphora.is_deleted, Amphora.zone_drain_id.is_not(None)
    )


def _record(row: models.ZoneDrain) -> ZoneDrain:
    return mapping.read(ZoneDrain, row)


def _standing(
    session: Session,
    load_balancer_ids: Sequence[str],
    fresh_since: datetime,
    kept: dict[str, Distributor],
) -> Iterator[StandingCluster]:
    stored = {
        one.amphora_id: one
        for one in reports.list_for_load_balancers(session, load_balancer_ids)
    }
    members: dict[str, list[Standing]] = {}
    for row in session.scalars(
        select(Amphora)
        .where(
            ~Amphora.is_deleted,
            Amphora.load_balancer_id.in_(load_balancer_ids),
        )
        .order_by(Amphora.created_at, Amphora.id)
    ):
        one = _of_row(row, stored.get(row.id), fresh_since)
        members.setdefault(row.load_balancer_id or "", []).append(one)
    for cluster in clusters.list_of(session, load_balancer_ids):
        distributor_id = cluster.distributor_id
        if distributor_id not in kept:
            kept[distributor_id] = _distributor(session, distributor_id)
        yield StandingCluster(
            holder=Holder(load_balancer_id=cluster.load_balancer_id),
            minimum=cluster.size.minimum,
            distributor=kept[distributor_id],
            amphorae=tuple(members.get(cluster.load_balancer_id, ())),
            is_managed=cluster.is_enabled,
            frontend_network_id=cluster.frontend_network_id,
            frontend_subnet_id=cluster.frontend_subnet_id,
        )


def _with_own(
    session: Session, holder: Holder, fresh_since: datetime
) -> Iterator[StandingCluster]:
    """A distributor with its own amphorae; nothing, if there is none."""
    found = distributors.get(
        session, holder.distributor_id, WithoutPasswords()
    )
    if found is None:
        return
    rows = session.execute(
        select(Amphora, AmphoraReport.report, AmphoraReport.reported_at)
        .outerjoin(AmphoraReport, AmphoraReport.amphora_id == Amphora.id)
        .where(
            ~Amphora.is_deleted,
            Amphora.distributor_id == holder.distributor_id,
        )
        .order_by(Amphora.created_at, Amphora.id)
    ).all()
    vips = external_vips.of_distributor(session, holder.distributor_id)
    states = external_states(vips)
    yield StandingCluster(
        holder=holder,
        minimum=1,
        distributor=found,
        external_vips=vips,
        amphorae=tuple(
            Standing(
                record=record,
                fleet_revision=row.fleet_revision,
                announced=vips_to(found, record, states, sent_to(report))
                if report is not None
                else frozenset(),
                expected=vips_to(found, record, states),
                has_paths=_counts(report),
                is_fresh=report is not None and reported_at >= fresh_since,
            )
            for row, report, reported_at in rows
            for record in [amphorae.record_of(row)]
        ),
    )


def _counts(report: Report | None) -> bool:
    """Whether a distributor's own has paths at some peer."""
    counts = report.path_counts if report is not None else ()
    return any(count.advertised for count in counts)


def _of_row(
    row: Amphora, last: StoredReport | None, fresh_since: datetime
) -> Standing:
    record = amphorae.record_of(row)
    return Standing(
        record=record,
        fleet_revision=row.fleet_revision,
        announced=last.report.announced() if last else frozenset(),
        is_fresh=bool(last and last.reported_at >= fresh_since),
        could_serve=bool(last and _could_serve(record, last.report)),
    )


def _could_serve(record: AmphoraRecord, report: Report) -> bool:
    """Whether a spare would announce, were it asked to."""
    return record.spare_since is not None and report.gate.state in _OPEN


def _distributor(session: Session, distributor_id: str) -> Distributor:
    found = distributors.get(session, distributor_id, WithoutPasswords())
    if found is None:
        raise NotFound("Distributor", distributor_id)
    return found


def _announcing(session: Session, place: Place) -> int:
    there = and_(~Amphora.is_deleted, places.at(session, place))
    coming = or_(
        Amphora.status == AmphoraStatus.BOOTING.value,
        and_(
            Amphora.is_allocated,
            Amphora.drain_wanted_since.is_(None),
            Amphora.leaving_since.is_(None),
        ),
    )
    found = set(session.scalars(select(Amphora.id).where(there, coming)))
    # Only reports that may have such a path are read; a distributor's own has
    # counts instead.
    text = type_coerce(AmphoraReport.report, Text)
    rows = session.execute(
        select(AmphoraReport.amphora_id, AmphoraReport.report)
        .join(Amphora, Amphora.id == AmphoraReport.amphora_id)
        .where(
            there,
            or_(
                Amphora.distributor_id.is_not(None),
                *(text.contains(f'"{s.value}"') for s in HELD),
            ),
        )
    )
    found.update(
        id_
        for id_, said in rows
        if said and (said.announced() or _counts(said))
    )
    return len(found)


def _places(session: Session, place: Place) -> frozenset[str]:
    """The names of all places of its kind."""
    if place.peer_id is not None:
        return frozenset(session.scalars(select(models.Peer.id)))
    column: Any = Amphora.compute_host
    if place.availability_zone is not None:
        column = Amphora.availability_zone
    names = set(
        session.scalars(
            select(column)
            .where(
                column.is_not(None),
                ~Amphora.is_deleted,
                Amphora.status != AmphoraStatus.ERROR.value,
            )
            .distinct()
        )
    )
    if place.availability_zone is not None:
        zones = select(models.Zone.availability_zone).distinct()
        names |= {zone for zone in session.scalars(zones) if zone}
    return frozenset(names)
