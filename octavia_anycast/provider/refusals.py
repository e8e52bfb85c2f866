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


@contextmanager
def translated() -> Iterator[None]:
    """Raise octavia_lib's exceptions instead of ours.

    :raises UnsupportedOptionError: for InvalidRequest (Octavia: 501)
    :raises Conflict: for Conflict (Octavia: 409)
    :raises DriverError: for all others (Octavia: 500)
    """
    try:
        yield
    except InvalidRequest as e:
        raise exceptions.UnsupportedOptionError(
            user_fault_string=str(e), operator_fault_string=str(e)
        ) from e
    except Conflict as e:
        raise exceptions.Conflict(
            user_fault_string=str(e), operator_fault_string=str(e)
        ) from e
    except Retryable as e:
        raise exceptions.DriverError(
            user_fault_string="The provider cannot do this just now; try "
            "again later.",
            operator_fault_string=str(e),
        ) from e
    except AnycastError as e:
        raise exceptions.DriverError(
            user_fault_string=str(e), operator_fault_string=str(e)
        ) from e
