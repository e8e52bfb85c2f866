# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's methods of controllers, exposed again with our answers.

What a method takes and returns stays Octavia's; only its faults differ.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from octavia.common import exceptions
from wsmeext import pecan as wsme_pecan

from octavia_anycast.api import faults


def explained(method: Any) -> Any:
    """Expose a method again: a wrong value is 400, and so is no body."""
    definition = method._wsme_definition
    stock = inspect.unwrap(method)
    types = [argument.datatype for argument in definition.arguments]
    if definition.body_type is not None:
        types.pop()  # WSME adds it again

    @wraps(stock, updated=())
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        body = [*args, *kwargs.values()][-1]
        with faults.explained(), needing_root(definition.body_type, body):
            return stock(self, *args, **kwargs)

    del call.__wrapped__
    call.__signature__ = inspect.signature(stock)  # type: ignore[attr-defined]
    exposed = wsme_pecan.wsexpose(
        definition.return_type,
        *types,
        body=definition.body_type,
        status_code=definition.status_code,
        ignore_extra_args=definition.ignore_extra_args,
    )(call)
    # WSME needed it. Pecan would count the arguments, and take a collection
    # below for one of them.
    del exposed.__signature__
    return exposed


@contextmanager
def needing_root(body_type: Any, body: Any) -> Iterator[None]:
    """Answer 400 where a method fails on a body without its root element.

    Not before the method ran: what does not exist is 404 with any body.
    """
    try:
        yield
    except (AttributeError, TypeError) as e:
        (root,) = body_type._wsme_attributes
        found = getattr(body, root.name, None)
        if found and not (isinstance(found, list) and None in found):
            raise
        raise exceptions.ValidationException(
            detail=f"{root.name}: the body has no such element, or null in it"
        ) from e
