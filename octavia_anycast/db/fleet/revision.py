# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A counter of what was asked of the fleet: zone drains and fleet changes.

One request at a time raises it, across API processes and database nodes: a
lock for reading (SELECT ... FOR UPDATE) holds on one node of a Galera cluster
only, but two writers of the same row conflict on all of them.

Each amphora has the value of its boot. So it is known, whatever the clocks of
the controllers say, whether it was there when something was asked for.
"""

from sqlalchemy import select
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from octavia_anycast.db import mapping
from octavia_anycast.db.models import FleetRevision

_ONLY = 1


def claim(session: Session) -> int:
    """Raise it, and keep others from that until the transaction ends.

    Call it first. What boots from now on has this value, or a higher one.
    """
    raise_it = update_rows(FleetRevision).values(
        revision=FleetRevision.revision + 1
    )
    done = session.execute(raise_it)
    if not done.rowcount:  # type: ignore[attr-defined]
        first = FleetRevision(id=_ONLY, revision=1)
        if not mapping.insert(session, first):
            session.execute(raise_it)
    return int(session.scalar(select(FleetRevision.revision)) or 0)
