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
        """The provisioning status; None: there is no such load balancer."""
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
        with self._transaction() as session:
            return _counts_of(session, list(load_balancer_ids))

    def holder_of(self, address: IPAddress) -> str | None:
        """The load balancer that has this VIP; None: nobody has it."""
        with self._transaction() as session:
            return _holder_of(session, address)


def _holder_of(session: Any, address: IPAddress) -> str | None:
    """Neutron writes addresses as we do, and Octavia stores Neutron's."""
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


def _counts_of(session: Any, wanted: list[str]) -> dict[str, int]:
    return dict(
        Counter(
            load_balancer_id
            for row in (models.Vip, models.AdditionalVip)
            for (load_balancer_id,) in session.query(
                row.load_balancer_id
            ).filter(row.load_balancer_id.in_(wanted))
        )
    )
