# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which state of a zone drain or fleet change was told of last.

The session is given and the caller owns the transaction.
"""

from sqlalchemy import ColumnElement, select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import models
from octavia_anycast.db.models import Amphora, Cluster

Row = type[models.ZoneDrain] | type[models.FleetChangeRow]


def record(session: Session, row: Row, id_: str, state: str) -> str | None:
    """Record that a state is told of.

    :returns: the state that was told of before, empty: none; None: this one
        was, or there is no such row
    """
    before = session.scalar(
        select(row.told).where(row.id == id_).with_for_update()
    )
    if before is None or before == state:
        return None
    session.execute(
        update_rows(row)
        .where(row.id == id_)
        .values(told=state)
        .execution_options(synchronize_session=False)
    )
    return before


def distributors_of(
    session: Session, where: ColumnElement[bool] | None = None
) -> list[str]:
    """The distributors that have such amphorae, or whose load balancers do.

    :param where: a condition of amphorae; None, or where there are none: all
        distributors that have load balancers
    """
    statement = select(Cluster.distributor_id).distinct()
    if where is not None:
        of_balancers = statement.join(
            Amphora, Amphora.load_balancer_id == Cluster.load_balancer_id
        ).where(~Amphora.is_deleted, where)
        own = select(Amphora.distributor_id).where(
            ~Amphora.is_deleted, Amphora.distributor_id.is_not(None), where
        )
        some = set(session.scalars(of_balancers)) | set(session.scalars(own))
        if some:
            return sorted(filter(None, some))
    return list(session.scalars(statement.order_by(Cluster.distributor_id)))
