# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The lifecycle of a distributor: its row in PENDING_* is the work queue.

The API records what is wanted (``begin_update``, ``begin_delete``), under a
lock of the row; the controller records what was done (``settle``,
``remove``).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from oslo_db.exception import DBReferenceError
from sqlalchemy import delete as delete_rows
from sqlalchemy import or_, select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session, lazyload

from octavia_anycast.db import mapping, models
from octavia_anycast.db.distributor import distributors, peers
from octavia_anycast.model.errors import Conflict

PENDING_CREATE = "PENDING_CREATE"
PENDING_UPDATE = "PENDING_UPDATE"
PENDING_DELETE = "PENDING_DELETE"
PENDING = (PENDING_CREATE, PENDING_UPDATE, PENDING_DELETE)
ACTIVE = "ACTIVE"
ERROR = "ERROR"
_ROW = models.Distributor
_OLDEST_FIRST = (_ROW.created_at, _ROW.id)


class Immutable(Conflict):
    """A change of a distributor that is still being changed."""

    def __init__(self, distributor_id: str, status: str) -> None:
        super().__init__(
            f"Distributor {distributor_id} is immutable and cannot be "
            f"updated: it is in {status}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses:
    """The statuses of a distributor, without the rest of it."""

    id: str
    provisioning_status: str
    operating_status: str
    status_reason: str
    is_enabled: bool


class Unsettled(NamedTuple):
    """A provisioning status, and since when the row is as it is.

    Of two changes in a row the second one shows by its time only.
    """

    provisioning_status: str
    updated_at: datetime | None


def unsettled(session: Session) -> dict[str, Unsettled]:
    """Distributor_id -> status of those that need work; one query.

    Those in PENDING_* or ERROR, and where something fails; oldest first.
    """
    status = _ROW.provisioning_status
    rows = session.execute(
        select(_ROW.id, status, _ROW.updated_at)
        .where(or_(status.in_((*PENDING, ERROR)), _ROW.failures.is_not(None)))
        .order_by(*_OLDEST_FIRST)
    )
    return {
        row.id: Unsettled(row.provisioning_status, row.updated_at)
        for row in rows
    }


def statuses(session: Session) -> list[Statuses]:
    """Get the statuses of every distributor; one query."""
    statement = mapping.select_fields(_ROW, Statuses)
    return mapping.made(session, Statuses, statement.order_by(*_OLDEST_FIRST))


def lock(session: Session, distributor_ids: Iterable[str]) -> None:
    """Lock distributors that may be changed, until the transaction ends.

    :raises NotFound: if one of them does not exist.
    :raises Immutable: if one of them is in PENDING_*.
    """
    for distributor_id in sorted(set(distributor_ids)):
        _changeable(session, distributor_id)


def begin_update(session: Session, distributor_ids: Iterable[str]) -> None:
    """Have the controller carry changes to the amphorae of distributors.

    This takes back a deletion that failed: the last request counts.
    """
    session.execute(
        update_rows(_ROW)
        .where(_ROW.id.in_(list(distributor_ids)))
        .values(
            provisioning_status=PENDING_UPDATE,
            deletion_wanted=False,
            updated_at=models.utcnow(),
        )
    )


def begin_delete(
    session: Session, distributor_id: str, *, with_peers: bool
) -> None:
    """Have the controller delete a distributor.

    :param with_peers: also its external VIPs and registrations of amphorae,
        and those of its peers that no other speaker uses
    :raises NotFound: if there is no such distributor.
    :raises Immutable: if it is in PENDING_*.
    :raises Conflict: while load balancers use it, saying how many; or while
        it has external VIPs or registrations of amphorae, which only a
        deletion with all that it has takes along.
    """
    row = _changeable(session, distributor_id)
    _check_unused(session, distributor_id)
    if not with_peers:
        _check_announces_nothing(session, distributor_id)
    row.provisioning_status = PENDING_DELETE
    row.delete_peers = with_peers
    session.flush()


def settle(
    session: Session,
    distributor_id: str,
    *,
    provisioning_status: str | None = None,
    operating_status: str | None = None,
    status_reason: str | None = None,
    expected: Collection[str] | None = None,
) -> bool:
    """Store statuses; None keeps one. A long reason is cut.

    A deletion that ends in ERROR is remembered until ``begin_update``.

    :param expected: the provisioning statuses that it may have now; if it
        has another one, nothing is stored
    :returns: whether it had one of them
    :raises NotFound: if there is no such distributor.
    """
    row = locked(session, distributor_id)
    if expected is not None and row.provisioning_status not in expected:
        return False
    if provisioning_status is not None:
        if provisioning_status == ACTIVE:
            row.deletion_wanted = False
        elif is_going(row):
            row.deletion_wanted = True
        row.provisioning_status = provisioning_status
    if operating_status is not None:
        row.operating_status = operating_status
    if status_reason is not None:
        row.status_reason = status_reason[: models.REASON_LENGTH]
    session.flush()
    return True


def remove(session: Session, distributor_id: str) -> None:
    """Delete the rows of a distributor, as ``begin_delete`` asked for.

    :raises NotFound: if there is no such distributor.
    :raises Conflict: while load balancers use it, saying how many.
    """
    row = locked(session, distributor_id)
    _check_unused(session, distributor_id)
    peer_ids = [r.peer_id for s in row.speakers for r in s.registrations]
    with_peers = row.delete_peers
    for model in (models.ExternalVip, models.RegisteredAmphorae):
        session.execute(
            delete_rows(model).where(model.distributor_id == distributor_id)
        )
    session.delete(row)
    try:
        session.flush()
    except DBReferenceError as e:  # one came between the count and this
        raise _in_use(distributor_id, "a load balancer uses it") from e
    if with_peers:
        peers.delete_unused(session, peer_ids)


def require_usable(session: Session, distributor_id: str) -> None:
    """Check that a new load balancer may use it, and lock it for sharing.

    A load balancer can be created while a change of the distributor is under
    way, or has failed on some amphora (ADR 0062).

    :raises NotFound: if there is no such distributor.
    :raises Conflict: if it is disabled or going away.
    """
    row = locked(session, distributor_id, is_shared=True)
    if is_going(row):
        raise Conflict(
            f"Distributor {distributor_id} is to be deleted: no new load "
            "balancer can use it."
        )
    if not row.is_enabled:
        raise Conflict(
            f"Distributor {distributor_id} is disabled: no new load balancer "
            "can use it."
        )


def is_going(row: models.Distributor) -> bool:
    """Whether it is to be deleted; in ERROR, if that has failed so far."""
    return row.deletion_wanted or row.provisioning_status == PENDING_DELETE


def _check_unused(session: Session, distributor_id: str) -> None:
    users = distributors.count_of_one(session, models.Cluster, distributor_id)
    if users:
        raise _in_use(distributor_id, f"{users} load balancer(s) use it")


def _check_announces_nothing(session: Session, distributor_id: str) -> None:
    for model, what in (
        (models.ExternalVip, "external VIP(s)"),
        (models.RegisteredAmphorae, "registration(s) of amphorae"),
    ):
        held = distributors.count_of_one(session, model, distributor_id)
        if held:
            raise _in_use(
                distributor_id,
                f"it has {held} {what}, which cascade=true would delete",
            )


def _in_use(distributor_id: str, why: str) -> Conflict:
    return Conflict(f"Distributor {distributor_id} cannot be deleted: {why}.")


def _changeable(session: Session, distributor_id: str) -> models.Distributor:
    row = locked(session, distributor_id)
    if row.provisioning_status in PENDING:
        raise Immutable(distributor_id, row.provisioning_status)
    return row


def locked(
    session: Session, distributor_id: str, *, is_shared: bool = False
) -> models.Distributor:
    """Get a distributor's row, locked until the transaction ends.

    :raises NotFound: if there is no such distributor.
    """
    return mapping.locked(
        session,
        _ROW,
        distributor_id,
        with_for_update={"read": is_shared},
        # Only this row is locked; what belongs to it is read if needed.
        options=[lazyload("*")],
    )
