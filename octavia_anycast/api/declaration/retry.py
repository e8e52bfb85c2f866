# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""A call is made again if another transaction got in the way of its own.

On Galera that is only found when it commits: a controller has recorded
something in the same row by another node (ADR 0161). Nothing was changed, so
the method runs again from its beginning, for the user who waits.

Layer: API.
"""

import inspect
from typing import Any

from oslo_db.api import wrap_db_retry

from octavia_anycast.api.declaration.faults import UnavailableFault
from octavia_anycast.model.errors import RolledBack

_TIMES = 4
_FIRST_SECONDS = 0.05
_LONGEST_SECONDS = 0.5


def retried(method: Any) -> Any:
    """Return a controller's method that does so, with the same signature.

    What is done once only, such as a message to another service, has no place
    in such a method before its transaction.
    """
    made: Any = wrap_db_retry(
        max_retries=_TIMES,
        retry_interval=_FIRST_SECONDS,
        inc_retry_interval=True,
        max_retry_interval=_LONGEST_SECONDS,
        jitter=True,
        exception_checker=_is_rolled_back,
    )(method)
    # WSME reads the names of arguments from here.
    made.__signature__ = inspect.signature(method)
    return made


def _is_rolled_back(error: Exception) -> bool:
    return isinstance(error, UnavailableFault) and isinstance(
        error.__cause__, RolledBack
    )
