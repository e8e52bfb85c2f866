# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Amphorae: our rows; DELETED ones stay until they are purged."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db.amphora import amphora_statistics
from octavia_anycast.db.cluster_models import (
    Amphora,
    AmphoraHealth,
    AmphoraRegistration,
    AmphoraReport,
    Cluster,
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
    ServiceType,
)
from octavia_anycast.model.errors import Conflict, NotFound
from octavia_anycast.model.wire import Frontend
from octavia_anycast.model.wire import FrontendAddress as ModelAddress

# Fields of AmphoraRecord that are columns of the same name.
PLAIN = tuple(
    name
    for name in AmphoraRecord.__dataclass_fields__
    if name not in ("frontend", "status", "service_type")
)


_DRAIN_COLUMNS = {
    DrainMark.BEGUN: "draining_since",
    DrainMark.ENDED: "drained_at",
}


def create(session: Session, record: AmphoraRecord) -> None:
    """Store an amphora, before anything of it is made."""
    row = Amphora(
        status=record.status.value,
        service_type=record.service_type.value,
        **{name: getattr(record, name) for name in PLAIN},
    )
    if record.status is AmphoraStatus.ERROR:
        row.failed_at = record.status_since
    _set_frontend(row, record.frontend)
    session.add(row)
    session.flush()


def get(session: Session, amphora_id: str) -> AmphoraRecord | None:
    """One amphora, a DELETED one too; None if there is none."""
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
    """The amphorae of a distributor's own that are not DELETED."""
    return _select(session, Amphora.distributor_id == distributor_id)


def list_all(session: Session) -> list[AmphoraRecord]:
    """Every amphora that is not DELETED; two queries."""
    return _select(session)


def list_known(session: Session) -> list[AmphoraRecord]:
    """Every amphora there is a row of, DELETED ones too; two queries."""
    rows = session.scalars(select(Amphora).order_by(Amphora.id))
    return [record_of(row) for row in rows]


def mark_drain(
    session: Session,
    amphora_id: str,
    mark: DrainMark,
    *,
    wanted_since: datetime | None,
    now: datetime,
) -> bool:
    """Record how far a drain is, if it is wanted still; one statement.

    :param wanted_since: of the wish that was carried out: a wish that was
        taken back meanwhile must leave nothing behind
    :returns: False if nobody wants it any more
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
    row = session.get(Amphora, amphora_id)
    if row is None:
        raise NotFound("Amphora", amphora_id)
    for name, value in changes.items():
        if name == "status":
            _set_status(row, AmphoraStatus(value), now)
        elif name == "frontend":
            _set_frontend(row, value)
        elif name == "service_type":
            row.service_type = ServiceType(value).value
        elif name in ("is_refused", "is_invalid"):
            setattr(row, name, bool(value))
        elif name in PLAIN and name != "id":
            setattr(row, name, value)
        else:
            raise ValueError(f"{name} is not a field of an amphora")
    session.flush()


def request_failover(session: Session, amphora_id: str) -> None:
    """Ask for another amphora in the place of this one.

    :raises NotFound: if there is no such amphora.
    """
    update(session, amphora_id, failover_wanted=True)


def request_agent_update(session: Session, amphora_id: str) -> None:
    """Ask that its agent gets its configuration anew.

    :raises NotFound: if there is no such amphora.
    """
    update(session, amphora_id, agent_update_wanted=True)


def request_deletion(session: Session, amphora_id: str, now: datetime) -> None:
    """Ask that what is left of a failed amphora goes.

    :raises NotFound: if there is no such amphora.
    :raises Conflict: if it did not fail: then it belongs to a cluster.
    """
    status = session.scalar(
        select(Amphora.status)
        .where(Amphora.id == amphora_id)
        .with_for_update()
    )
    if status != AmphoraStatus.ERROR.value:
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
    """Failed amphorae of a load balancer, oldest first, DELETED too.

    With ``is_dedicated`` those of a distributor's own instead. Where another
    one was booted and ran between two failures, the first of them was no want
    of room: such a one is left by a controller that died as it ordered a
    server, too.
    """
    owner = (
        Amphora.distributor_id if is_dedicated else Amphora.load_balancer_id
    )
    is_ours = owner == owner_id
    rows = session.execute(
        select(
            Amphora.failed_at,
            Amphora.reason,
            Amphora.lb_network_ip,
            Amphora.is_refused,
            Amphora.is_invalid,
        )
        .where(is_ours, Amphora.failed_at >= since)
        .order_by(Amphora.failed_at)
    ).all()
    moments = select(Amphora.created_at).where(
        is_ours,
        Amphora.created_at >= since,
        Amphora.lb_network_ip.is_not(None),
    )
    ran = session.scalars(moments).all() if len(rows) > 1 else ()
    # Nothing lies between the last one and itself.
    ends = [row.failed_at for row in (*rows[1:], *rows[-1:])]
    return [
        BootFailure(
            at=at,
            reason=reason,
            has_run=address is not None
            or any(at < moment < end for moment in ran),
            is_refused=bool(is_refused),
            is_invalid=bool(is_invalid),
        )
        for (at, reason, address, is_refused, is_invalid), end in zip(
            rows, ends, strict=True
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An amphora of a cluster that has a spare."""

    amphora_id: str
    load_balancer_id: str
    address: IPAddress


