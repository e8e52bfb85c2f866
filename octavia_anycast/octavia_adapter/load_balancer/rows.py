# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Transactions on Octavia's own tables, and reads in one of their own.

Octavia's API calls the provider driver in a transaction that is not committed
yet; the parents of the objects that it is about to write are there already.

Layer: octavia_adapter.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from octavia.common import constants
from octavia.db import api as db_api
from octavia.db import models, repositories
from oslo_db import exception as db_exceptions

from octavia_anycast.model.bgp import IPAddress
from octavia_anycast.model.errors import Retryable
from octavia_anycast.octavia_adapter.load_balancer.object_rows import MODELS

_LOST = (
    db_exceptions.DBConnectionError,
    db_exceptions.DBDeadlock,
    db_exceptions.CantStartEngineError,
)
_VIPS = (models.Vip, models.AdditionalVip)


@contextmanager
def transaction() -> Iterator[Any]:
    """Open a session; commit at the end, roll back on an exception.

    :raises Retryable: connection lost, deadlock or database down.
    """
    try:
        with db_api.session().begin() as session:
            yield session
    except _LOST as e:
        reason = str(e).splitlines()[0]
        raise Retryable(f"Octavia's database cannot be used: {reason}") from e


def load_balancer_id_of(kind: str, identifier: str) -> str | None:
    """Return the id of the load balancer above a parent; one query.

    :param kind: "listeners", "pools" or "l7policies"
    :raises Retryable: the database does not answer.
    """
    model = MODELS[kind]
    with transaction() as session:
        if kind == "l7policies":
            query = session.query(models.Listener.load_balancer_id).join(
                model, model.listener_id == models.Listener.id
            )
        else:
            query = session.query(model.load_balancer_id)
        found: str | None = query.filter(model.id == identifier).scalar()
    return found


def listener(listener_id: str) -> Any:
    """Return Octavia's data model of a listener.

    :raises Retryable: the database does not answer.
    """
    with transaction() as session:
        return repositories.ListenerRepository().get(session, id=listener_id)


def pool(pool_id: str) -> Any:
    """Return Octavia's data model of a pool, with its listeners.

    :raises Retryable: the database does not answer.
    """
    with transaction() as session:
        return repositories.PoolRepository().get(session, id=pool_id)


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
        # Neutron writes addresses as we do, and Octavia stores Neutron's.
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
