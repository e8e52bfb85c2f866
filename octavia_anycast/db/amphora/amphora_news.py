# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which amphorae there may be something to do for.

Asked often and with thousands of amphorae, so the database chooses: what is
read does not grow with those that are well.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from octavia_anycast.db.cluster_models import Amphora, AmphoraHealth
from octavia_anycast.model.cluster import AmphoraStatus


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for an amphora; equal as long as it is the same."""

    amphora_id: str
    load_balancer_id: str | None
    failover_wanted: bool
    agent_update_wanted: bool
    drain_deadline: datetime | None


def silent(session: Session, before: datetime) -> dict[str, str | None]:
    """Those last heard of before that: their load balancers, by their id.

    Only ALLOCATED ones that were heard of at all; one query.
    """
    rows = session.execute(
        select(Amphora.id, Amphora.load_balancer_id)
        .join(AmphoraHealth, AmphoraHealth.amphora_id == Amphora.id)
        .where(
            Amphora.status == AmphoraStatus.ALLOCATED.value,
            AmphoraHealth.last_update < before,
        )
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
        ).where(
            Amphora.status != AmphoraStatus.DELETED.value,
            or_(
                Amphora.failover_wanted.is_(True),
                Amphora.agent_update_wanted.is_(True),
                Amphora.drain_deadline.is_not(None),
                Amphora.status == AmphoraStatus.PENDING_DELETE.value,
            ),
        )
    )
    return {Wish(*row) for row in rows}
