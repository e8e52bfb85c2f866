# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Load balancers and their VIPs, of whatever provider.

Layer: octavia_adapter.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from octavia.common import constants
from octavia.db import models

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction

_VIPS = (models.Vip, models.AdditionalVip)


class VipHolders:
    """What Octavia's tables say of load balancers and their VIPs.

    :param transaction: opens a session of Octavia's for one question
    """

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Any]] = transaction,
    ) -> None:
        self._transaction = transaction

    def status_of(self, load_balancer_id: str) -> str | None:
        status = models.LoadBalancer.provisioning_status
        with self._transaction() as session:
            found = (
                session.query(status)
                .filter(
                    models.LoadBalancer.id == load_balancer_id,
                    status != constants.DELETED,
                )
                .first()
            )
        return None if found is None else str(found[0])

    def counts_of(self, load_balancer_ids: Iterable[str]) -> dict[str, int]:
        """load_balancer_id -> how many VIPs it has; two queries."""
        wanted = list(load_balancer_ids)
        with self._transaction() as session:
            return dict(
                Counter(
                    load_balancer_id
                    for row in _VIPS
                    for (load_balancer_id,) in session.query(
                        row.load_balancer_id
                    ).filter(row.load_balancer_id.in_(wanted))
                )
            )

    def holder_of(self, address: IPAddress) -> str | None:
        """The load balancer that has this VIP; None: nobody has it.

        Neutron writes addresses as we do, and Octavia stores Neutron's.
        """
        balancer = models.LoadBalancer
        with self._transaction() as session:
            for row in _VIPS:
                found = (
                    session.query(row.load_balancer_id)
                    .join(balancer, balancer.id == row.load_balancer_id)
                    .filter(
                        row.ip_address == str(address),
                        balancer.provisioning_status != constants.DELETED,
                    )
                    .first()
                )
                if found is not None:
                    return str(found[0])
        return None