def watched(session: Session) -> list[Watched]:
    """The configured amphorae of clusters that have a spare; one query."""
    rows = session.execute(
        select(Amphora.id, Amphora.load_balancer_id, Amphora.lb_network_ip)
        .join(Cluster, Cluster.load_balancer_id == Amphora.load_balancer_id)
        .where(
            Cluster.spare_count > 0,
            Amphora.status == AmphoraStatus.ALLOCATED.value,
            Amphora.leaving_since.is_(None),
            Amphora.applied_at.is_not(None),
            Amphora.lb_network_ip.is_not(None),
        )
        .order_by(Amphora.id)
    )
    return [
        Watched(amphora_id=i, load_balancer_id=of, address=address)
        for i, of, address in rows
    ]


def replacements_under_way(
    session: Session, since: datetime, *, is_locked: bool = False
) -> int:
    """How many amphorae boot in the place of others, in all clusters.

    :param since: those that were booted or came up before are stuck, and
        hold up nobody
    :param is_locked: whether nobody else may begin one until the end of the
        transaction
    """
    query = select(Amphora.id).where(
        Amphora.is_replacing.is_(True),
        Amphora.status.in_(
            (AmphoraStatus.BOOTING.value, AmphoraStatus.ALLOCATED.value)
        ),
        Amphora.status_since >= since,
    )
    if is_locked:
        query = query.with_for_update()
    return len(session.scalars(query).all())


def purge(session: Session, older_than: datetime) -> int:
    """Remove rows DELETED before this time; how many they were."""
    return _remove(
        session,
        Amphora.status == AmphoraStatus.DELETED.value,
        Amphora.status_since < older_than,
    )


def purge_of(session: Session, load_balancer_id: str) -> int:
    """Remove the DELETED rows of a load balancer that is gone."""
    return _remove(
        session,
        Amphora.status == AmphoraStatus.DELETED.value,
        Amphora.load_balancer_id == load_balancer_id,
    )


def _remove(session: Session, *conditions: Any) -> int:
    doomed = session.scalars(select(Amphora.id).where(*conditions)).all()
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
        .where(Amphora.status != AmphoraStatus.DELETED.value, *conditions)
        .order_by(Amphora.created_at, Amphora.id)
    )
    return [record_of(row) for row in rows]


def _set_status(
    row: Amphora, status: AmphoraStatus, now: datetime | None
) -> None:
    if now is None:
        raise ValueError("a change of status needs the time")
    if row.status == status.value:
        return
    row.status = status.value
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
        _fill_address(
            kept.get(position) or FrontendAddress(position=position), address
        )
        for position, address in enumerate(addresses)
    ]


def _fill_address(
    row: FrontendAddress, address: ModelAddress
) -> FrontendAddress:
    row.ip_address = address.ip_address
    row.prefix_length = address.prefix_length
    row.gateway = address.gateway
    row.subnet_id = address.subnet_id
    return row


def _frontend(row: Amphora) -> Frontend | None:
    if row.frontend_mac_address is None:
        return None
    return Frontend(
        mac_address=row.frontend_mac_address,
        mtu=row.frontend_mtu or 1500,
        addresses=tuple(
            ModelAddress(
                ip_address=address.ip_address,
                prefix_length=address.prefix_length,
                gateway=address.gateway,
                subnet_id=address.subnet_id,
            )
            for address in row.addresses
        ),
    )


def record_of(row: Amphora) -> AmphoraRecord:
    """Make the record of a row."""
    return AmphoraRecord(
        status=AmphoraStatus(row.status),
        service_type=ServiceType(row.service_type),
        frontend=_frontend(row),
        **{name: getattr(row, name) for name in PLAIN},
    )
