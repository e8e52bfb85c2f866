# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""Octavia's rows with all that is below them, in a bounded number of queries.

Octavia's relationships are loaded when somebody looks at them, one row at a
time: a pool of a thousand members is a thousand queries and more. Here what
goes with a row is loaded with it, one query for a table and 500 rows
(ADR 0097).

Layer: octavia_adapter. The session is the caller's.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from octavia.db import models

MODELS: dict[str, Any] = {
    "listeners": models.Listener,
    "pools": models.Pool,
    "members": models.Member,
    "healthmonitors": models.HealthMonitor,
    "l7policies": models.L7Policy,
    "l7rules": models.L7Rule,
}
# How Octavia's models are loaded is said in the words of its own library.
_load = models.orm.selectinload
_KINDS = {model: kind for kind, model in MODELS.items()}
# How many ids one statement names.
CHUNK = 1000


def _tagged(model: Any, *others: Any) -> tuple[Any, ...]:
    return (_load(model._tags), *others)


_MEMBER = _tagged(models.Member)
_HEALTH_MONITOR = _tagged(models.HealthMonitor)
_RULE = _tagged(models.L7Rule)
_POLICY = _tagged(
    models.L7Policy, _load(models.L7Policy.l7rules).options(*_RULE)
)
# The policies that stay are numbered anew.
_NEIGHBOURS = _load(models.L7Policy.listener).options(
    *_tagged(
        models.Listener,
        _load(models.Listener.l7policies).options(*_tagged(models.L7Policy)),
    )
)
_LISTENER = _tagged(
    models.Listener,
    _load(models.Listener.sni_containers),
    _load(models.Listener.allowed_cidrs),
    _load(models.Listener.l7policies).options(*_POLICY),
)
_POOL = _tagged(
    models.Pool,
    _load(models.Pool.members).options(*_MEMBER),
    _load(models.Pool.health_monitor).options(*_HEALTH_MONITOR),
    _load(models.Pool.session_persistence),
    # Their own children come with the load balancer's listeners.
    _load(models.Pool._default_listeners).options(*_tagged(models.Listener)),
    _load(models.Pool.l7policies).options(*_POLICY),
)
_LOAD_BALANCER = _tagged(
    models.LoadBalancer,
    _load(models.LoadBalancer.vip).options(_load(models.Vip.sgs)),
    _load(models.LoadBalancer.additional_vips),
    _load(models.LoadBalancer.amphorae),
    _load(models.LoadBalancer.listeners).options(*_LISTENER),
    _load(models.LoadBalancer.pools).options(*_POOL),
)
_BELOW: dict[str, tuple[Any, ...]] = {
    "listeners": _LISTENER,
    "pools": _POOL,
    "members": _MEMBER,
    "healthmonitors": _HEALTH_MONITOR,
    "l7policies": (*_POLICY, _NEIGHBOURS),
    "l7rules": _RULE,
}


def load_balancer(session: Any, **criteria: Any) -> Any:
    """The load balancer's row with all below it; None if it is not there."""
    return (
        session.query(models.LoadBalancer)
        .options(*_LOAD_BALANCER)
        .filter_by(**criteria)
        .one_or_none()
    )


def load(session: Any, kind: str, identifiers: Iterable[str]) -> list[Any]:
    """The rows of one kind that are there, each with all below it."""
    model = MODELS[kind]
    return [
        row
        for some in chunks(identifiers)
        for row in session.query(model)
        .options(*_BELOW[kind])
        .filter(model.id.in_(some))
    ]


def with_all_below(rows: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Each of these rows and of those that go with it, as (kind, row)."""
    for row in rows:
        kind = _KINDS[type(row)]
        yield kind, row
        if kind == "listeners":
            yield from with_all_below(row.l7policies)
        elif kind == "l7policies":
            yield from with_all_below(row.l7rules)
        elif kind == "pools":
            yield from with_all_below(row.members)
            if row.health_monitor:
                yield from with_all_below([row.health_monitor])


def delete(session: Any, rows: Iterable[Any]) -> None:
    """Delete rows that were loaded here, with what Octavia's cascades name.

    References to them are cleared, and the L7 policies that stay on a
    listener are numbered anew, as Octavia does after each deletion.
    """
    doomed = list(rows)
    _delete_statistics(
        session, [row.id for row in doomed if isinstance(row, models.Listener)]
    )
    for row in doomed:
        if isinstance(row, models.L7Policy):
            row.listener.l7policies.remove(row)
        session.delete(row)
    session.flush()


def _delete_statistics(session: Any, listener_ids: Iterable[str]) -> None:
    """No relationship of Octavia's leads to them."""
    for some in chunks(listener_ids):
        session.query(models.ListenerStatistics).filter(
            models.ListenerStatistics.listener_id.in_(some)
        ).delete(synchronize_session=False)


def update(
    session: Any,
    column: Any,
    identifiers: Iterable[str],
    values: dict[str, Any],
    *conditions: Any,
) -> None:
    """Write values to the rows that have one of these ids in a column.

    A statement for a thousand ids; no row is loaded.
    """
    for some in chunks(identifiers):
        session.query(column.class_).filter(
            column.in_(some), *conditions
        ).update(values, synchronize_session=False)


def chunks(identifiers: Iterable[str]) -> Iterator[list[str]]:
    """Split ids into lists that one statement can name."""
    wanted = list(identifiers)
    for start in range(0, len(wanted), CHUNK):
        yield wanted[start : start + CHUNK]
