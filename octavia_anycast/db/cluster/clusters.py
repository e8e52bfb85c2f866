# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Clusters: our row beside each load balancer of Octavia."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db.cluster_models import REQUEST_ID_LENGTH, Cluster
from octavia_anycast.db.registration import amphora_registrations
from octavia_anycast.model.autoscale import Autoscale
from octavia_anycast.model.cluster import ClusterRecord, ClusterSize
from octavia_anycast.model.codec import read, to_document
from octavia_anycast.model.distributor import Choice
from octavia_anycast.model.errors import Conflict, NotFound

# field of ClusterRecord -> column, where they differ
COLUMNS = {
    "is_enabled": "enabled",
    "cooldown_seconds": "cooldown",
    "is_deletion_wanted": "deletion_wanted",
}


def create(session: Session, record: ClusterRecord) -> None:
    """Store a cluster; a given ``created_at`` is kept."""
    values = asdict(record) | {
        "size": record.size,
        "autoscale": record.autoscale,
        "failures": record.failures,
        "refusals": record.refusals,
    }
    if record.created_at is None:
        del values["created_at"]
    session.add(Cluster(**_columns(values)))
    session.flush()


def get(session: Session, load_balancer_id: str) -> ClusterRecord | None:
    """The cluster of a load balancer, None if there is none."""
    row = session.get(Cluster, load_balancer_id)
    return None if row is None else _record(row)


def lock(session: Session, load_balancer_id: str) -> ClusterRecord | None:
    """As :func:`get`; nobody else changes it until the transaction ends."""
    row = session.get(Cluster, load_balancer_id, with_for_update=True)
    return None if row is None else _record(row)


def list_all(session: Session) -> list[ClusterRecord]:
    """Every cluster, oldest first; one query."""
    rows = session.scalars(
        select(Cluster).order_by(Cluster.created_at, Cluster.load_balancer_id)
    )
    return [_record(row) for row in rows]


def changed_since(session: Session, since: datetime) -> dict[str, datetime]:
    """load_balancer_id -> when its user last changed its cluster."""
    rows = session.execute(
        select(Cluster.load_balancer_id, Cluster.changed_at).where(
            Cluster.changed_at >= since
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
        select(
            Cluster.load_balancer_id,
            Cluster.distributor_id,
            Cluster.frontend_network_id,
            Cluster.frontend_subnet_id,
        ).where(Cluster.load_balancer_id.in_(load_balancer_ids))
    )
    return {
        load_balancer_id: Choice(
            distributor_id=distributor_id,
            frontend_network_id=network_id,
            frontend_subnet_id=subnet_id,
        )
        for load_balancer_id, distributor_id, network_id, subnet_id in rows
    }


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
    row = session.get(Cluster, load_balancer_id)
    if row is None:
        raise NotFound("Cluster", load_balancer_id)
    for name, value in _columns(changes).items():
        setattr(row, name, value)
    session.flush()


def require_managed(session: Session, load_balancer_id: str) -> None:
    """See that somebody would carry out what is asked.

    :raises Conflict: the cluster manager is off.
    """
    is_on = session.scalar(
        select(Cluster.enabled).where(
            Cluster.load_balancer_id == load_balancer_id
        )
    )
    if is_on is False:
        raise Conflict(
            f"The cluster manager of load balancer {load_balancer_id} is off "
            "(enabled is false): nothing would be replaced."
        )


def request_failover(session: Session, load_balancer_id: str) -> int:
    """Ask for new amphorae; the number of the request, counted in the row.

    :raises NotFound: if there is no such cluster.
    :raises Conflict: if nobody would replace them.
    """
    require_managed(session, load_balancer_id)
    counted = session.execute(
        update_rows(Cluster)
        .where(Cluster.load_balancer_id == load_balancer_id)
        .values(
            failover_generation=Cluster.failover_generation + 1,
            # The VIP's port and security group are looked at, too.
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

    The last one wins: if several came before the controller looked, its
    lines bear the last one's id. Where there is no cluster yet, or no id,
    nothing is recorded; :func:`create` takes the id with the row.
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
    """Forget a cluster; one that is not there is forgotten already.

    Its registrations with dedicated distributors go along.
    """
    amphora_registrations.forget_load_balancer(session, load_balancer_id)
    session.execute(
        delete_rows(Cluster).where(
            Cluster.load_balancer_id == load_balancer_id
        )
    )


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    known = ClusterRecord.__dataclass_fields__
    values: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in known:
            raise ValueError(f"{name} is not a field of a cluster")
        if name == "size":
            values["desired_size"] = value.desired
            values["min_size"] = value.minimum
            values["max_size"] = value.maximum
        elif name == "autoscale":
            values[name] = value and json.dumps(to_document(value))
        elif name == "refusals":
            values[name] = json.dumps(dict(value)) if value else None
        else:
            values[COLUMNS.get(name, name)] = value
    return values


def _record(row: Cluster) -> ClusterRecord:
    return ClusterRecord(
        load_balancer_id=row.load_balancer_id,
        project_id=row.project_id,
        distributor_id=row.distributor_id,
        size=ClusterSize(
            desired=row.desired_size,
            minimum=row.min_size,
            maximum=row.max_size,
        ),
        is_enabled=row.enabled,
        frontend_network_id=row.frontend_network_id,
        frontend_subnet_id=row.frontend_subnet_id,
        failover_generation=row.failover_generation,
        provisioning_status=row.provisioning_status,
        operating_status=row.operating_status,
        reason=row.reason,
        config_revision=row.config_revision,
        cooldown_seconds=row.cooldown,
        cluster_type=row.cluster_type,
        spare_count=row.spare_count,
        autoscale=read(Autoscale, json.loads(row.autoscale))
        if row.autoscale
        else None,
        refusals=json.loads(row.refusals) if row.refusals else {},
        scaled_at=row.scaled_at,
        scaling_reason=row.scaling_reason,
        changed_at=row.changed_at,
        created_at=row.created_at,
        failures=row.failures or (),
        pending_since=row.pending_since,
        is_deletion_wanted=row.deletion_wanted,
        request_id=row.request_id,
    )
