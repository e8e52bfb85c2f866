# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What of a load balancer's row changes with anything below it.

Octavia's API locks the load balancer (PENDING_UPDATE) for each change of a
listener, pool, member, health monitor or L7 policy, and whoever settles it
writes the row again.

Layer: octavia_adapter. Reads only.
"""

from dataclasses import dataclass
from datetime import datetime

from octavia.db import models

from octavia_anycast.octavia_adapter.load_balancer.rows import transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class RowVersion:
    """A load balancer's row, as far as it matters."""

    provisioning_status: str
    operating_status: str
    updated_at: datetime | None


def read(load_balancer_id: str) -> RowVersion | None:
    """The row version of one; None if it is not there. One query."""
    model = models.LoadBalancer
    with transaction() as session:
        row = (
            session.query(
                model.provisioning_status,
                model.operating_status,
                model.updated_at,
            )
            .filter(model.id == load_balancer_id)
            .first()
        )
    if row is None:
        return None
    return RowVersion(
        provisioning_status=row[0],
        operating_status=row[1],
        updated_at=row[2],
    )
