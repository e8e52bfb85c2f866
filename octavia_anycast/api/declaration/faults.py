# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Errors of the domain as Octavia's faults: mapped here and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from octavia.common import exceptions
from oslo_db import exception as db_exceptions
from oslo_log import log as logging

from octavia_anycast.model.errors import (
    AnycastError,
    Conflict,
    InvalidRequest,
    InvalidValue,
    NotFound,
    Retryable,
    RolledBack,
)

LOG = logging.getLogger(__name__)


class ConflictFault(exceptions.APIException):
    """409, with the reason as it is."""

    msg = "%(reason)s"
    code = 409


class UnavailableFault(exceptions.APIException):
    """503: the database, or a service of the cloud, did not answer."""

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
    except RolledBack as e:
        # A declared call is made again, and says so if that does not help.
        LOG.info("%s", e)
        raise UnavailableFault from e
    except Retryable as e:
        raise _unavailable(e) from e


@contextmanager
def explained() -> Iterator[None]:
    """Answer 400 or 503 where Octavia has another status.

    octavia_lib knows no exception for a value that is wrong, Octavia answers
    501; and none for a service that does not answer, 500. A number that does
    not fit its column is an error of the database, 500.
    """
    try:
        yield
    except (
        exceptions.ProviderUnsupportedOptionError,
        exceptions.ProviderDriverError,
    ) as e:
        refusal = _said_by_driver(e)
        if isinstance(refusal, InvalidValue):
            raise exceptions.ValidationException(detail=str(refusal)) from e
        if isinstance(refusal, Retryable):
            raise _unavailable(refusal) from e
        raise
    except db_exceptions.DBError as e:
        if not _is_out_of_range(e):
            raise
        raise exceptions.ValidationException(
            detail="a number is out of range: "
            f"{_first_line(e.inner_exception)}"
        ) from e


def _unavailable(why: Retryable) -> UnavailableFault:
    """The user is told to wait; the log says what the operator may do."""
    LOG.warning("A request is answered with 503. %s", why)
    return UnavailableFault()


def _said_by_driver(error: BaseException | None) -> AnycastError | None:
    """Find what our driver said, in the chain of causes."""
    while error is not None:
        if isinstance(error, AnycastError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _is_out_of_range(error: db_exceptions.DBError) -> bool:
    return isinstance(error, db_exceptions.DBDataError) or isinstance(
        error.inner_exception, OverflowError
    )


def _first_line(error: Any) -> str:
    words = getattr(getattr(error, "orig", None), "args", ())
    return str(words[-1] if words else error).partition("\n")[0]
