# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae: our rows; DELETED ones stay until they are purged."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, or_, select
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session, lazyload

from octavia_anycast.db import epochs, mapping
from octavia_anycast.db.amphora import amphora_statistics
from octavia_anycast.db.models import (
    Amphora,
    AmphoraHealth,
    AmphoraRegistration,
    AmphoraReport,
    Cluster,
    FleetRevision,
    FrontendAddress,
)
from octavia_anycast.db.registration import (
    amphora_registrations,
    registrations,
)
from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.cluster import (
    AmphoraRecord,
    AmphoraStatus,
    BootFailure,
    DrainMark,
)
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.model.monitoring.event import Told
from octavia_anycast.model.wire import Frontend
from octavia_anycast.model.wire import FrontendAddress as ModelAddress

# What is changed as it is: all fields but those with a rule of their own.
_PLAIN = frozenset(AmphoraRecord.__dataclass_fields__) - {
    "id",
    "frontend",
    "status",
}
_PLAIN_ALSO = ("is_refused", "is_invalid")
_TABLE = mapping.table_of(Amphora)
_RECORD_TOLD = (
    update_rows(_TABLE)
    .where(_TABLE.c.id == bindparam("of"))
    .values(told=bindparam("marks"))
)
_DRAIN_COLUMNS = {
    DrainMark.BEGUN: "draining_since",
    DrainMark.ENDED: "drained_at",
}


def create(session: Session, record: AmphoraRecord) -> None:
    """Store an amphora, before anything of it is made."""
    row = Amphora(**mapping.columns_of(Amphora, record))
    row.fleet_revision = session.scalar(select(FleetRevision.revision)) or 0
    if record.status is AmphoraStatus.ERROR:
        row.failed_at = record.status_since
    _set_frontend(row, record.frontend)
    session.add(row)
    session.flush()


def get(session: Session, amphora_id: str) -> AmphoraRecord | None:
    """Get one amphora, even if DELETED; None if there is none."""
    row = session.get(Amphora, amphora_id)
    return None if row is None else record_of(row)


def list_for(session: Session, load_balancer_id: str) -> list[AmphoraRecord]:
    """The amphorae of a load balancer that are not DELETED."""
    return _select(session, Amphora.load_balancer_id == load_balancer_id)


def list_registered(
    session: Session, distributor_id: str
) -> list[AmphoraRecord]:
    """The amphorae of a distributor's load balancers; two queries."""
    registered = select(AmphoraRegistration.amphora_id).where(
        AmphoraRegistration.distributor_id == distributor_id
    )
    return _select(session, Amphora.id.in_(registered))


def list_dedicated(
    session: Session, distributor_id: str
) -> list[AmphoraRecord]:
    """The distributor's own amphorae that are not DELETED."""
    return _select(session, Amphora.distributor_id == distributor_id)


def list_all(session: Session) -> list[AmphoraRecord]:
    """Every amphora that is not DELETED; two queries."""
    return _select(session)


def list_known(session: Session) -> list[AmphoraRecord]:
    """Every amphora that has a row, also DELETED ones; two queries."""
    rows = session.scalars(select(Amphora).order_by(Amphora.id))
    return [record_of(row) for row in rows]


def served_by(
    session: Session, amphora_ids: Iterable[str]
) -> dict[str, str | None]:
    """amphora_id -> its load balancer, of those that exist; one query."""
    rows = session.execute(
        select(Amphora.id, Amphora.load_balancer_id).where(
            Amphora.id.in_(list(amphora_ids))
        )
    )
    return {amphora_id: owner for amphora_id, owner in rows}


