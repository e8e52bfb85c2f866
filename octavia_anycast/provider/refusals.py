# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Errors of the domain as octavia_lib's: mapped here and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from octavia_lib.api.drivers import exceptions

from octavia_anycast.model.errors import (
    AnycastError,
    Conflict,
    InvalidRequest,
    Retryable,
)

# Ours -> octavia_lib's (Octavia's status); the others become DriverError.
_AS = {
    InvalidRequest: exceptions.UnsupportedOptionError,  # 501
    Conflict: exceptions.Conflict,  # 409
}


@contextmanager
def translated() -> Iterator[None]:
    """Raise octavia_lib's exceptions instead of ours.

    :raises UnsupportedOptionError: for InvalidRequest (Octavia: 501)
    :raises Conflict: for Conflict (Octavia: 409)
    :raises DriverError: for all others (Octavia: 500)
    """
    try:
        yield
    except AnycastError as e:
        said = str(e)
        if isinstance(e, Retryable):
            said = "The provider cannot do this just now; try again later."
        kind = next(
            (theirs for ours, theirs in _AS.items() if isinstance(e, ours)),
            exceptions.DriverError,
        )
        raise kind(user_fault_string=said, operator_fault_string=str(e)) from e
