# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Transactions on Octavia's own tables.

Layer: octavia_adapter.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from octavia.db import api as db_api
from oslo_db import exception as db_exceptions

from octavia_anycast.model.errors import Retryable

_LOST = (
    db_exceptions.DBConnectionError,
    db_exceptions.DBDeadlock,
    db_exceptions.CantStartEngineError,
)


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
        raise Retryable(f"Octavia's database: {reason}") from e
