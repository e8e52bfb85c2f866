# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What a picture shows of Octavia's rows: columns, no objects of rows.

Layer: octavia_adapter. Reads only; the number of queries is constant.
"""

from collections.abc import Iterable
from typing import Any

from octavia.common import constants
from octavia.db import models

from octavia_anycast.model.monitoring.picture import (
    ShownBalancer,
    ShownContent,
    ShownListener,
    ShownMember,
    ShownPool,
)
from octavia_anycast.octavia_adapter.load_balancer.load_balancers import (
    PROVIDER,
)
from octavia_anycast.octavia_adapter.load_balancer.rows import transaction


class ShownRows:
    """Octavia's load balancers, as a picture shows them.

    :param counts_max: how many listeners, pools, and members of each pool
        are shown; more are counted
    """

    def __init__(self, counts_max: int = 40) -> None:
        self._counts_max = counts_max

    @staticmethod
    def all() -> list[ShownBalancer]:
        """Every load balancer of ours that is not DELETED; two queries.

        :raises Retryable: the database does not answer.
        """
        with transaction() as session:
            return _balancers(session)

    @staticmethod
    def one(load_balancer_id: str) -> ShownBalancer | None:
        """One of them; None if there is none; two queries.

        :raises Retryable: the database does not answer.
        """
        with transaction() as session:
            row = models.LoadBalancer
            found = _balancers(session, row.id == load_balancer_id)
        return found[0] if found else None

    def content(self, load_balancer_id: str) -> ShownContent:
        """What is below a load balancer; four queries.

        :raises Retryable: the database does not answer.
        """
        with transaction() as session:
            listeners = _rows(session, models.Listener, load_balancer_id)
            pools = _rows(session, models.Pool, load_balancer_id)
            members = _members(session, load_balancer_id)
            used = _used_pools(session, load_balancer_id, listeners)
        first = self._counts_max
        return ShownContent(
            listeners=tuple(
                _listener(row, used.get(row.id, ()))
                for row in listeners[:first]
            ),
            pools=tuple(
                _pool(row, members.get(row.id, []), first)
                for row in pools[:first]
            ),
            listener_count=len(listeners),
            pool_count=len(pools),
        )


def _balancers(session: Any, *conditions: Any) -> list[ShownBalancer]:
    row, vip, other = models.LoadBalancer, models.Vip, models.AdditionalVip
    live = (
        row.provider == PROVIDER,
        row.provisioning_status != constants.DELETED,
        *conditions,
    )
    found = (
        session.query(
            row.id,
            row.name,
            row.project_id,
            row.provisioning_status,
            row.operating_status,
            vip.ip_address,
        )
        .outerjoin(vip, vip.load_balancer_id == row.id)
        .filter(*live)
        .all()
    )
    more: dict[str, list[str]] = {}
    for load_balancer_id, address in (
        session.query(other.load_balancer_id, other.ip_address)
        .join(row, row.id == other.load_balancer_id)
        .filter(*live)
    ):
        more.setdefault(load_balancer_id, []).append(address)
    return [
        ShownBalancer(
            id=x.id,
            name=x.name or "",
            project_id=x.project_id or "",
            provisioning_status=x.provisioning_status or "",
            operating_status=x.operating_status or "",
            vips=tuple(filter(None, (x.ip_address, *more.get(x.id, ())))),
        )
        for x in found
    ]


def _rows(session: Any, model: Any, load_balancer_id: str) -> list[Any]:
    """Listeners or pools, the oldest first."""
    found: list[Any] = (
        session.query(
            *(
                getattr(model, name)
                for name in ("id", "name", "operating_status", "enabled")
            ),
            model.protocol,
            *(
                (model.protocol_port, model.default_pool_id)
                if model is models.Listener
                else ()
            ),
        )
        .filter(model.load_balancer_id == load_balancer_id)
        .order_by(model.created_at, model.id)
        .all()
    )
    return found


def _members(session: Any, load_balancer_id: str) -> dict[str, list[Any]]:
    """pool_id -> rows of its members, the oldest first."""
    member, pool = models.Member, models.Pool
    found: dict[str, list[Any]] = {}
    for row in (
        session.query(
            member.id,
            member.pool_id,
            member.name,
            member.operating_status,
            member.enabled,
            member.ip_address,
            member.protocol_port,
        )
        .join(pool, pool.id == member.pool_id)
        .filter(pool.load_balancer_id == load_balancer_id)
        .order_by(member.created_at, member.id)
    ):
        found.setdefault(row.pool_id, []).append(row)
    return found


def _used_pools(
    session: Any, load_balancer_id: str, listeners: Iterable[Any]
) -> dict[str, tuple[str, ...]]:
    """listener_id -> the pools that it sends to."""
    policy, listener = models.L7Policy, models.Listener
    used = {
        row.id: [row.default_pool_id] if row.default_pool_id else []
        for row in listeners
    }
    for listener_id, pool_id in (
        session.query(policy.listener_id, policy.redirect_pool_id)
        .join(listener, listener.id == policy.listener_id)
        .filter(listener.load_balancer_id == load_balancer_id)
        .filter(policy.redirect_pool_id.isnot(None))
    ):
        if pool_id not in used.setdefault(listener_id, []):
            used[listener_id].append(pool_id)
    return {key: tuple(pools) for key, pools in used.items()}


def _listener(row: Any, pool_ids: tuple[str, ...]) -> ShownListener:
    return ShownListener(
        id=row.id,
        name=row.name or "",
        operating_status=row.operating_status or "",
        is_enabled=bool(row.enabled),
        protocol=row.protocol,
        port=row.protocol_port,
        pool_ids=pool_ids,
    )


def _pool(row: Any, members: list[Any], first: int) -> ShownPool:
    return ShownPool(
        id=row.id,
        name=row.name or "",
        operating_status=row.operating_status or "",
        is_enabled=bool(row.enabled),
        protocol=row.protocol,
        members=tuple(
            ShownMember(
                id=x.id,
                name=x.name or "",
                operating_status=x.operating_status or "",
                is_enabled=bool(x.enabled),
                address=x.ip_address,
                port=x.protocol_port,
            )
            for x in members[:first]
        ),
        member_count=len(members),
    )
