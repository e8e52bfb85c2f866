# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Clusters: one row of ours for each load balancer of the provider."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import epochs, mapping
from octavia_anycast.db.cluster import claims
from octavia_anycast.db.models import REQUEST_ID_LENGTH, Cluster
from octavia_anycast.db.registration import amphora_registrations
from octavia_anycast.model.cluster import ClusterRecord
from octavia_anycast.model.distributor import Choice
from octavia_anycast.model.errors import Conflict, NotFound


def create(session: Session, record: ClusterRecord) -> None:
    """Store a cluster; a given ``created_at`` is kept."""
    values = mapping.columns_of(Cluster, record)
    if record.created_at is None:
        del values["created_at"]
    session.add(Cluster(**values))
    session.flush()


def get(session: Session, load_balancer_id: str) -> ClusterRecord | None:
    """Get the cluster of a load balancer; None if there is none."""
    row = session.get(Cluster, load_balancer_id)
    return None if row is None else _record(row)


def lock(session: Session, load_balancer_id: str) -> ClusterRecord | None:
    """Get the cluster, and be alone with its row until the transaction ends.

    Other transactions are, too, that lock it on another database node.
    """
    epochs.take_turn(session, Cluster, load_balancer_id)
    row = session.get(Cluster, load_balancer_id, with_for_update=True)
    return None if row is None else _record(row)


def list_all(session: Session) -> list[ClusterRecord]:
    """Every cluster, oldest first; one query."""
    rows = session.scalars(
        select(Cluster).order_by(Cluster.created_at, Cluster.load_balancer_id)
    )
    return [_record(row) for row in rows]


def list_of(
    session: Session, load_balancer_ids: Collection[str]
) -> list[ClusterRecord]:
    """Those of these load balancers, by id; one query."""
    rows = session.scalars(
        select(Cluster)
        .where(Cluster.load_balancer_id.in_(load_balancer_ids))
        .order_by(Cluster.load_balancer_id)
    )
    return [_record(row) for row in rows]


def changes(session: Session) -> dict[str, datetime]:
    """load_balancer_id -> when its user last changed its cluster.

    By the clock of the API that took the change. Or when a chore or the
    doctor asked for a look at it.
    """
    rows = session.execute(
        select(Cluster.load_balancer_id, Cluster.changed_at).where(
            Cluster.changed_at.is_not(None)
        )
    )
    return {load_balancer_id: at for load_balancer_id, at in rows}


def choices_of(
    session: Session, load_balancer_ids: Collection[str]
) -> dict[str, Choice]:
    """load_balancer_id -> what was chosen, of those with a cluster.

    One query, and no more than is shown: it is part of every show.
    """
    if not load_balancer_ids:
        return {}
    rows = session.execute(
        mapping.select_fields(Cluster, Choice)
        .add_columns(Cluster.load_balancer_id)
        .where(Cluster.load_balancer_id.in_(load_balancer_ids))
    ).mappings()
    return {row["load_balancer_id"]: Choice.of(dict(row)) for row in rows}


def ids_with(
    session: Session, wanted: Mapping[str, Collection[str]]
) -> list[str]:
    """The load balancers whose cluster has one of these values each.

    :param wanted: field of :class:`ClusterRecord` -> its possible values
    """
    return list(
        session.scalars(
            select(Cluster.load_balancer_id).where(
                *(
                    getattr(Cluster, name).in_(values)
                    for name, values in wanted.items()
                )
            )
        )
    )


def update(session: Session, load_balancer_id: str, **changes: Any) -> None:
    """Change fields of :class:`ClusterRecord`.

    :raises NotFound: if there is no such cluster.
    :raises ValueError: for a name that is not a field.
    """
    row = mapping.required(session, Cluster, load_balancer_id)
    mapping.assign(row, _values(changes))
    session.flush()


def require_managed(session: Session, load_balancer_id: str) -> None:
    """Check that the cluster manager would carry out a request.

    :raises Conflict: the cluster manager is off.
    """
    is_on = session.scalar(
        select(Cluster.is_enabled).where(
            Cluster.load_balancer_id == load_balancer_id
        )
    )
    if is_on is False:
        raise Conflict(
            f"The cluster manager of load balancer {load_balancer_id} is off "
            "(enabled is false): it would replace nothing."
        )


def request_failover(session: Session, load_balancer_id: str) -> int:
    """Ask for new amphorae; returns the new ``failover_generation``.

    :raises NotFound: if there is no such cluster.
    :raises Conflict: if the cluster manager is off.
    """
    require_managed(session, load_balancer_id)
    counted = session.execute(
        update_rows(Cluster)
        .where(Cluster.load_balancer_id == load_balancer_id)
        .values(
            failover_generation=Cluster.failover_generation + 1,
            # The VIP's port and security group are to be checked, too.
            config_revision="",
        )
    )
    if not counted.rowcount:  # type: ignore[attr-defined]
        raise NotFound("Cluster", load_balancer_id)
    generation = session.scalar(
        select(Cluster.failover_generation).where(
            Cluster.load_balancer_id == load_balancer_id
        )
    )
    assert generation is not None
    return generation


def record_request(
    session: Session, load_balancer_id: str, request_id: str
) -> None:
    """Record the API request that changes a load balancer; one UPDATE.

    The last one wins: if several come before the controller's next round, its
    log lines bear the last one's id. Without a cluster or an id this records
    nothing; :func:`create` stores the id with the row.
    """
    if not request_id:
        return
    session.execute(
        update_rows(Cluster)
        .where(Cluster.load_balancer_id == load_balancer_id)
        .values(request_id=request_id[:REQUEST_ID_LENGTH])
    )


def forget_request(
    session: Session, load_balancer_id: str, request_id: str
) -> None:
    """Forget a request that is carried out; a newer one stays."""
    session.execute(
        update_rows(Cluster)
        .where(
            Cluster.load_balancer_id == load_balancer_id,
            Cluster.request_id == request_id,
        )
        .values(request_id="")
    )


def delete(session: Session, load_balancer_id: str) -> None:
    """Delete a cluster and its registrations with distributors; idempotent."""
    amphora_registrations.forget_load_balancer(session, load_balancer_id)
    claims.remove(session, load_balancer_id)
    session.execute(
        delete_rows(Cluster).where(
            Cluster.load_balancer_id == load_balancer_id
        )
    )


def _values(fields: dict[str, Any]) -> dict[str, Any]:
    values = dict(fields)
    for name in fields:
        if name not in ClusterRecord.__dataclass_fields__:
            raise ValueError(f"{name} is not a field of a cluster")
    if "size" in values:
        size = values.pop("size")
        values |= {f"size_{k}": v for k, v in asdict(size).items()}
    return values


def _record(row: Cluster) -> ClusterRecord:
    return mapping.read(ClusterRecord, row)
