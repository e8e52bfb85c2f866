# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Which load balancers wait for the limit of replacements (ADR 0168)."""

from datetime import datetime

from sqlalchemy.orm import Session

from octavia_anycast.db import mapping
from octavia_anycast.db.models import ReplacementClaim as Row
from octavia_anycast.model.cluster import ReplacementClaim


def fresh(session: Session, since: datetime) -> tuple[ReplacementClaim, ...]:
    """Those that were asked for again since then; one query."""
    statement = mapping.select_fields(Row, ReplacementClaim).where(
        Row.asked_at >= since
    )
    return tuple(mapping.made(session, ReplacementClaim, statement))


def put(session: Session, claim: ReplacementClaim) -> None:
    """Store a claim in place of the load balancer's last one."""
    row = session.get(Row, claim.load_balancer_id)
    values = mapping.columns_of(Row, claim)
    # An UPDATE of a row that is not there would lock the gap.
    if row is None:
        mapping.insert(session, Row(**values))
        return
    for name, value in values.items():
        setattr(row, name, value)


def remove(session: Session, load_balancer_id: str) -> None:
    """It waits no more; idempotent."""
    row = session.get(Row, load_balancer_id)
    # A DELETE of a row that is not there would lock the gap.
    if row is not None:
        session.delete(row)
        session.flush()
