# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Errors of the domain as Octavia's faults: mapped here and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from octavia.common import exceptions

from octavia_anycast.model.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    Retryable,
)


class ConflictFault(exceptions.APIException):
    """409, with the reason as it is."""

    msg = "%(reason)s"
    code = 409


class UnavailableFault(exceptions.APIException):
    """503: the database did not answer."""

    msg = "The service cannot do this just now; try again later."
    code = 503


@contextmanager
def translated() -> Iterator[None]:
    """Raise Octavia's API exceptions instead of ours."""
    try:
        yield
    except InvalidRequest as e:
        raise exceptions.ValidationException(detail=str(e)) from e
    except NotFound as e:
        raise exceptions.NotFound(resource=e.resource, id=e.identifier) from e
    except Conflict as e:
        raise ConflictFault(reason=str(e)) from e
    except Retryable as e:
        raise UnavailableFault() from e
