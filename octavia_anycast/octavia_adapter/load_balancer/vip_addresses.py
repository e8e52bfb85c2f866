# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Whose VIP an address is, of whatever provider.

Layer: octavia_adapter. The session is the caller's.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from octavia.common import constants
from octavia.db import models

from octavia_anycast.model.bgp import IPAddress


def load_balancer_of(session: Any, address: IPAddress) -> str | None:
    """The load balancer that has this VIP; None: nobody has it.

    Neutron writes addresses as we do, and Octavia stores Neutron's.
    """
    for row in (models.Vip, models.AdditionalVip):
        found = (
            session.query(row.load_balancer_id)
            .join(
                models.LoadBalancer,
                models.LoadBalancer.id == row.load_balancer_id,
            )
            .filter(
                row.ip_address == str(address),
                models.LoadBalancer.provisioning_status != constants.DELETED,
            )
            .first()
        )
        if found is not None:
            return str(found[0])
    return None


def counts_of(
    session: Any, load_balancer_ids: Iterable[str]
) -> dict[str, int]:
    """load_balancer_id -> how many VIPs it has; two queries."""
    wanted = list(load_balancer_ids)
    return dict(
        Counter(
            load_balancer_id
            for row in (models.Vip, models.AdditionalVip)
            for (load_balancer_id,) in session.query(
                row.load_balancer_id
            ).filter(row.load_balancer_id.in_(wanted))
        )
    )