def mark_drain(
    session: Session,
    amphora_id: str,
    mark: DrainMark,
    *,
    wanted_since: datetime | None,
    now: datetime,
) -> bool:
    """Record how far a drain is, if it is still wanted; one statement.

    :param wanted_since: when the drain was asked for that was carried out; if
        that request was taken back since then, nothing is recorded
    :returns: False if the drain is not wanted any more
    """
    column = _DRAIN_COLUMNS[mark]
    wanted: list[ColumnElement[bool]] = [Amphora.leaving_since.is_not(None)]
    if wanted_since is not None:
        wanted.append(Amphora.drain_wanted_since == wanted_since)
    done = session.execute(
        update_rows(Amphora)
        .where(Amphora.id == amphora_id, or_(*wanted))
        .values({column: now})
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def update(
    session: Session,
    amphora_id: str,
    *,
    now: datetime | None = None,
    **changes: Any,
) -> None:
    """Change fields of :class:`AmphoraRecord`.

    A new ``status`` sets ``status_since`` to ``now``; ERROR is remembered
    as a failure.

    :raises NotFound: if there is no such amphora.
    :raises ValueError: for a name that is not a field, or a status without
        ``now``.
    """
    row = mapping.required(session, Amphora, amphora_id)
    for name, value in changes.items():
        if name == "status":
            _set_status(row, AmphoraStatus(value), now)
        elif name == "frontend":
            _set_frontend(row, value)
        elif name in _PLAIN or name in _PLAIN_ALSO:
            setattr(row, name, value)
        else:
            raise ValueError(f"{name} is not a field of an amphora")
    session.flush()


def record_told(session: Session, told: Mapping[str, Told]) -> None:
    """Store what events told of amphorae; one prepared statement.

    :param told: amphora_id -> all that was told of it
    """
    rows = [{"of": id_, "marks": told[id_]} for id_ in sorted(told)]
    if rows:
        session.connection().execute(_RECORD_TOLD, rows)


def request_deletion(session: Session, amphora_id: str, now: datetime) -> None:
    """Ask that a failed amphora is deleted.

    :raises NotFound: if there is no such amphora.
    :raises Conflict: if it is not in ERROR: then it belongs to a cluster.
    """
    status = session.scalar(
        select(Amphora.status)
        .where(Amphora.id == amphora_id)
        .with_for_update()
    )
    if status != AmphoraStatus.ERROR:
        if status is None:
            raise NotFound("Amphora", amphora_id)
        raise Conflict(
            f"Amphora {amphora_id} is {status}: only one in ERROR can be "
            "deleted. To replace it, ask for its failover."
        )
    update(session, amphora_id, now=now, status=AmphoraStatus.PENDING_DELETE)


def mark_deleted(session: Session, amphora_id: str, now: datetime) -> None:
    """Mark it DELETED; forget its heartbeat, report and registrations.

    :raises NotFound: if there is no such amphora.
    """
    update(session, amphora_id, now=now, status=AmphoraStatus.DELETED)
    _forget(session, [amphora_id])


def failures_since(
    session: Session,
    owner_id: str,
    since: datetime,
    *,
    is_dedicated: bool = False,
) -> list[BootFailure]:
    """Failed boots of a load balancer's amphorae, oldest first.

    Amphorae that are DELETED by now count, too. Where another amphora was
    booted and ran between two failures, the first failure was not for want of
    room: a controller that dies while it orders a server leaves such a row.

    :param is_dedicated: ``owner_id`` is a distributor, with its own amphorae
    """
    owner = (
        Amphora.distributor_id if is_dedicated else Amphora.load_balancer_id
    )
    is_ours = owner == owner_id
    rows = session.scalars(
        select(Amphora)
        .where(is_ours, Amphora.failed_at >= since)
        .order_by(Amphora.failed_at)
        .options(lazyload("*"))
    ).all()
    moments = select(Amphora.created_at).where(
        is_ours,
        Amphora.created_at >= since,
        Amphora.lb_network_ip.is_not(None),
    )
    ran = session.scalars(moments).all() if len(rows) > 1 else ()
    failed_at = [row.failed_at for row in rows if row.failed_at is not None]
    # Nothing lies between the last one and itself.
    ends = (*failed_at[1:], *failed_at[-1:])
    return [
        mapping.read(
            BootFailure,
            row,
            at=at,
            has_run=row.lb_network_ip is not None
            or any(at < moment < end for moment in ran),
        )
        for row, at, end in zip(rows, failed_at, ends, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Wish:
    """What users ask for an amphora; a new request makes it unequal."""

    amphora_id: str
    load_balancer_id: str | None
    failover_wanted: bool
    agent_update_wanted: bool
    drain_deadline: datetime | None
    stand_in_wanted: bool = False


def silent(session: Session, before: datetime) -> dict[str, str | None]:
    """amphora_id -> load balancer, of those last heard of before a time.

    Only ALLOCATED ones that were heard of at all; one query.
    """
    rows = session.execute(
        select(Amphora.id, Amphora.load_balancer_id)
        .join(AmphoraHealth, AmphoraHealth.amphora_id == Amphora.id)
        .where(Amphora.is_allocated, AmphoraHealth.last_update < before)
    )
    return {amphora_id: owner for amphora_id, owner in rows}


def wishes(session: Session) -> set[Wish]:
    """What is asked for amphorae that are not DELETED; one query."""
    rows = session.execute(
        select(
            Amphora.id,
            Amphora.load_balancer_id,
            Amphora.failover_wanted,
            Amphora.agent_update_wanted,
            Amphora.drain_deadline,
            Amphora.stand_in_wanted,
        ).where(
            ~Amphora.is_deleted,
            or_(
                Amphora.failover_wanted.is_(True),
                Amphora.agent_update_wanted.is_(True),
                Amphora.drain_deadline.is_not(None),
                Amphora.stand_in_wanted.is_(True),
                Amphora.status == AmphoraStatus.PENDING_DELETE.value,
            ),
        )
    )
    return {Wish(*row) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An amphora of a cluster that has a spare."""

    amphora_id: str
    load_balancer_id: str
    address: IPAddress


def watched(session: Session) -> list[Watched]:
    """The configured amphorae of clusters that have a spare; one query."""
    statement = (
        select(
            Amphora.id.label("amphora_id"),
            Amphora.load_balancer_id,
            Amphora.lb_network_ip.label("address"),
        )
        .join(Cluster, Cluster.load_balancer_id == Amphora.load_balancer_id)
        .where(
            Cluster.spare_count > 0,
            Amphora.is_allocated,
            Amphora.leaving_since.is_(None),
            Amphora.applied_at.is_not(None),
            Amphora.lb_network_ip.is_not(None),
        )
        .order_by(Amphora.id)
    )
    return mapping.made(session, Watched, statement)


def replacements_under_way(
    session: Session, since: datetime, *, is_locked: bool = False
) -> int:
    """How many amphorae boot to replace others, in all clusters.

    :param since: those that were booted or came up before this time are
        stuck and do not count
    :param is_locked: keep others from beginning one until the end of the
        transaction, on other database nodes, too
    """
    if is_locked:
        epochs.take_named_turn(session, epochs.REPLACEMENTS)
    query = select(Amphora.id).where(
        Amphora.is_replacing.is_(True),
        Amphora.status.in_((AmphoraStatus.BOOTING, AmphoraStatus.ALLOCATED)),
        Amphora.status_since >= since,
    )
    if is_locked:
        query = query.with_for_update()
    return len(session.scalars(query).all())


def purge(session: Session, older_than: datetime) -> int:
    """Remove rows DELETED before this time; returns their number."""
    return _remove(session, Amphora.status_since < older_than)


def purge_of(session: Session, load_balancer_id: str) -> int:
    """Remove the DELETED rows of a load balancer that is gone."""
    return _remove(session, Amphora.load_balancer_id == load_balancer_id)


def _remove(session: Session, condition: ColumnElement[bool]) -> int:
    doomed = session.scalars(
        select(Amphora.id).where(Amphora.is_deleted, condition)
    ).all()
    if not doomed:
        return 0
    _forget(session, doomed)
    for model, column in (
        (FrontendAddress, FrontendAddress.amphora_id),
        (Amphora, Amphora.id),
    ):
        session.execute(delete_rows(model).where(column.in_(doomed)))
    return len(doomed)


def _forget(session: Session, amphora_ids: Iterable[str]) -> None:
    for model in (AmphoraHealth, AmphoraReport):
        session.execute(
            delete_rows(model).where(model.amphora_id.in_(amphora_ids))
        )
    amphora_statistics.delete_for(session, list(amphora_ids))
    for amphora_id in amphora_ids:
        registrations.delete_for_amphora(session, amphora_id)
        amphora_registrations.forget_amphora(session, amphora_id)


def _select(session: Session, *conditions: Any) -> list[AmphoraRecord]:
    rows = session.scalars(
        select(Amphora)
        .where(~Amphora.is_deleted, *conditions)
        .order_by(Amphora.created_at, Amphora.id)
    )
    return [record_of(row) for row in rows]


def _set_status(
    row: Amphora, status: AmphoraStatus, now: datetime | None
) -> None:
    if now is None:
        raise ValueError("a change of status needs the time")
    if row.status == status:
        return
    row.status = status
    row.status_since = now
    if status is AmphoraStatus.ERROR:
        row.failed_at = now


def _set_frontend(row: Amphora, frontend: Frontend | None) -> None:
    addresses = frontend.addresses if frontend else ()
    row.frontend_mac_address = frontend.mac_address if frontend else None
    row.frontend_mtu = frontend.mtu if frontend else None
    row.frontend_ip = addresses[0].ip_address if addresses else None
    row.frontend_subnet_id = addresses[0].subnet_id if addresses else None
    kept = {address.position: address for address in row.addresses}
    row.addresses = [
        kept.get(position) or FrontendAddress(position=position)
        for position in range(len(addresses))
    ]
    for address_row, address in zip(row.addresses, addresses, strict=True):
        mapping.assign(
            address_row, mapping.columns_of(FrontendAddress, address)
        )


def _frontend(row: Amphora) -> Frontend | None:
    if row.frontend_mac_address is None:
        return None
    return Frontend(
        mac_address=row.frontend_mac_address,
        mtu=row.frontend_mtu or 1500,
        addresses=tuple(
            mapping.read(ModelAddress, address) for address in row.addresses
        ),
    )


def record_of(row: Amphora) -> AmphoraRecord:
    """Make the record of a row."""
    return mapping.read(AmphoraRecord, row, frontend=_frontend(row))
