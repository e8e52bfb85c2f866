# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""One request of a kind at a time, across API processes and database nodes.

A lock for reading (SELECT ... FOR UPDATE) holds on one node of a Galera
cluster only; two writers of the same row conflict on all of them.
"""

from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import mapping
from octavia_anycast.db.models import FleetRevision

ZONE_DRAIN = "zone_drain"
CHANGE = "change"


def claim(session: Session, kind: str) -> None:
    """Keep others from asking until the transaction ends; call it first."""
    raise_it = (
        update_rows(FleetRevision)
        .where(FleetRevision.kind == kind)
        .values(revision=FleetRevision.revision + 1)
    )
    done = session.execute(raise_it)
    if done.rowcount:  # type: ignore[attr-defined]
        return
    if not mapping.insert(session, FleetRevision(kind=kind, revision=1)):
        session.execute(raise_it)
