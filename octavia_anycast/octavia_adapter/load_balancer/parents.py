# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""The parents of objects that Octavia's API is about to write.

Octavia's API calls the provider driver in a transaction of its own, which is
not committed yet; the parents are there already.

Layer: octavia_adapter. Reads only, each in a transaction of its own.
"""

from typing import Any

from octavia.db import repositories

from octavia_anycast.octavia_adapter.load_balancer import object_rows
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction


def load_balancer_id_of(kind: str, identifier: str) -> str | None:
    """Return the id of the load balancer above a parent; one query.

    :param kind: "listeners", "pools" or "l7policies"
    :raises Retryable: the database does not answer.
    """
    with transaction() as session:
        return object_rows.load_balancer_id_of(session, kind, identifier)


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
