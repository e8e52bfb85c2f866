# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Listeners, pools, members, monitors, policies and rules: Octavia's.

Octavia's methods are exposed again: what they take and return stays, only
their faults differ. What HAProxy would refuse is refused with 400 and the
reason. The provider driver says so; Octavia would answer 501 (ADR 0095).
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from octavia.api.v2.controllers import (
    health_monitor,
    l7policy,
    l7rule,
    listener,
    member,
    pool,
)
from octavia.common import exceptions
from pecan import expose
from wsmeext import pecan as wsme_pecan

from octavia_anycast.api.declaration import faults


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


def _explaining(stock: Any) -> Any:
    """Octavia's controller, with its post and put exposed again."""
    again = {name: explained(getattr(stock, name)) for name in ("post", "put")}
    if hasattr(stock, "_lookup"):
        again["_lookup"] = expose()(_below(stock))
    return type(stock.__name__, (stock,), again)


def _below(stock: Any) -> Any:
    """Octavia's lookup of what is below one, which is exposed again, too."""

    def _lookup(self: Any, id: str, *remainder: str) -> Any:
        found = stock._lookup(self, id, *remainder)
        kind = found and _BELOW.get(type(found[0]))
        if not kind:
            return found
        below, rest = found
        made = kind.__new__(kind)
        made.__dict__.update(vars(below))
        return made, rest

    return _lookup


_BELOW = {
    kind: _explaining(kind)
    for kind in (
        member.MemberController,
        member.MembersController,
        l7rule.L7RuleController,
    )
}
ListenersController = _explaining(listener.ListenersController)
HealthMonitorsController = _explaining(health_monitor.HealthMonitorController)
PoolsController = _explaining(pool.PoolsController)
PoliciesController = _explaining(l7policy.L7PolicyController)
